/** Elements in a row that are integers times one scale, or that are stored as they are. */
export interface ScaledRun {
  length: number
  /** 0 for elements that are stored as they are. */
  scale: number
  /** What is added to the integers, mod 256, so that they fit into a byte: 0 to 255. */
  offset: number
}

/** Significant bits of a float type, the hidden one included, and its smallest exponent. */
export interface Precision {
  bits: number
  least: number
}

/** Elements whose scale is looked for together. Groups of quantised weights have 32 or more. */
export const PROBE = 24
/** Elements that are looked at for a probe, which leaves zeros out. */
const MAX_LOOK = 8 * PROBE
/** The greatest integer that the greatest element of a probe may be. */
const MAX_LEVEL = 255
/** Elements to go on by where no scale fits, and as many after several failures. */
const STEP = 8
const MAX_STEP = 1024
const PATIENCE = 16
/** A reader takes no greater scale, so that no product is infinite. */
export const MAX_SCALE = 2 ** 100
const MIN_SCALE = 2 ** -126
/** Scales that are tried for a run. */
const MAX_TRIES = 6

/** The scales in a range: all that round to the elements seen. */
interface Range {
  low: number
  high: number
}

/**
 * Divides `values` into runs. Elements of a run are integers times its scale, rounded to the type. With `slack` 3 some
 * may be the number before or after that. Time: linear, also where nothing fits.
 */
export function findRuns(values: Float32Array, precision: Precision, slack: number): ScaledRun[] {
  const runs: ScaledRun[] = []
  let failures = 0
  for (let at = 0; at < values.length;) {
    const range = findScale(values, at, precision, slack)
    const run = range && extend(values, at, range, precision, slack)
    if (run && run.length >= STEP) {
      runs.push(run)
      at += run.length
      failures = 0
      continue
    }
    const step = Math.min(values.length - at, MAX_STEP, STEP << Math.min(7, Math.floor(failures++ / PATIENCE)))
    const last = runs.at(-1)
    if (last?.scale === 0) last.length += step
    else runs.push({ length: step, scale: 0, offset: 0 })
    at += step
  }
  return runs
}

/** The scales that fit the next elements with the smallest integers; undefined if there are none. */
export function findScale(values: Float32Array, at: number, precision: Precision, slack: number): Range | undefined {
  const probe: number[] = []
  const end = Math.min(values.length, at + MAX_LOOK)
  for (let i = at; i < end && probe.length < PROBE; i++) if (values[i] !== 0) probe.push(Math.abs(values[i]!))
  const greatest = Math.max(...probe)
  if (probe.length === 0 || !(greatest < Infinity)) return undefined
  const error = slack * halfUnit(greatest, precision)
  for (let level = 1; level <= MAX_LEVEL; level++) {
    const range = { low: (greatest - error) / level, high: (greatest + error) / level }
    if (probe.every(value => narrows(range, value, slack * halfUnit(value, precision)))) return range
  }
  return undefined
}

/** Narrows the range to the scales that fit this element too. False if there are none. */
function narrows(range: Range, value: number, error: number): boolean {
  const level = Math.round(value / (0.5 * (range.low + range.high)))
  if (level === 0 || level > MAX_LEVEL) return false
  const low = Math.max(range.low, (value - error) / level)
  const high = Math.min(range.high, (value + error) / level)
  if (low > high) return false
  range.low = low
  range.high = high
  return true
}

/** The run that begins here and goes on as far as one scale fits. */
function extend(values: Float32Array, at: number, range: Range, precision: Precision, slack: number): ScaledRun {
  let [least, most] = [0, 0]
  let zero: number | undefined
  let end = at
  for (; end < values.length; end++) {
    const value = values[end]!
    if (value === 0) {
      zero ??= value
      if (!Object.is(zero, value)) break
      continue
    }
    const size = Math.abs(value)
    const level = Math.round(value / (0.5 * (range.low + range.high)))
    if (!(Math.max(most, level) - Math.min(least, level) <= MAX_LEVEL)) break
    if (!narrows(range, size, slack * halfUnit(size, precision))) break
    least = Math.min(least, level)
    most = Math.max(most, level)
  }
  const scale = simplest(values.subarray(at, end), range, precision, slack === 1)
  if (!(scale >= MIN_SCALE && scale < MAX_SCALE)) return { length: end - at, scale: 0, offset: 0 }
  // zero times a negative scale is a negative zero
  const isNegative = Object.is(zero, -0)
  if (isNegative) [least, most] = [-most, -least]
  return { length: end - at, scale: isNegative ? -scale : scale, offset: least >= -128 && most <= 127 ? 128 : -least }
}

/** The number in the range with the fewest bits, of which all products are right if they have to be. */
function simplest(values: Float32Array, { low, high }: Range, precision: Precision, isExact: boolean): number {
  const middle = 0.5 * (low + high)
  let tries = 0
  for (let bits = 4; bits < 52 && tries < MAX_TRIES; bits++) {
    const unit = 2 ** (exponentOf(middle) - bits)
    const rounded = Math.round(middle / unit) * unit
    if (rounded < low || rounded > high) continue
    if (!isExact || areProducts(values, rounded, precision)) return rounded
    tries++
  }
  return middle
}

/** Half a unit from a product another number may be as near, and below a power of two numbers are denser. */
function areProducts(values: Float32Array, scale: number, precision: Precision): boolean {
  return values.every(value => {
    const product = Math.fround(Math.round(value / scale) * scale)
    const unit = 2 * halfUnit(product, precision)
    return value === 0 || roundToEven(product / unit) * unit === value
  })
}

function roundToEven(value: number): number {
  const rounded = Math.round(value)
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded
}

/** Half the distance from a number of the type to the next. */
function halfUnit(value: number, { bits, least }: Precision): number {
  return POWERS[Math.max(exponentOf(value), least) - bits + POWERS_BELOW]!
}

const POWERS_BELOW = 160
const POWERS = Float64Array.from({ length: 300 }, (_, i) => 2 ** (i - POWERS_BELOW))

const view = new DataView(new ArrayBuffer(8))

function exponentOf(value: number): number {
  view.setFloat64(0, value)
  return ((view.getUint16(0) >> 4) & 0x7ff) - 1023
}
