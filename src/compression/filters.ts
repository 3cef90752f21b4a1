import { loadPlanes } from '../kernels/load-planes.ts'
import {
  type GroupKey,
  isGroupKey,
  type NarrowFormat,
  type PlaneMode,
  type PlanesKernel,
  REGION_BYTES,
  type Width,
} from '../kernels/planes.ts'
import { corrupt } from '../util/errors.ts'
import { FILTER_CODED_DELTA } from './coded-delta.ts'
import { FILTER_CODED_FLOATS } from './coded-floats.ts'
import { FILTER_CODED_MATRICES, matrixParameterCount } from './coded-matrices.ts'
import { elementTypeName } from './element-type-ids.ts'
import { addSteps, isSteps, predictSteps, type Steps, type StepWidth, turned } from './steps.ts'

/** Filter ids of blocks. Permanent: they are written into repositories. */
export const FILTER_NONE = 0
export const FILTER_PLANES = 1
export const FILTER_DELTA = 2
export const FILTER_NARROW = 3
/** Filter 4 is for tables: see fields.ts. */
export const FILTER_GROUPED_DELTA = 5
export const FILTER_STEPS = 6
/** Filters 7 and 9 are for records: see records.ts. */
export const FILTER_RECORDS = 7
export const FILTER_RECORD_DELTAS = 9
/** Filter 8 is for floats that are integers times scales: see scaled.ts. */
export const FILTER_SCALED = 8

/** Element widths that can be split into planes. */
export type PlaneWidth = Exclude<Width, 1>

/** A block split by a filter, stored part by part: the planes, lowest byte first, then the tail. No part is empty. */
export interface FilteredBlock {
  filter: number
  parameters: Uint8Array
  planes: Uint8Array[]
}

interface Shape {
  width: Width
  mode: PlaneMode
  /** The type that the base is rounded to before it is subtracted. */
  narrow?: NarrowFormat | undefined
  /** The bits of the base's elements that the elements are grouped by. */
  key?: GroupKey | undefined
  /** How elements are predicted from the ones before. */
  steps?: Steps | undefined
}

/** Formats by their number in the parameter of filter 3. Permanent, like filter ids. */
const NARROW_FORMATS: readonly (NarrowFormat | undefined)[] = [undefined, 'bf16', 'fp16']

const SUBJECT = 'A block'
const SIGN_SAMPLES = 1000

let shared: PlanesKernel | undefined

function sharedKernel(): PlanesKernel {
  return (shared ??= loadPlanes())
}

/**
 * Filter 1, parameters `width, rotated`: the byte planes of 1 to 4 MiB. `rotated` first moves the sign bit of each
 * element to the lowest bit: for floats.
 */
export function splitPlanes(plain: Uint8Array, width: PlaneWidth, rotated: boolean, kernel = sharedKernel()): FilteredBlock {
  const parameters = Uint8Array.of(width, rotated ? 1 : 0)
  return { filter: FILTER_PLANES, parameters, planes: split(plain, { width, mode: rotated ? 'rotated' : 'plain' }, kernel) }
}

/**
 * Filter 2, parameter `width`: the byte planes of the differences to `base`. Both have the same length (else
 * RangeError), 1 to 4 MiB.
 */
export function splitDelta(plain: Uint8Array, base: Uint8Array, width: Width, kernel = sharedKernel()): FilteredBlock {
  if (base.length !== plain.length) throw new RangeError(`a base of ${base.length} bytes can't serve ${plain.length}`)
  kernel.base.set(base)
  return { filter: FILTER_DELTA, parameters: Uint8Array.of(width), planes: split(plain, { width, mode: 'delta' }, kernel) }
}

/**
 * Filter 5, parameters `width, shift, bits`: the byte planes of the differences of filter 2, sorted within each chunk
 * by a key of the base's elements. The change of a float in training depends on its magnitude, so sorting by exponent
 * puts similar differences together. Each chunk is sorted separately, so that it needs only its own part of the base.
 * `chunkLengths` add up to `plain`, and all chunks but the last are whole elements (else RangeError).
 */
