import { corrupt } from '../util/errors.ts'
import { FILTER_NARROW, FILTER_SCALED, type FilteredBlock, joinPlanes, parameterCount } from './filters.ts'
import { findRuns, findScale, MAX_SCALE, PROBE, type Precision, type ScaledRun } from './find-scales.ts'

/** Types by their number in the parameter of filter 8. Permanent. */
const TYPES = ['fp32', 'bf16', 'fp16'] as const
export type ScaledType = (typeof TYPES)[number]

const PRECISIONS: Readonly<Record<ScaledType, Precision>> = {
  fp32: { bits: 24, least: -126 },
  bf16: { bits: 8, least: -126 },
  fp16: { bits: 11, least: -14 },
}
/** An element that is no exact product is the number before or after one, as after two roundings. */
const LOOSE = 3
/** Places where scales are looked for first, and how many must have one. */
const LOOKS = 16
const MIN_FOUND = 4
/** Planes of a run: of its scale, its offset, its length. */
const SCALE_BYTES = 8
const LENGTH_BYTES = 3
const RUN_PLANES = SCALE_BYTES + 1 + LENGTH_BYTES
/** A residual is one byte. */
const MAX_RESIDUAL = 127
const SUBJECT = 'A block'

/** Whether a few looks at elements of 2 or 4 bytes find scales. */
export function seemsScaled(plain: Uint8Array, type: ScaledType): boolean {
  const width = widthOf(type)
  const share = Math.floor(plain.length / width / LOOKS)
  const look = 2 * PROBE
  let found = 0
  for (let i = 0; i < LOOKS; i++) {
    const at = width * (i * share + Math.max(0, (share - look) >> 1))
    const values = floatsOf(plain.subarray(at, at + width * look), type)
    if ([0, PROBE].some(from => findScale(values.subarray(from), 0, PRECISIONS[type], type === 'fp32' ? LOOSE : 1))) found++
  }
  return found >= MIN_FOUND
}

/**
 * Filter 8: elements as integers of a byte times scales. Undefined if the scales would take more room than there is.
 * `plain` has 1 to 4 MiB.
 */
export function splitScaled(plain: Uint8Array, type: ScaledType): FilteredBlock | undefined {
  const width = widthOf(type)
  const elements = plain.subarray(0, plain.length - (plain.length % width))
  const values = floatsOf(elements, type)
  const [exact, loose] = (type === 'fp32' ? [1, LOOSE] : [1]).map(slack => findRuns(values, PRECISIONS[type], slack))
  const found = loose && unscaled(loose) < unscaled(exact!) ? loose : exact!
  const products = productsOf(integersOf(elements, values, found, width), found, type)
  const runs = fitting(found, elements, products, width)
  const integers = integersOf(elements, values, runs, width)
  const residuals = residualsOf(elements, products, runs, width)
  const planes = [integers, ...runPlanes(runs), ...upperPlanes(elements, runs, width), ...residuals]
  const used = planes.reduce((sum, { length }) => sum + length, 0)
  if (used > elements.length) return undefined
  planes.push(new Uint8Array(elements.length - used), plain.slice(elements.length))
  const parameters = Uint8Array.of(TYPES.indexOf(type), residuals.length)
  return { filter: FILTER_SCALED, parameters, planes: planes.filter(({ length }) => length > 0) }
}

/**
 * Undoes `splitScaled`. Throws `corrupt` if parameters and parts do not match; neither is trusted. Time and memory:
 * linear in the plain length, which is at most 4 MiB.
 */
export function joinScaled({ parameters, planes }: Pick<FilteredBlock, 'parameters' | 'planes'>): Uint8Array {
  const { type, hasResiduals } = readScaled(parameters)
  const plainLength = planes.reduce((sum, { length }) => sum + length, 0)
  if (plainLength === 0) throw corrupt(SUBJECT, 'it is empty')
  const width = widthOf(type)
  const count = Math.floor(plainLength / width)
  const parts = new Parts(planes)
  const integers = parts.next(count)
  const runs = count === 0 ? [] : readRuns(parts, count)
  const raw = unscaled(runs)
  const upper = Array.from({ length: width - 1 }, () => parts.next(raw))
  const residuals = parts.next(hasResiduals ? count - raw : 0)
  const left = plainLength - count * width
  if (parts.next(Math.max(0, parts.left - left)).some(byte => byte !== 0)) mismatch()
  const tail = parts.next(left)
  if (parts.left > 0) mismatch()
  const plain = new Uint8Array(plainLength)
  plain.set(productsOf(integers, runs, type))
  setUpper(plain, upper, runs, width)
  if (hasResiduals) addResiduals(plain, residuals, runs, width)
  plain.set(tail, count * width)
  return plain
}

