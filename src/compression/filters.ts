import { loadPlanes } from '../kernels/load-planes.ts'
import { type PlaneMode, type PlanesKernel, REGION_BYTES, type Width } from '../kernels/planes.ts'
import { corrupt } from '../util/errors.ts'

/** Filter ids of blocks. Permanent: they are written into repositories. */
export const FILTER_PLANES = 1
export const FILTER_DELTA = 2

/** Widths of elements that have planes. */
export type PlaneWidth = Exclude<Width, 1>

/** What a filter made of a block, to be stored part by part: the planes, lowest byte first, then the tail; without those that would be empty. */
export interface FilteredBlock {
  filter: number
  parameters: Uint8Array
  planes: Uint8Array[]
}

interface Shape {
  width: Width
  mode: PlaneMode
}

const WHAT = 'A block'
const SIGN_SAMPLES = 1000

let shared: PlanesKernel | undefined

function sharedKernel(): PlanesKernel {
  return (shared ??= loadPlanes())
}

/** Filter 1, parameters `width, rotated`: the byte planes of 1 to 4 MiB. With `rotated` the sign of each element goes to its lowest bit first: for floats. */
export function splitPlanes(plain: Uint8Array, width: PlaneWidth, rotated: boolean, kernel = sharedKernel()): FilteredBlock {
  const parameters = Uint8Array.of(width, rotated ? 1 : 0)
  return { filter: FILTER_PLANES, parameters, planes: split(plain, { width, mode: rotated ? 'rotated' : 'plain' }, kernel) }
}

/** Filter 2, parameters `width`: the byte planes of the differences to `base`, which is as long as `plain` (else RangeError), 1 to 4 MiB. */
export function splitDelta(plain: Uint8Array, base: Uint8Array, width: Width, kernel = sharedKernel()): FilteredBlock {
  if (base.length !== plain.length) throw new RangeError(`a base of ${base.length} bytes can't serve ${plain.length}`)
  kernel.base.set(base)
  return { filter: FILTER_DELTA, parameters: Uint8Array.of(width), planes: split(plain, { width, mode: 'delta' }, kernel) }
}

/**
 * Whether some of about 1,000 elements, spread over `bytes`, have their top bit set. Floats that are all positive, such as the squared averages of Adam,
 * compress better in blocks of their own.
 */
export function hasSigns(bytes: Uint8Array, width: Width): boolean {
  const stride = width * Math.max(1, Math.floor(bytes.length / width / SIGN_SAMPLES))
  for (let top = width - 1; top < bytes.length; top += stride) if (bytes[top]! >= 0x80) return true
  return false
}

/**
 * The lengths that the parts of a block of `plainLength` (1 to 4 MiB) bytes must have. Throws `corrupt` where a filter, 1 or 2, can't have
 * these parameters.
 */
export function planeLengths(filter: number, parameters: Uint8Array, plainLength: number): number[] {
  return lengthsOf(readShape(filter, parameters).width, plainLength)
}

/**
 * Undoes filter 1 or 2 in memory of its own. `base` is what filter 2 subtracted. Throws `corrupt` where parameters, planes or base don't go together;
 * all may come from anywhere.
 */
export function joinPlanes({ filter, parameters, planes }: FilteredBlock, base?: Uint8Array, kernel = sharedKernel()): Uint8Array {
  const { width, mode } = readShape(filter, parameters)
  const plainLength = planes.reduce((sum, { length }) => sum + length, 0)
  if (plainLength === 0 || plainLength > REGION_BYTES) throw corrupt(WHAT, `its planes have ${plainLength} bytes`)
  const lengths = lengthsOf(width, plainLength)
  if (lengths.length !== planes.length || !planes.every(({ length }, i) => length === lengths[i])) {
    throw corrupt(WHAT, `its parts are no planes of elements of ${width} bytes`)
  }
  if (mode === 'delta') {
    if (base?.length !== plainLength) throw corrupt(WHAT, `its base has ${base?.length ?? 0} bytes where ${plainLength} are needed`)
    kernel.base.set(base)
  }
  let at = 0
  for (const plane of planes) {
    kernel.input.set(plane, at)
    at += plane.length
  }
  kernel.join(width, mode, plainLength)
  return kernel.output.slice(0, plainLength)
}

function split(plain: Uint8Array, { width, mode }: Shape, kernel: PlanesKernel): Uint8Array[] {
  const { length } = plain
  if (length === 0 || length > REGION_BYTES) throw new RangeError(`a block has 1 to ${REGION_BYTES} bytes, not ${length}`)
  kernel.input.set(plain)
  kernel.split(width, mode, length)
  // a copy: the kernel's memory is used again by the next block
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
  const [width, flag] = parameters
  if (filter === FILTER_PLANES && parameters.length === 2 && isWidth(width) && width > 1 && (flag === 0 || flag === 1)) {
    return { width, mode: flag === 1 ? 'rotated' : 'plain' }
  }
  if (filter === FILTER_DELTA && parameters.length === 1 && isWidth(width)) return { width, mode: 'delta' }
  throw corrupt(WHAT, `filter ${filter} cannot have the parameters [${parameters.subarray(0, 8).join(', ')}]`)
}

function isWidth(value: number | undefined): value is Width {
  return value === 1 || value === 2 || value === 4 || value === 8
}
