import { type FieldShape, LINE_FEED, MAX_STREAMS } from '../kernels/fields.ts'
import { bestEncoder, type Encoder, encodeBy, planeEncoders } from './encode-plane.ts'
import { type EncodedPart, encodeWhole } from './encode-whole.ts'
import { splitFields } from './fields.ts'
import type { Table } from './find-table.ts'
import type { Level } from './limits.ts'
import type { ZstdCodec } from './zstd/codec.ts'

/** A block's text taken apart into streams, each encoded. */
export interface EncodedFields {
  parameters: Uint8Array
  parts: { plain: Uint8Array; encoded: EncodedPart }[]
}

interface Choice {
  shape: FieldShape
  /** For each column one for each of its places. */
  encoders: Encoder[][]
}

const WINDOWS = 4
const WINDOW_BYTES = 16 * 1024
const MAX_COLUMNS = 64
/** Fields longer than this are words, not numbers: their places tell nothing. */
const MAX_POSITIONS = 24
/** So many of a column's fields must not be longer than the places they are taken apart into. */
const FITTING = 0.98
/** What taking text apart must save beside what is smallest without, and the places of a column's fields beside the column as it is: each costs time. */
const FIELDS_WIN = 0.97
const POSITIONS_WIN = 0.97
/** What a part costs in the directory. */
const PART_BYTES = 7

/**
 * A table taken apart into its columns, and columns of numbers and codes into the places of their fields, where that makes a sample clearly smaller; undefined
 * where it doesn't. What is smallest for each stream of the sample then encodes the stream.
 */
export function encodeFields(plain: Uint8Array, table: Table, level: Level, zstd: ZstdCodec | undefined): EncodedFields | undefined {
  const sample = sampleRows(plain)
  if (sample.length === 0) return undefined
  const choice = chooseShape(sample, sample.length / plain.length, table, level, zstd)
  if (choice === undefined) return undefined
  const { parameters, columns } = splitColumns(plain, choice.shape)
  const parts = columns.flatMap((streams, column) =>
    streams.map((stream, place) => ({ plain: stream, encoded: encodeBy(choice.encoders[column]![place]!, stream) })),
  )
  return { parameters, parts }
}

function chooseShape(sample: Uint8Array, share: number, table: Table, level: Level, zstd: ZstdCodec | undefined): Choice | undefined {
  const { separator } = table
  const forPlaces = planeEncoders(zstd)
  const forColumns = [...forPlaces, { encode: (bytes: Uint8Array) => encodeWhole(bytes, level, zstd), handicap: 1 }]
  const whole = splitColumns(sample, { separator, positions: new Array<number>(Math.min(table.columns, MAX_COLUMNS)).fill(1) })
  const apart = splitColumns(sample, {
    separator,
    positions: placesOf(
      whole.columns.map(([column]) => column!),
      separator,
    ),
  })
  const positions: number[] = []
  const encoders: Encoder[][] = []
  let total = 0
  for (const [column, [bytes]] of whole.columns.entries()) {
    const one = bestEncoder(bytes!, forColumns, share)
    const streams = apart.columns[column]!
    const several = streams.length === 1 ? [] : streams.map(stream => bestEncoder(stream, forPlaces, share))
    const size = several.reduce((sum, { size }) => sum + size + PART_BYTES, 0)
    const takeApart = several.length > 0 && size < POSITIONS_WIN * one.size
    positions.push(takeApart ? several.length : 1)
    encoders.push((takeApart ? several : [one]).map(({ encode }) => encode))
    total += takeApart ? size : one.size + PART_BYTES
  }
  const alone = Math.min(...[...new Set<Level>(['fast', level])].map(each => encodeWhole(sample, each, zstd).bytes.length))
  return total < FIELDS_WIN * alone ? { shape: { separator, positions }, encoders } : undefined
}

/** How many places the fields of each column have, where they are short and most have no more; 1 where they don't. */
function placesOf(columns: readonly Uint8Array[], separator: number): number[] {
  let left = MAX_STREAMS - columns.length
  return columns.map(column => {
    const places = usualLength(column, separator)
    if (places > MAX_POSITIONS || places - 1 > left) return 1
    left -= places - 1
    return places
  })
}

/** The length of a column's fields, what ends them counted, that only few exceed. */
function usualLength(column: Uint8Array, separator: number): number {
  const counts = new Array<number>(MAX_POSITIONS + 2).fill(0)
  let start = 0
  let fields = 0
  for (let i = 0; i < column.length; i++) {
    if (column[i] !== separator && column[i] !== LINE_FEED) continue
    counts[Math.min(i + 1 - start, MAX_POSITIONS + 1)]!++
    fields++
    start = i + 1
  }
  let seen = 0
  return Math.max(
    1,
    counts.findIndex(count => (seen += count) >= FITTING * fields),
  )
}

/** The streams that are not empty, by column. */
function splitColumns(plain: Uint8Array, shape: FieldShape): { parameters: Uint8Array; columns: Uint8Array[][] } {
  const { parameters, streams } = splitFields(plain, shape)
  let at = 0
  const columns = Array.from(parameters.subarray(2), count => streams.slice(at, (at += count)))
  return { parameters, columns }
}

/** Whole rows from several places, as far as there are any; all of `plain` where that is not more. */
function sampleRows(plain: Uint8Array): Uint8Array {
  if (plain.length <= WINDOWS * WINDOW_BYTES) return plain
  const pieces = Array.from({ length: WINDOWS }, (_, i) => {
    const from = Math.floor(((i + 0.5) * plain.length) / WINDOWS - WINDOW_BYTES / 2)
    const window = plain.subarray(from, from + WINDOW_BYTES)
    return window.subarray(window.indexOf(LINE_FEED) + 1, window.lastIndexOf(LINE_FEED) + 1)
  })
  return Buffer.concat(pieces)
}