/** Throws `corrupt` for parameters that filter 8 can't have. */
function readScaled(parameters: Uint8Array): { type: ScaledType; hasResiduals: boolean } {
  const type = TYPES[parameters[0] ?? TYPES.length]
  const own = parameterCount(FILTER_SCALED, parameters)!
  if (type && parameters[1]! <= 1 && (parameters.length === own || parameters.length === own + 1))
    return { type, hasResiduals: parameters[1] === 1 }
  throw corrupt(SUBJECT, `filter ${FILTER_SCALED} cannot have the parameters [${parameters.subarray(0, 8).join(', ')}]`)
}

/** The parts of a block in their order; parts without bytes are left out. */
class Parts {
  private readonly planes: readonly Uint8Array[]
  private at = 0
  /** Bytes of the parts that are left. */
  left: number

  constructor(planes: readonly Uint8Array[]) {
    this.planes = planes
    this.left = planes.reduce((sum, { length }) => sum + length, 0)
  }

  /** The length of the next part. */
  get length(): number {
    return this.planes[this.at]?.length ?? 0
  }

  next(length: number): Uint8Array {
    if (length === 0) return new Uint8Array(0)
    const plane = this.planes[this.at++]
    this.left -= length
    return plane?.length === length ? plane : mismatch()
  }
}

function mismatch(): never {
  throw corrupt(SUBJECT, 'its parts are not what its filter makes')
}

function runPlanes(runs: readonly ScaledRun[]): Uint8Array[] {
  const planes = Array.from({ length: RUN_PLANES }, () => new Uint8Array(runs.length))
  const head = new DataView(new ArrayBuffer(RUN_PLANES + 1))
  runs.forEach(({ scale, offset, length }, i) => {
    head.setFloat64(0, scale, true)
    head.setUint8(SCALE_BYTES, offset)
    head.setUint32(SCALE_BYTES + 1, length, true)
    planes.forEach((plane, k) => (plane[i] = head.getUint8(k)))
  })
  return planes
}

function readRuns(parts: Parts, count: number): ScaledRun[] {
  const number = parts.length
  const planes = Array.from({ length: RUN_PLANES }, () => parts.next(number))
  const head = new DataView(new ArrayBuffer(RUN_PLANES + 1))
  let left = count
  const runs = Array.from({ length: number }, (_, i): ScaledRun => {
    planes.forEach((plane, k) => head.setUint8(k, plane[i]!))
    const run = { scale: head.getFloat64(0, true), offset: head.getUint8(SCALE_BYTES), length: head.getUint32(SCALE_BYTES + 1, true) }
    if (run.length === 0 || !(Math.abs(run.scale) < MAX_SCALE)) mismatch()
    left -= run.length
    return run
  })
  return left === 0 ? runs : mismatch()
}

/** Elements that are stored as they are. */
function unscaled(runs: readonly ScaledRun[]): number {
  return runs.reduce((sum, { scale, length }) => sum + (scale === 0 ? length : 0), 0)
}

/** The integers mod 256, and the lowest bytes of elements that are stored as they are. */
function integersOf(elements: Uint8Array, values: Float32Array, runs: readonly ScaledRun[], width: number): Uint8Array {
  const integers = new Uint8Array(values.length)
  forRuns(runs, (begin, end, { scale }) => {
    for (let i = begin; i < end; i++) integers[i] = scale === 0 ? elements[i * width]! : Math.round(values[i]! / scale)
  })
  return integers
}

/** The products, rounded to fp32, then to the type; of elements that are stored as they are, the lowest bytes. */
function productsOf(integers: Uint8Array, runs: readonly ScaledRun[], type: ScaledType): Uint8Array {
  const products = new Uint8Array(4 * integers.length)
  const view = new DataView(products.buffer)
  forRuns(runs, (begin, end, { scale, offset }) => {
    for (let i = begin; i < end && scale !== 0; i++) view.setFloat32(4 * i, (((integers[i]! + offset) & 255) - offset) * scale, true)
  })
  const elements = type === 'fp32' ? products : narrowed(products, type)
  forRuns(runs, (begin, end, { scale }) => {
    for (let i = begin; scale === 0 && i < end; i++) elements[i * widthOf(type)] = integers[i]!
  })
  return elements
}

/** fp32 numbers, rounded: what filter 3 makes of them where no differences follow. */
function narrowed(products: Uint8Array, type: 'bf16' | 'fp16'): Uint8Array {
  const zeros = [new Uint8Array(products.length / 4), new Uint8Array(products.length / 4)]
  const parameters = Uint8Array.of(TYPES.indexOf(type))
  return zeros[0]!.length === 0 ? products : joinPlanes({ filter: FILTER_NARROW, parameters, planes: zeros }, products)
}

