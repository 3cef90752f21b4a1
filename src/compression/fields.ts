import {
  CARRIAGE_RETURN,
  FIELDS_REGION_BYTES,
  type FieldShape,
  type FieldsKernel,
  LINE_FEED,
  MAX_STREAMS,
  QUOTE,
  streamCount,
} from '../kernels/fields.ts'
import { loadFields } from '../kernels/load-fields.ts'
import { corrupt } from '../util/errors.ts'

/** Filter ids of blocks of text in rows and columns. Permanent, like the ids of the other filters. */
export const FILTER_FIELDS = 4
/** The same, with rows that end with a carriage return alone. */
export const FILTER_FIELDS_CR = 10

/** A block split by one of the filters. No stream is empty. */
export interface SplitFields {
  filter: number
  parameters: Uint8Array
  streams: Uint8Array[]
}

const SUBJECT = 'A block'

let shared: FieldsKernel | undefined

function sharedKernel(): FieldsKernel {
  return (shared ??= loadFields())
}

export function isFields(filter: number): boolean {
  return filter === FILTER_FIELDS || filter === FILTER_FIELDS_CR
}

/**
 * Filter 4 or 10, parameters `separator, columns, positions of each column`: the streams of 1 to 4 MiB of text. The
 * parameters leave out columns and positions without a byte in `plain`, which changes no other stream.
 */
export function splitFields(plain: Uint8Array, shape: FieldShape, kernel = sharedKernel()): SplitFields {
  if (plain.length === 0 || plain.length > FIELDS_REGION_BYTES) {
    throw new RangeError(`a block has 1 to ${FIELDS_REGION_BYTES} bytes, not ${plain.length}`)
  }
  kernel.input.set(plain)
  const lengths = kernel.split(shape, plain.length)
  // a copy, because the kernel reuses its memory for the next block
  const bytes = kernel.output.slice(0, plain.length)
  let at = 0
  const streams = lengths.filter(length => length > 0).map(length => bytes.subarray(at, (at += length)))
  let stream = 0
  const positions = shape.positions
    .map(count => lengths.slice(stream, (stream += count)).filter(length => length > 0).length)
    .filter(count => count > 0)
  const filter = shape.rowEnd === LINE_FEED ? FILTER_FIELDS : FILTER_FIELDS_CR
  return { filter, parameters: Uint8Array.of(shape.separator, positions.length, ...positions), streams }
}

/**
 * Undoes `splitFields` in the kernel's memory. The result is valid until the kernel's next use. Throws `corrupt` if
 * parameters and streams do not match; neither is trusted. Time: linear in the plain length, in memory that is taken
 * once.
 */
export function joinFields({ filter, parameters, streams }: SplitFields, kernel = sharedKernel()): Uint8Array {
  const shape = readFieldShape(filter, parameters)
  const plainLength = streams.reduce((sum, { length }) => sum + length, 0)
  if (plainLength === 0 || plainLength > FIELDS_REGION_BYTES) throw corrupt(SUBJECT, `its streams have ${plainLength} bytes`)
  if (streams.length !== streamCount(shape))
    throw corrupt(SUBJECT, `it has ${streams.length} parts where its filter makes ${streamCount(shape)}`)
  let at = 0
  for (const stream of streams) {
    kernel.input.set(stream, at)
    at += stream.length
  }
  const lengths = streams.map(({ length }) => length)
  if (!kernel.join(shape, lengths)) throw corrupt(SUBJECT, 'its parts are not what its filter makes')
  return kernel.output.subarray(0, plainLength)
}

/**
 * The shape from a filter's parameters. Throws `corrupt` for parameters that filters 4 and 10 cannot have. Time: linear
 * in their number.
 */
export function readFieldShape(filter: number, parameters: Uint8Array): FieldShape {
  const rowEnd = filter === FILTER_FIELDS ? LINE_FEED : CARRIAGE_RETURN
  const [separator, columns, ...positions] = parameters
  const possible = separator !== undefined && separator !== rowEnd && separator !== QUOTE && columns === positions.length
  const streams = positions.reduce((sum, count) => sum + count, 0)
  if (!possible || columns === 0 || positions.includes(0) || streams > MAX_STREAMS) {
    throw corrupt(SUBJECT, `filter ${filter} cannot have the parameters [${parameters.subarray(0, 8).join(', ')}]`)
  }
  return { separator, rowEnd, positions }
}
