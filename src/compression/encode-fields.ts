import { type FieldShape, MAX_STREAMS } from '../kernels/fields.ts'
import { bestEncoder, type Encode, encodeBy, planeEncoders } from './encode-plane.ts'
import { type EncodedPart, encodeWhole } from './encode-whole.ts'
import { splitFields } from './fields.ts'
import type { Table } from './find-table.ts'
import type { Level } from './limits.ts'
import type { ZstdCodec } from './zstd/codec.ts'

/** A block of text, split into streams that are encoded separately. */
export interface EncodedFields {
  filter: number
  parameters: Uint8Array
  parts: { plain: Uint8Array; encoded: EncodedPart }[]
}

/** How a table is split and its streams are encoded. */
interface TableEncoding {
  shape: FieldShape
  /** For each column, the encoder of each of its positions. */
  encoders: Encode[][]
}

const WINDOWS = 4
const WINDOW_BYTES = 16 * 1024
const MAX_COLUMNS = 64
/** Longer fields are words, not numbers: their positions have nothing in common. Rows of one length are one field. */
const MAX_POSITIONS = 24
/** The share of a column's fields that must fit into the positions that the column is split into. */
const FITTING = 0.98
/** Splitting takes time: a split table must be smaller by this factor than the same text encoded whole ... */
const FIELDS_WIN = 0.97
/** ... and a column split into positions than the same column in one stream. */
const POSITIONS_WIN = 0.97
/** Bytes that a part adds to the directory. */
const PART_BYTES = 7

/**
 * Splits a table into its columns, and columns of numbers and codes into the positions within their fields. Undefined
 * if that does not make a sample clearly smaller. The best encoder for each stream of the sample then encodes the whole
 * stream.
 */
export function encodeFields(plain: Uint8Array, table: Table, level: Level, zstd: ZstdCodec | undefined): EncodedFields | undefined {
  const sample = sampleRows(plain, table)
  if (sample.length === 0) return undefined
  const encoding = chooseEncoding(sample, sample.length / plain.length, table, level, zstd)
  if (encoding === undefined) return undefined
  const { filter, parameters, columns } = splitColumns(plain, encoding.shape)
  const parts = columns.flatMap((streams, column) =>
    streams.map((stream, position) => ({ plain: stream, encoded: encodeBy(encoding.encoders[column]![position]!, stream) })),
  )
  return { filter, parameters, parts }
}

/** `share` is the sample's share of the block. */
function chooseEncoding(
  sample: Uint8Array,
  share: number,
  table: Table,
  level: Level,
  zstd: ZstdCodec | undefined,
): TableEncoding | undefined {
  const { separator, rowEnd } = table
  const forPositions = planeEncoders(zstd)
  const forColumns = [...forPositions, { encode: (bytes: Uint8Array) => encodeWhole(bytes, level, zstd), handicap: 1 }]
  const whole = splitColumns(sample, { separator, rowEnd, positions: new Array<number>(Math.min(table.columns, MAX_COLUMNS)).fill(1) })
  const split = splitColumns(sample, {
    separator,
    rowEnd,
    positions: positionsOf(
      whole.columns.map(([column]) => column!),
      table,
    ),
  })
  const positions: number[] = []
  const encoders: Encode[][] = []
  let total = 0
  for (const [column, [bytes]] of whole.columns.entries()) {
    const one = bestEncoder(bytes!, forColumns, share)
    const streams = split.columns[column]!
    const several = streams.length === 1 ? [] : streams.map(stream => bestEncoder(stream, forPositions, share))
    const size = several.reduce((sum, { size }) => sum + size + PART_BYTES, 0)
    const isSplit = several.length > 0 && size < POSITIONS_WIN * one.size
    positions.push(isSplit ? several.length : 1)
    encoders.push((isSplit ? several : [one]).map(({ encode }) => encode))
    total += isSplit ? size : one.size + PART_BYTES
  }
  const alone = Math.min(...[...new Set<Level>(['fast', level])].map(each => encodeWhole(sample, each, zstd).bytes.length))
  return total < FIELDS_WIN * alone ? { shape: { separator, rowEnd, positions }, encoders } : undefined
}

/**
 * The number of positions that each column is split into. It is more than 1 if the fields of the column are short and
 * mostly of equal length.
 */
function positionsOf(columns: readonly Uint8Array[], table: Table): number[] {
  let left = MAX_STREAMS - columns.length
  const most = columns.length === 1 ? MAX_STREAMS : MAX_POSITIONS
  return columns.map(column => {
    const positions = usualLength(column, table, most)
    if (positions > most || positions - 1 > left) return 1
    left -= positions - 1
    return positions
  })
}

/** The length, including the separator, that only few of a column's fields exceed; `most` + 1 if it is longer. */
function usualLength(column: Uint8Array, { separator, rowEnd }: Table, most: number): number {
  const counts = new Array<number>(most + 2).fill(0)
  let start = 0
  let fields = 0
  for (let i = 0; i < column.length; i++) {
    if (column[i] !== separator && column[i] !== rowEnd) continue
    counts[Math.min(i + 1 - start, most + 1)]!++
    fields++
    start = i + 1
  }
  let seen = 0
  return Math.max(
    1,
    counts.findIndex(count => (seen += count) >= FITTING * fields),
  )
}

/** The non-empty streams, column by column. */
function splitColumns(plain: Uint8Array, shape: FieldShape): { filter: number; parameters: Uint8Array; columns: Uint8Array[][] } {
  const { filter, parameters, streams } = splitFields(plain, shape)
  let at = 0
  const columns = Array.from(parameters.subarray(2), count => streams.slice(at, (at += count)))
  return { filter, parameters, columns }
}

/**
 * Whole rows from several places of `plain`; all of `plain` if it is not longer than a sample. Empty if no row is short
 * enough.
 */
function sampleRows(plain: Uint8Array, { rowEnd }: Table): Uint8Array {
  if (plain.length <= WINDOWS * WINDOW_BYTES) return plain
  const pieces = Array.from({ length: WINDOWS }, (_, i) => {
    const from = Math.floor(((i + 0.5) * plain.length) / WINDOWS - WINDOW_BYTES / 2)
    const window = plain.subarray(from, from + WINDOW_BYTES)
    return window.subarray(window.indexOf(rowEnd) + 1, window.lastIndexOf(rowEnd) + 1)
  })
  return Buffer.concat(pieces)
}