export function splitGroupedDelta(
  plain: Uint8Array,
  base: Uint8Array,
  chunkLengths: readonly number[],
  { width, key }: { width: PlaneWidth; key: GroupKey },
  kernel = sharedKernel(),
): FilteredBlock {
  if (base.length !== plain.length) throw new RangeError(`a base of ${base.length} bytes can't serve ${plain.length}`)
  if (!areChunks(chunkLengths, plain.length, width))
    throw new RangeError(`chunks of ${sum(chunkLengths)} bytes are no block of ${plain.length}`)
  kernel.input.set(plain)
  kernel.base.set(base)
  forEachChunk(chunkLengths, (start, length) => kernel.group(width, key, start, length))
  const planes = split(kernel.output.subarray(0, plain.length), { width, mode: 'plain' }, kernel)
  return { filter: FILTER_GROUPED_DELTA, parameters: Uint8Array.of(width, key.shift, key.bits), planes }
}

/**
 * Filter 6, parameters `width, start, distance, order`: the byte planes of the differences of each element of 1 to
 * 4 MiB to a prediction from the elements before it: for sound, and for other numbers in sequence.
 */
export function splitSteps(plain: Uint8Array, width: StepWidth, steps: Steps, kernel = sharedKernel()): FilteredBlock {
  const values = turned(plain, Math.min(steps.start, plain.length))
  kernel.input.set(values)
  predictSteps(kernel.input.subarray(0, values.length), kernel.base, width, steps)
  const parameters = Uint8Array.of(width, steps.start, steps.distance, steps.order)
  return { filter: FILTER_STEPS, parameters, planes: split(values, { width, mode: 'delta' }, kernel) }
}

function areChunks(lengths: readonly number[], plainLength: number, width: Width): boolean {
  return sum(lengths) === plainLength && lengths.slice(0, -1).every(length => length % width === 0)
}

function forEachChunk(lengths: readonly number[], use: (start: number, length: number) => void): void {
  let start = 0
  for (const length of lengths) {
    use(start, length)
    start += length
  }
}

/**
 * Filter 3, parameter `format`: 1 to 4 MiB of 16-bit floats, as differences to the fp32 values of `base` rounded to
 * that format. `base` has twice as many bytes (else RangeError).
 */
export function splitNarrow(plain: Uint8Array, base: Uint8Array, format: NarrowFormat, kernel = sharedKernel()): FilteredBlock {
  if (base.length !== 2 * plain.length) throw new RangeError(`a base of ${base.length} bytes can't serve half of ${plain.length}`)
  roundBase(base, format, kernel)
  const parameters = Uint8Array.of(NARROW_FORMATS.indexOf(format))
  return { filter: FILTER_NARROW, parameters, planes: split(plain, { width: 2, mode: 'delta' }, kernel) }
}

/** A base of fp32 may be twice as long as a region, so it is rounded in two halves. */
function roundBase(base: Uint8Array, format: NarrowFormat, kernel: PlanesKernel): void {
  const count = Math.floor(base.length / 4)
  for (let done = 0; done < count;) {
    const now = Math.min(count - done, REGION_BYTES / 4)
    kernel.input.set(base.subarray(4 * done, 4 * (done + now)))
    kernel.narrow(format, now, 2 * done)
    done += now
  }
}

/**
 * True if one of about 1,000 elements, spread over `bytes`, has its top bit set. Floats that are all positive, such as
 * the squared averages of Adam, compress better in separate blocks.
 */
export function hasSigns(bytes: Uint8Array, width: Width): boolean {
  const stride = width * Math.max(1, Math.floor(bytes.length / width / SIGN_SAMPLES))
  for (let top = width - 1; top < bytes.length; top += stride) if (bytes[top]! >= 0x80) return true
  return false
}

