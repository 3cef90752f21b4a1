import { recordLength } from '../util/element-type.ts'
import { corrupt } from '../util/errors.ts'
import {
  FILTER_DELTA,
  FILTER_PLANES,
  FILTER_RECORD_DELTAS,
  FILTER_RECORDS,
  type FilteredBlock,
  joinPlanes,
  parameterCount,
  type PlaneWidth,
  splitDelta,
  splitPlanes,
} from './filters.ts'
import { turned } from './steps.ts'

/** How the elements of a field are changed before they are split into planes. Their numbers are permanent. */
export const CHANGES = ['none', 'rotated', 'steps', 'delta'] as const
export type Change = (typeof CHANGES)[number]

/** Elements that follow each other in each record. */
export interface SplitField {
  width: PlaneWidth | 1
  /** Elements in each record, 1 to 65,535. */
  count: number
  change: Change
}

/** Records of one length that fill a block. */
export interface RecordShape {
  /** Where the first whole record begins: less than the length of one. */
  start: number
  fields: readonly SplitField[]
}

/** Streams of a block, at most: the tail is one more part. */
export const MAX_RECORD_STREAMS = 127
const HEAD_BYTES = 2
const FIELD_BYTES = 3
const MAX_COUNT = 0xffff
const SUBJECT = 'A block'

/** Whether a filter is for records. */
export const isRecords = (filter: number): boolean => filter === FILTER_RECORDS || filter === FILTER_RECORD_DELTAS

/** Streams that the fields make: one for each byte of their elements. */
export function recordStreams(fields: readonly Pick<SplitField, 'width'>[]): number {
  return fields.reduce((sum, { width }) => sum + width, 0)
}

/**
 * Filter 7, or filter 9 if `base` is given: the planes of each field, then what belongs to no whole record. `base` has
 * as many bytes as `plain`, 1 to 4 MiB.
 */
export function splitRecords(plain: Uint8Array, { start, fields }: RecordShape, base?: Uint8Array): FilteredBlock {
  const from = turned(plain, Math.min(start, plain.length))
  const fromBase = base && turned(base, Math.min(start, plain.length))
  const { length, count } = wholeRecords(plain.length, { start, fields })
  const planes: Uint8Array[] = []
  let at = 0
  for (const field of count > 0 ? fields : []) {
    planes.push(...splitField(from, { at, length, count }, field, fromBase))
    at += field.width * field.count
  }
  if (count * length < plain.length) planes.push(from.slice(count * length))
  return { filter: base ? FILTER_RECORD_DELTAS : FILTER_RECORDS, parameters: parametersOf({ start, fields }), planes }
}

/**
 * Undoes `splitRecords`. Throws `corrupt` if parameters, parts and base do not match; none of them is trusted. Time and
 * memory: linear in the plain length, which is at most 4 MiB.
 */
export function joinRecords({ filter, parameters, planes }: FilteredBlock, base?: Uint8Array): Uint8Array {
  const shape = readRecordShape(filter, parameters)
  const plainLength = planes.reduce((sum, { length }) => sum + length, 0)
  if (plainLength === 0) throw corrupt(SUBJECT, 'it is empty')
  const { length, count } = wholeRecords(plainLength, shape)
  const streams = count > 0 ? recordStreams(shape.fields) : 0
  const tail = plainLength - count * length
  if (planes.length !== streams + (tail > 0 ? 1 : 0)) throw corrupt(SUBJECT, 'its parts are not what its filter makes')
  if (filter === FILTER_RECORD_DELTAS && base?.length !== plainLength)
    throw corrupt(SUBJECT, `its base has ${base?.length ?? 0} bytes where ${plainLength} are needed`)
  const start = Math.min(shape.start, plainLength)
  const fromBase = base && turned(base, start)
  const records = new Uint8Array(plainLength)
  let at = 0
  let stream = 0
  for (const field of count > 0 ? shape.fields : []) {
    const bytes = field.width * field.count
    const own = planes.slice(stream, (stream += field.width))
    if (!own.every(plane => plane.length === count * field.count)) throw corrupt(SUBJECT, 'its parts are not what its filter makes')
    const fieldBase = field.change === 'delta' ? gather(fromBase!, at, bytes, length, count) : undefined
    scatter(joinField(own, field, fieldBase), records, at, bytes, length)
    at += bytes
  }
  if (tail > 0) records.set(planes[stream]!, count * length)
  return turned(records, plainLength - start)
}

