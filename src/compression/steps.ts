import { endianness } from 'node:os'
import type { Width } from '../kernels/planes.ts'

/** How filter 6 predicts an element from those before it in the block. */
export interface Steps {
  /** Bytes before the first element, 0 to width - 1: the block is turned so that they come last. */
  start: number
  /** Elements from one to the next of its kind, 1 to 255: 2 for stereo sound. */
  distance: number
  /** 1: an element is like the one before. 2: it goes on from the two before in a straight line. */
  order: 1 | 2
}

/** The widths of elements that filter 6 takes. */
export type StepWidth = Exclude<Width, 8>

export function isSteps(width: number, { start, distance, order }: { [name in keyof Steps]: number }): boolean {
  return [1, 2, 4].includes(width) && start < width && distance >= 1 && distance <= 255 && (order === 1 || order === 2)
}

/**
 * Writes the prediction of each whole element of `values` to the same place of `predictions`. Both begin at a multiple
 * of 4 bytes in their memory.
 */
export function predictSteps(values: Uint8Array, predictions: Uint8Array, width: StepWidth, { distance, order }: Steps): void {
  const from = elements(values, width)
  const to = elements(predictions.subarray(0, values.length), width)
  swapIfBigEndian(values, width)
  to.fill(0, 0, distance)
  to.set(from.subarray(0, -distance), Math.min(distance, to.length))
  if (order === 2) {
    for (let i = Math.min(2 * distance, to.length) - 1; i >= distance; i--) to[i] = 2 * from[i - distance]!
    for (let i = 2 * distance; i < to.length; i++) to[i] = 2 * from[i - distance]! - from[i - 2 * distance]!
  }
  swapIfBigEndian(values, width)
  swapIfBigEndian(predictions.subarray(0, values.length), width)
}

/** Adds to each whole element of `differences` its prediction from the elements that are done. */
export function addSteps(differences: Uint8Array, width: StepWidth, { distance, order }: Steps): void {
  const values = elements(differences, width)
  swapIfBigEndian(differences, width)
  for (let first = 0; first < Math.min(distance, values.length); first++) {
    // sums mod 2^32, of which the elements take what fits
    let value = values[first]!
    let step = value
    for (let i = first + distance; i < values.length; i += distance) {
      step = (order === 2 ? step + values[i]! : values[i]!) | 0
      value = (value + step) | 0
      values[i] = value
    }
  }
  swapIfBigEndian(differences, width)
}

type Elements = Uint8Array | Uint16Array | Uint32Array

/** The whole elements. */
function elements({ buffer, byteOffset, length }: Uint8Array, width: StepWidth): Elements {
  const count = Math.floor(length / width)
  if (width === 1) return new Uint8Array(buffer, byteOffset, count)
  return width === 2 ? new Uint16Array(buffer, byteOffset, count) : new Uint32Array(buffer, byteOffset, count)
}

const IS_BIG_ENDIAN = endianness() === 'BE'

/** Elements are little-endian, whatever the machine. */
function swapIfBigEndian({ buffer, byteOffset, length }: Uint8Array, width: StepWidth): void {
  if (!IS_BIG_ENDIAN || width === 1) return
  const whole = Buffer.from(buffer, byteOffset, length - (length % width))
  if (width === 2) whole.swap16()
  else whole.swap32()
}

/** The bytes turned so that the first `count` come last. */
export function turned(bytes: Uint8Array, count: number): Uint8Array {
  if (count === 0) return bytes
  const result = new Uint8Array(bytes.length)
  result.set(bytes.subarray(count))
  result.set(bytes.subarray(0, count), bytes.length - count)
  return result
}