/** The runs, those made unscaled some element of which is too far from its product. */
function fitting(runs: readonly ScaledRun[], elements: Uint8Array, products: Uint8Array, width: number): ScaledRun[] {
  const most = width === 4 ? MAX_RESIDUAL : 0
  const differences = differencesOf(elements, products, width)
  const result: ScaledRun[] = []
  forRuns(runs, (begin, end, run) => {
    let fits = true
    for (let i = begin; i < end && run.scale !== 0; i++) fits &&= Math.abs(differences[i]!) <= most
    result.push(fits ? run : { length: run.length, scale: 0, offset: 0 })
  })
  return result
}

/** The differences of scaled elements to their products, as filter 2 stores them; no plane if there are none. */
function residualsOf(elements: Uint8Array, products: Uint8Array, runs: readonly ScaledRun[], width: number): Uint8Array[] {
  const differences = differencesOf(elements, products, width)
  const plane = new Uint8Array(differences.length - unscaled(runs))
  let to = 0
  forRuns(runs, (begin, end, { scale }) => {
    for (let i = begin; i < end && scale !== 0; i++) plane[to++] = differences[i]! < 0 ? -2 * differences[i]! - 1 : 2 * differences[i]!
  })
  return plane.some(byte => byte !== 0) ? [plane] : []
}

function addResiduals(plain: Uint8Array, residuals: Uint8Array, runs: readonly ScaledRun[], width: number): void {
  let from = 0
  const view = new DataView(plain.buffer)
  forRuns(runs, (begin, end, { scale }) => {
    for (let i = begin; i < end && scale !== 0; i++) {
      const residual = residuals[from++]!
      const difference = residual & 1 ? -(residual + 1) / 2 : residual / 2
      if (width === 4) view.setUint32(4 * i, view.getUint32(4 * i, true) + difference, true)
      else view.setUint16(2 * i, view.getUint16(2 * i, true) + difference, true)
    }
  })
}

function differencesOf(elements: Uint8Array, products: Uint8Array, width: number): Int32Array {
  const [own, other] = [viewOf(elements), viewOf(products)]
  const differences = new Int32Array(elements.length / width)
  for (let i = 0; i < differences.length; i++) {
    differences[i] =
      width === 4 ? own.getUint32(4 * i, true) - other.getUint32(4 * i, true) : own.getUint16(2 * i, true) - other.getUint16(2 * i, true)
  }
  return differences
}

/** The bytes above the lowest of elements that are stored as they are. */
function upperPlanes(elements: Uint8Array, runs: readonly ScaledRun[], width: number): Uint8Array[] {
  return Array.from({ length: width - 1 }, (_, k) => {
    const plane = new Uint8Array(unscaled(runs))
    let to = 0
    forRuns(runs, (begin, end, { scale }) => {
      for (let i = begin; i < end && scale === 0; i++) plane[to++] = elements[i * width + k + 1]!
    })
    return plane
  })
}

function setUpper(plain: Uint8Array, planes: readonly Uint8Array[], runs: readonly ScaledRun[], width: number): void {
  let from = 0
  forRuns(runs, (begin, end, { scale }) => {
    for (let i = begin; i < end && scale === 0; i++, from++) for (let k = 1; k < width; k++) plain[i * width + k] = planes[k - 1]![from]!
  })
}

function forRuns(runs: readonly ScaledRun[], use: (begin: number, end: number, run: ScaledRun) => void): void {
  let begin = 0
  for (const run of runs) {
    use(begin, begin + run.length, run)
    begin += run.length
  }
}

const widthOf = (type: ScaledType): 2 | 4 => (type === 'fp32' ? 4 : 2)

const viewOf = ({ buffer, byteOffset, length }: Uint8Array): DataView => new DataView(buffer, byteOffset, length)

/** The whole elements as fp32. */
function floatsOf(elements: Uint8Array, type: ScaledType): Float32Array {
  const view = viewOf(elements)
  const values = new Float32Array(Math.floor(elements.length / widthOf(type)))
  const bits = new Uint32Array(values.buffer)
  for (let i = 0; i < values.length; i++) {
    if (type === 'fp32') values[i] = view.getFloat32(4 * i, true)
    else if (type === 'fp16') values[i] = fromFp16(view.getUint16(2 * i, true))
    else bits[i] = view.getUint16(2 * i, true) << 16
  }
  return values
}

function fromFp16(half: number): number {
  const [sign, exponent, mantissa] = [half >> 15 ? -1 : 1, (half >> 10) & 31, half & 1023]
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN
  return sign * (exponent === 0 ? mantissa * 2 ** -24 : (1024 + mantissa) * 2 ** (exponent - 25))
}