/** The shape that the parameters state. Throws `corrupt` for those that filter 7 or 9 can't have. */
export function readRecordShape(filter: number, parameters: Uint8Array): RecordShape {
  const wrong = (): never => {
    throw corrupt(SUBJECT, `filter ${filter} cannot have the parameters [${parameters.subarray(0, 8).join(', ')}]`)
  }
  const own = parameterCount(filter, parameters)
  if (own === undefined || (own - HEAD_BYTES) % FIELD_BYTES > 0) return wrong()
  const fields: SplitField[] = []
  for (let at = HEAD_BYTES; at < own; at += FIELD_BYTES) {
    const width = parameters[at]! & 15
    const change = CHANGES[parameters[at]! >> 4]
    const count = parameters[at + 1]! | (parameters[at + 2]! << 8)
    if (!isWidth(width) || count === 0 || change === undefined) return wrong()
    if (change === 'rotated' ? width === 1 : change === 'delta' && filter !== FILTER_RECORD_DELTAS) return wrong()
    fields.push({ width, count, change })
  }
  const start = parameters[0]! | (parameters[1]! << 8)
  return start < recordLength(fields) && recordStreams(fields) <= MAX_RECORD_STREAMS ? { start, fields } : wrong()
}

/** Whether records of these fields can be split: neither too many streams nor too many bytes. */
export function canSplit(fields: readonly Pick<SplitField, 'width' | 'count'>[]): boolean {
  return fields.length > 0 && recordStreams(fields) <= MAX_RECORD_STREAMS && recordLength(fields) <= MAX_COUNT
}

function parametersOf({ start, fields }: RecordShape): Uint8Array {
  const perField = fields.flatMap(({ width, count, change }) => [width | (CHANGES.indexOf(change) << 4), count & 255, count >> 8])
  return Uint8Array.of(start & 255, start >> 8, ...perField)
}

function wholeRecords(plainLength: number, { start, fields }: RecordShape): { length: number; count: number } {
  const length = recordLength(fields)
  return { length, count: Math.floor(Math.max(0, plainLength - start) / length) }
}

/** The planes of one field of `count` records of `length` bytes; `at` is its place in each. */
export function splitField(
  records: Uint8Array,
  { at, length, count }: { at: number; length: number; count: number },
  { width, count: elements, change }: SplitField,
  base?: Uint8Array,
): Uint8Array[] {
  const bytes = width * elements
  const column = gather(records, at, bytes, length, count)
  // byte by byte, so that a lost base spoils no byte of the chunks beside it
  if (change === 'delta') return planesOf(splitDelta(column, gather(base!, at, bytes, length, count), 1).planes[0]!, width)
  if (change === 'steps') return splitDelta(column, shifted(column, bytes), width).planes
  return planesOf(column, width, change === 'rotated')
}

function planesOf(column: Uint8Array, width: SplitField['width'], rotated = false): Uint8Array[] {
  return width === 1 ? [column] : splitPlanes(column, width, rotated).planes
}

function joinField(planes: Uint8Array[], { width, count, change }: SplitField, base: Uint8Array | undefined): Uint8Array {
  if (change === 'steps') {
    const values = joinDelta(planes, width, new Uint8Array(width * planes[0]!.length))
    sumUp(values, width, count)
    return values
  }
  const isRotated = change === 'rotated' ? 1 : 0
  const column = width === 1 ? planes[0]! : joinPlanes({ filter: FILTER_PLANES, parameters: Uint8Array.of(width, isRotated), planes })
  return change === 'delta' ? joinDelta([column], 1, base!) : column
}

function joinDelta(planes: Uint8Array[], width: number, base: Uint8Array): Uint8Array {
  return joinPlanes({ filter: FILTER_DELTA, parameters: Uint8Array.of(width), planes }, base)
}

/** What each element of a column is compared with: the one at the same place of the record before. */
function shifted(column: Uint8Array, bytes: number): Uint8Array {
  const before = new Uint8Array(column.length)
  before.set(column.subarray(0, -bytes), Math.min(bytes, column.length))
  return before
}

/** Adds to each little-endian element that of the record before, mod 2^bits. */
function sumUp(column: Uint8Array, width: number, count: number): void {
  const step = width * count
  for (let element = step; element < column.length; element += width) {
    let carry = 0
    for (let at = element; at < element + width; at++) {
      const total = column[at]! + column[at - step]! + carry
      column[at] = total
      carry = total >> 8
    }
  }
}

/** The bytes of one field of all records. */
function gather(records: Uint8Array, start: number, bytes: number, length: number, count: number): Uint8Array {
  const column = new Uint8Array(count * bytes)
  for (let to = 0, from = start; to < column.length; from += length - bytes) {
    for (const end = to + bytes; to < end;) column[to++] = records[from++]!
  }
  return column
}

function scatter(column: Uint8Array, records: Uint8Array, start: number, bytes: number, length: number): void {
  for (let from = 0, to = start; from < column.length; to += length - bytes) {
    for (const end = from + bytes; from < end;) records[to++] = column[from++]!
  }
}

function isWidth(width: number): width is SplitField['width'] {
  return width === 1 || width === 2 || width === 4 || width === 8
}