/**
 * The lengths that the parts of a block of `plainLength` (1 to 4 MiB) bytes must have. Throws `corrupt` for parameters
 * that the filter (1 to 3, 5 or 6) cannot have.
 */
export function planeLengths(filter: number, parameters: Uint8Array, plainLength: number): number[] {
  return lengthsOf(readShape(filter, parameters).width, plainLength)
}

/**
 * Undoes filters 1 to 3, 5 and 6 in the kernel's memory. The result is valid until the kernel's next use. `base` is the
 * base of filters 2, 3 and 5. `chunkLengths` are the lengths of the chunks that filter 5 sorted separately. Throws
 * `corrupt` if parameters, planes, base and chunks do not match; none of them is trusted. Time: linear in the plain
 * length, in memory that is taken once.
 */
export function joinPlanes(
  { filter, parameters, planes }: FilteredBlock,
  base?: Uint8Array,
  chunkLengths: readonly number[] = [sum(planes.map(({ length }) => length))],
  kernel = sharedKernel(),
): Uint8Array {
  const { width, mode, narrow, key, steps } = readShape(filter, parameters)
  const plainLength = sum(planes.map(({ length }) => length))
  if (plainLength === 0 || plainLength > REGION_BYTES) throw corrupt(SUBJECT, `its planes have ${plainLength} bytes`)
  const lengths = lengthsOf(width, plainLength)
  if (lengths.length !== planes.length || !planes.every(({ length }, i) => length === lengths[i])) {
    throw corrupt(SUBJECT, `its parts are no planes of elements of ${width} bytes`)
  }
  if (key && !areChunks(chunkLengths, plainLength, width))
    throw corrupt(SUBJECT, `its chunks are no ${plainLength} bytes of elements of ${width}`)
  if (steps) kernel.base.fill(0, 0, plainLength)
  else if (mode === 'delta' || key) {
    const needed = narrow ? 2 * plainLength : plainLength
    if (base?.length !== needed) throw corrupt(SUBJECT, `its base has ${base?.length ?? 0} bytes where ${needed} are needed`)
    if (narrow) roundBase(base, narrow, kernel)
    else kernel.base.set(base)
  }
  let at = 0
  for (const plane of planes) {
    kernel.input.set(plane, at)
    at += plane.length
  }
  kernel.join(width, mode, plainLength)
  if (key) {
    kernel.input.set(kernel.output.subarray(0, plainLength))
    forEachChunk(chunkLengths, (start, length) => kernel.ungroup(width, key, start, length))
  }
  const joined = kernel.output.subarray(0, plainLength)
  if (!steps) return joined
  addSteps(joined, width as StepWidth, steps)
  return turned(joined, plainLength - Math.min(steps.start, plainLength))
}

function split(plain: Uint8Array, { width, mode }: Shape, kernel: PlanesKernel): Uint8Array[] {
  const { length } = plain
  if (length === 0 || length > REGION_BYTES) throw new RangeError(`a block has 1 to ${REGION_BYTES} bytes, not ${length}`)
  kernel.input.set(plain)
  kernel.split(width, mode, length)
  // a copy, because the kernel reuses its memory for the next block
  const bytes = kernel.output.slice(0, length)
  let at = 0
  return lengthsOf(width, length).map(count => bytes.subarray(at, (at += count)))
}

function lengthsOf(width: Width, plainLength: number): number[] {
  const count = Math.floor(plainLength / width)
  const lengths = new Array<number>(width).fill(count)
  lengths.push(plainLength - count * width)
  return lengths.filter(length => length > 0)
}

