import { CARRIAGE_RETURN, type FieldShape, LINE_FEED, MAX_STREAMS, QUOTE } from '../kernels/fields.ts'

/** Text in rows with the same number of fields, or of the same length. */
export interface Table {
  /** The byte that ends a field within a row. In rows of one length: a byte that does not occur. */
  separator: number
  rowEnd: FieldShape['rowEnd']
  /** Fields per row; 1 for rows of one length. */
  columns: number
}

/** Bytes that may separate fields, most likely first. Hive writes 1, and 31 is ASCII's own separator. */
const SEPARATORS = Uint8Array.from([...'\x01\x1f,\t;| ~^'], character => character.charCodeAt(0))
/** Maximum number of rows examined. */
const MAX_ROWS = 32
/** Minimum number of rows of a table. */
const MIN_ROWS = 12
/** Maximum number of bytes examined. */
const LOOK_BYTES = 16 * 1024
/** Text whose first row is longer is no table. */
const MAX_ROW_BYTES = 4 * 1024
/** Share of rows that must have the usual number of fields. */
const REGULAR = 0.9
/** The same where that is 4 or more, and no spaces, which indent code: line feeds within quotes divide rows. */
const REGULAR_IF_MANY = 0.6
/**
 * Rows of different numbers of fields are a table if nearly all have so many separators. Spaces are prose, and the
 * fields of different JSON objects have little in common.
 */
const MIN_RAGGED = 3
const SPACE = 32
const BRACE = 123
/** Stands for any number of fields, so that all chunks of such a table share blocks. */
const RAGGED_COLUMNS = 64
/** Rows of one length are a table if one byte fills at least this share of their places nearly always. */
const CONSTANT_PLACES = 1 / 8
/** Share of zeros in UTF-16, at least. Other text has none. */
const UTF16_ZEROS = 0.4

/** So many bytes tell whether the content may be text. */
const TEXT_BYTES = 64
/** Of these, so many that no text has tell that it is none. */
const BINARY_BYTES = 2

const separatorOf = new Int8Array(256).fill(-1)
SEPARATORS.forEach((separator, i) => (separatorOf[separator] = i))

/** Examines the first whole rows of `bytes`, usually far fewer than 16 KiB. Undefined if they are no table. */
export function findTable(bytes: Uint8Array): Table | undefined {
  if (isBinary(bytes)) return undefined
  const rowEnd = rowEndOf(bytes.subarray(0, LOOK_BYTES))
  const { rows, starts } = countSeparators(bytes, rowEnd)
  if (rows.length < MIN_ROWS) return undefined
  for (const [i, separator] of SEPARATORS.entries()) {
    const fields = rows.map(counts => counts[i]!)
    const usual = median(fields)
    const regular = fields.filter(count => count === usual).length / fields.length
    // other text often has one separator per row too
    const needed = usual === 1 ? 1 : usual === 2 || separator === SPACE ? REGULAR : REGULAR_IF_MANY
    if (usual > 0 && regular >= needed) return { separator, rowEnd, columns: usual + 1 }
  }
  const isRagged = (i: number): boolean => rows.filter(counts => counts[i]! >= MIN_RAGGED).length >= REGULAR * rows.length
  const ragged = bytes[starts[0]!] === BRACE ? undefined : SEPARATORS.find((separator, i) => separator !== SPACE && isRagged(i))
  if (ragged !== undefined) return { separator: ragged, rowEnd, columns: RAGGED_COLUMNS }
  return hasOneLength(bytes, starts) ? { separator: 0, rowEnd, columns: 1 } : undefined
}

/**
 * Carriage returns end rows if those without a line feed behind them, in UTF-16 too, are at least as many as the line
 * feeds: these then lie within quotes.
 */
function rowEndOf(text: Uint8Array): Table['rowEnd'] {
  if (!text.includes(CARRIAGE_RETURN)) return LINE_FEED
  let alone = 0
  let feeds = 0
  for (let i = 0; i < text.length; i++) {
    if (text[i] === LINE_FEED) feeds++
    else if (text[i] === CARRIAGE_RETURN && text[i + 1] !== LINE_FEED && (text[i + 1] !== 0 || text[i + 2] !== LINE_FEED)) alone++
  }
  return alone >= feeds && alone > 0 ? CARRIAGE_RETURN : LINE_FEED
}

/** Of numbers and programs, one byte in eleven is a control character that no text has, not even text in UTF-16. */
function isBinary(bytes: Uint8Array): boolean {
  const step = Math.max(1, Math.floor(bytes.length / TEXT_BYTES))
  let zeros = 0
  let controls = 0
  for (let i = step >> 1; i < bytes.length; i += step) {
    const byte = bytes[i]!
    if (byte === 0) zeros++
    else if (byte === 127 || (byte < 31 && byte > 1 && (byte < 9 || byte > 13))) controls++
  }
  return controls >= BINARY_BYTES && zeros < (UTF16_ZEROS / 2) * TEXT_BYTES
}

/** Whether rows have one length and places that hardly vary, as blanks and points of numbers in columns do. */
function hasOneLength(bytes: Uint8Array, starts: readonly number[]): boolean {
  const rows = starts.slice(0, -1)
  const length = starts[1]! - starts[0]!
  if (length > MAX_STREAMS || !rows.every((start, i) => starts[i + 1]! - start === length)) return false
  if (bytes.subarray(starts[0], starts.at(-1)).includes(0)) return false
  const isConstant = (place: number): boolean => {
    const usual = median(rows.map(start => bytes[start + place]!))
    return rows.filter(start => bytes[start + place] === usual).length >= REGULAR * rows.length
  }
  const constant = Array.from({ length }, (_, place) => place).filter(isConstant).length
  return constant >= Math.max(2, CONSTANT_PLACES * length)
}

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!

/** For each row, the number of each separator outside quotes; and where rows start, also the one after the last. */
function countSeparators(bytes: Uint8Array, rowEnd: number): { rows: Uint16Array[]; starts: number[] } {
  const rows: Uint16Array[] = []
  const end = Math.min(bytes.length, LOOK_BYTES)
  let at = bytes.indexOf(rowEnd) + 1
  const starts = [at]
  if (at === 0 || at > MAX_ROW_BYTES) return { rows, starts }
  let counts = new Uint16Array(SEPARATORS.length)
  let quoted = false
  let zeros = 0
  for (; at < end && rows.length < MAX_ROWS; at++) {
    const byte = bytes[at]!
    if (byte === rowEnd) {
      rows.push(counts)
      starts.push(at + 1)
      counts = new Uint16Array(SEPARATORS.length)
      quoted = false
    } else if (byte === QUOTE) quoted = !quoted
    else if (byte === 0) zeros++
    else if (!quoted && separatorOf[byte]! >= 0) counts[separatorOf[byte]!]!++
  }
  return zeros > 0 && zeros < UTF16_ZEROS * (at - starts[0]!) ? { rows: [], starts } : { rows, starts }
}
