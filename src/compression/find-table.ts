import { LINE_FEED, QUOTE } from '../kernels/fields.ts'

/** Text in rows with the same number of fields. */
export interface Table {
  /** The byte that ends a field within a row. */
  separator: number
  /** Fields per row, 2 or more. */
  columns: number
}

/** Bytes that may separate fields, most likely first. */
const SEPARATORS = Uint8Array.from([...',\t;| '], character => character.charCodeAt(0))
/** Maximum number of rows examined. */
const MAX_ROWS = 32
/** Minimum number of rows of a table. */
const MIN_ROWS = 12
/** Maximum number of bytes examined. */
const LOOK_BYTES = 16 * 1024
/** Text whose first row is longer is no table. */
const MAX_ROW_BYTES = 4 * 1024
/** Share of rows that must have the most frequent number of fields. */
const REGULAR = 0.9

const separatorOf = new Int8Array(256).fill(-1)
SEPARATORS.forEach((separator, i) => (separatorOf[separator] = i))

/** Examines the first whole rows of `bytes`, usually far fewer than 16 KiB. Undefined if they are no table. */
export function findTable(bytes: Uint8Array): Table | undefined {
  const rows = countSeparators(bytes)
  if (rows.length < MIN_ROWS) return undefined
  for (const [i, separator] of SEPARATORS.entries()) {
    const fields = rows.map(counts => counts[i]!)
    const usual = fields.toSorted((a, b) => a - b)[fields.length >> 1]!
    const regular = fields.filter(count => count === usual).length / fields.length
    // other text often has one separator per row too
    if (usual > 0 && regular >= (usual === 1 ? 1 : REGULAR)) return { separator, columns: usual + 1 }
  }
  return undefined
}

/** For each row, the number of each separator outside quotes. */
function countSeparators(bytes: Uint8Array): Uint16Array[] {
  const rows: Uint16Array[] = []
  const end = Math.min(bytes.length, LOOK_BYTES)
  let at = bytes.indexOf(LINE_FEED) + 1
  if (at === 0 || at > MAX_ROW_BYTES) return rows
  let counts = new Uint16Array(SEPARATORS.length)
  let quoted = false
  for (; at < end && rows.length < MAX_ROWS; at++) {
    const byte = bytes[at]!
    if (byte === LINE_FEED) {
      rows.push(counts)
      counts = new Uint16Array(SEPARATORS.length)
      quoted = false
    } else if (byte === QUOTE) quoted = !quoted
    else if (byte === 0) return []
    else if (!quoted && separatorOf[byte]! >= 0) counts[separatorOf[byte]!]!++
  }
  return rows
}
