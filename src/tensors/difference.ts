import { equalBytes } from '../util/bytes.ts'
import { decoderOf, LONG_VIEWS, type Numbers } from './numbers.ts'

/** The difference between two tensors of one shape. NaNs equal each other, and so do the two zeros. */
export interface Difference {
  /** How many numbers differ. The two parts of a complex number count separately. */
  changed: number
  /** The greatest absolute difference of finite numbers. */
  maxAbs: number
  /** How many of `changed` are NaN or infinite on at least one side. */
  nonFinite: number
}

export function noDifference(): Difference {
  return { changed: 0, maxAbs: 0, nonFinite: 0 }
}

/**
 * Adds the differences between two rows of little-endian elements of equal length to `difference`. False if the
 * elements of either side are not numbers.
 */
export function addDifference(
  difference: Difference,
  before: Uint8Array,
  beforeType: string,
  after: Uint8Array,
  afterType: string,
): boolean {
  const [decodeBefore, decodeAfter] = [decoderOf(beforeType), decoderOf(afterType)]
  if (decodeBefore === undefined || decodeAfter === undefined) return false
  if (beforeType === afterType && equalBytes(before, after)) return true
  const long = LONG_VIEWS.get(beforeType)
  if (long !== undefined && beforeType === afterType) addLong(difference, long(before), long(after))
  else addNumbers(difference, decodeBefore(before), decodeAfter(after))
  return true
}

function addNumbers(difference: Difference, before: Numbers, after: Numbers): void {
  let { changed, maxAbs, nonFinite } = difference
  for (let i = 0; i < before.length; i++) {
    const x = before[i]!
    const y = after[i]!
    if (x === y || (x !== x && y !== y)) continue
    changed++
    const apart = Math.abs(x - y)
    if (apart < Infinity) maxAbs = apart > maxAbs ? apart : maxAbs
    else if (Number.isFinite(x) && Number.isFinite(y)) maxAbs = Number.MAX_VALUE
    else nonFinite++
  }
  Object.assign(difference, { changed, maxAbs, nonFinite })
}

function addLong(difference: Difference, before: BigInt64Array | BigUint64Array, after: BigInt64Array | BigUint64Array): void {
  for (let i = 0; i < before.length; i++) {
    const apart = before[i]! - after[i]!
    if (apart === 0n) continue
    difference.changed++
    difference.maxAbs = Math.max(difference.maxAbs, Number(apart < 0n ? -apart : apart))
  }
}