function readShape(filter: number, parameters: Uint8Array): Shape {
  const [first, second, third, fourth] = parameters
  const own = parameterCount(filter, parameters)
  if (own !== undefined && (parameters.length === own || parameters.length === own + 1)) {
    const width = isWidth(first) ? first : undefined
    if (filter === FILTER_PLANES && width && width > 1 && (second === 0 || second === 1))
      return { width, mode: second === 1 ? 'rotated' : 'plain' }
    if (filter === FILTER_DELTA && width) return { width, mode: 'delta' }
    const key = { shift: second!, bits: third! }
    if (filter === FILTER_GROUPED_DELTA && width && isGroupKey(width, key)) return { width, mode: 'plain', key }
    const steps = { start: second!, distance: third!, order: fourth as Steps['order'] }
    if (filter === FILTER_STEPS && width && isSteps(width, steps)) return { width, mode: 'delta', steps }
    const narrow = NARROW_FORMATS[first ?? 0]
    if (filter === FILTER_NARROW && narrow) return { width: 2, mode: 'delta', narrow }
  }
  throw corrupt(SUBJECT, `filter ${filter} cannot have the parameters [${parameters.subarray(0, 8).join(', ')}]`)
}

/**
 * The number of parameters of a filter. One more byte, the id of the element type, may follow them. Undefined for an
 * unknown filter.
 */
export function parameterCount(filter: number, parameters: Uint8Array): number | undefined {
  if (filter === FILTER_RECORDS || filter === FILTER_RECORD_DELTAS) return recordParameterCount(parameters)
  if (filter === FILTER_CODED_FLOATS) return 6
  if (filter === FILTER_CODED_DELTA) return 8
  if (filter === FILTER_CODED_MATRICES) return matrixParameterCount(parameters)
  return [0, 2, 1, 1, undefined, 3, 4, undefined, 2][filter]
}

/** Filters 7 and 9 have two, and three for each field: see records.ts. */
function recordParameterCount({ length }: Uint8Array): number | undefined {
  return length < 5 ? undefined : length - ((length - 2) % 3 === 1 ? 1 : 0)
}

/** True for filters that subtract a base, which is needed again to undo them. */
export function usesBase(filter: number): boolean {
  return baseScale(filter) > 0
}

/** Bytes of base per plain byte: 0 for a filter without a base. */
export function baseScale(filter: number): number {
  if (filter === FILTER_NARROW) return 2
  return [FILTER_DELTA, FILTER_GROUPED_DELTA, FILTER_RECORD_DELTAS, FILTER_CODED_DELTA].includes(filter) ? 1 : 0
}

/**
 * How a filter uses its base: unchanged, or as fp32 values rounded to a type. Undefined for a filter without a base.
 */
export function relationOf({ filter, parameters }: Pick<FilteredBlock, 'filter' | 'parameters'>): 'delta' | NarrowFormat | undefined {
  return filter === FILTER_NARROW ? NARROW_FORMATS[parameters[0] ?? 0] : usesBase(filter) ? 'delta' : undefined
}

/** The name of a block's element type, if its parameters state one. */
export function elementTypeOf({ filter, parameters }: Pick<FilteredBlock, 'filter' | 'parameters'>): string | undefined {
  const own = parameterCount(filter, parameters)
  const id = own === undefined || parameters.length !== own + 1 ? undefined : parameters[own]
  return id === undefined ? undefined : elementTypeName(id)
}

/** The width of a block's elements in bytes, if its filter splits them. */
export function elementWidthOf({ filter, parameters }: Pick<FilteredBlock, 'filter' | 'parameters'>): number | undefined {
  if (filter === FILTER_NARROW) return 2
  if (filter === FILTER_RECORD_DELTAS) return undefined
  if (filter === FILTER_SCALED) return parameters[0] === 0 ? 4 : 2
  return [FILTER_PLANES, FILTER_STEPS, FILTER_CODED_FLOATS, FILTER_CODED_MATRICES].includes(filter) || usesBase(filter)
    ? parameters[0]
    : undefined
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

function isWidth(value: number | undefined): value is Width {
  return value === 1 || value === 2 || value === 4 || value === 8
}
