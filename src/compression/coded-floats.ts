import { endianness } from 'node:os'
import { isModel, type NumberModel } from '../kernels/numbers.ts'
import { corrupt } from '../util/errors.ts'

/** Filter id of blocks of floats that are coded as numbers, segment by segment. Permanent. */
export const FILTER_CODED_FLOATS = 11

/** Each exponent has four classes: a float's first two places say something about it. */
const TOP = 2
/** Classes that a number may be in, besides the one for all others. */
const CLASSES = 255
/** A block has at most so many segments: the contexts of its numbers. */
const SEGMENTS = 256
const CONTEXTS = { shift: 0, bits: 8 }

export interface CodedFloats {
  model: NumberModel
  /** A segment has 2^segment elements. */
  segment: number
}

/**
 * Floats with an exponent from bit `exponent` on, in a block of `plainLength` bytes like `sample`. `rotated` moves
 * their signs to the lowest bits. The classes end a little above the greatest exponent of the sample.
 */
export function floatsModel(sample: Uint8Array, plainLength: number, width: 2 | 4, exponent: number, rotated: boolean): CodedFloats {
  const fine = exponent - TOP + (rotated ? 1 : 0)
  const view = new DataView(sample.buffer, sample.byteOffset, sample.length)
  const sign = rotated ? 2 ** (8 * width - 1) - 1 : 2 ** 32 - 1
  let greatest = 0
  for (let at = 0; at + width <= sample.length; at += width) {
    const magnitude = (width === 2 ? view.getUint16(at, true) : view.getUint32(at, true)) & sign
    if (magnitude >>> 0 > greatest) greatest = magnitude >>> 0
  }
  const origin = Math.max(0, Math.floor(greatest / 2 ** (exponent - TOP)) + 2 ** TOP - CLASSES)
  const elements = plainLength / width
  let segment = 0
  while (elements > SEGMENTS * 2 ** segment) segment++
  return { model: modelOf(width, rotated, fine, origin), segment }
}

function modelOf(width: 2 | 4, rotated: boolean, fine: number, origin: number): NumberModel {
  return { width, mode: rotated ? 'rotated' : 'plain', center: 0, classes: { kind: 'steps', fine, origin }, ...CONTEXTS }
}

/** What stands in for a base: elements with the numbers of their segments. */
export function segmentsOf(plainLength: number, { model: { width }, segment }: CodedFloats): Uint8Array {
  const count = Math.ceil(plainLength / width)
  const numbers = width === 2 ? new Uint16Array(count) : new Uint32Array(count)
  const place = endianness() === 'LE' ? 1 : 2 ** (8 * width - 8)
  for (let number = 1; number * 2 ** segment < count; number++)
    numbers.fill(number * place, number * 2 ** segment, (number + 1) * 2 ** segment)
  return new Uint8Array(numbers.buffer, 0, plainLength)
}

/** Parameters of filter 11: `width, rotated, fine, segment` and two bytes of `origin`. */
export function codedFloatsParameters({ model: { width, mode, classes }, segment }: CodedFloats): Uint8Array {
  const origin = classes.kind === 'steps' ? classes.origin : 0
  return Uint8Array.of(width, mode === 'rotated' ? 1 : 0, classes.fine, segment, origin & 255, origin >> 8)
}

/**
 * Reads them, for a block of so many bytes. The id of an element type may follow. Throws `corrupt` for parameters that
 * filter 11 cannot have.
 */
export function readCodedFloats(parameters: Uint8Array, plainLength: number): CodedFloats {
  const [width, rotated, fine, segment, low, high] = parameters as unknown as [2, number, number, number, number, number]
  if (parameters.length === 6 || parameters.length === 7) {
    const model = modelOf(width, rotated === 1, fine, low + 256 * high)
    const isShape = [2, 4].includes(width) && rotated <= 1 && segment <= 22 && plainLength <= width * SEGMENTS * 2 ** segment
    if (isShape && isModel(model)) return { model, segment }
  }
  throw corrupt('A block', `filter ${FILTER_CODED_FLOATS} cannot have the parameters [${parameters.subarray(0, 8).join(', ')}]`)
}
