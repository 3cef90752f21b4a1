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
 * Floats like those of `sample`, with an exponent from bit `exponent` on. `rotated` moves their signs to the lowest
 * bits. The classes end a little above the greatest exponent of the sample. The contexts are bytes.
 */
export function floatsModel(sample: Uint8Array, width: 2 | 4, exponent: number, rotated: boolean): NumberModel {
  const fine = exponent - TOP + (rotated ? 1 : 0)
  const view = new DataView(sample.buffer, sample.byteOffset, sample.length)
  const sign = rotated ? 2 ** (8 * width - 1) - 1 : 2 ** 32 - 1
  let greatest = 0
  for (let at = 0; at + width <= sample.length; at += width) {
    const magnitude = (width === 2 ? view.getUint16(at, true) : view.getUint32(at, true)) & sign
    if (magnitude >>> 0 > greatest) greatest = magnitude >>> 0
  }
  const origin = Math.max(0, Math.floor(greatest / 2 ** (exponent - TOP)) + 2 ** TOP - CLASSES)
  return modelOf(width, rotated, fine, origin)
}

/** In a block of `plainLength` bytes. */
export function inSegments(model: NumberModel, plainLength: number): CodedFloats {
  const elements = plainLength / model.width
  let segment = 0
  while (elements > SEGMENTS * 2 ** segment) segment++
  return { model, segment }
}

function modelOf(width: 2 | 4, rotated: boolean, fine: number, origin: number): NumberModel {
  return { width, mode: rotated ? 'rotated' : 'plain', center: 0, classes: { kind: 'steps', fine, origin }, ...CONTEXTS }
}

/** The model that parameters state; undefined if there is none. */
export function classesModel(width: number, rotated: number, fine: number, origin: number): NumberModel | undefined {
  if ((width !== 2 && width !== 4) || rotated > 1) return undefined
  const model = modelOf(width, rotated === 1, fine, origin)
  return isModel(model) ? model : undefined
}

/** The context of each element: the number of its segment. */
export function segmentsOf(plainLength: number, { model: { width }, segment }: CodedFloats): Uint8Array {
  const contexts = new Uint8Array(Math.floor(plainLength / width))
  for (let number = 1; number * 2 ** segment < contexts.length; number++)
    contexts.fill(number, number * 2 ** segment, (number + 1) * 2 ** segment)
  return contexts
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
  const [width, rotated, fine, segment, low, high] = parameters as unknown as [number, number, number, number, number, number]
  if (parameters.length === 6 || parameters.length === 7) {
    const model = classesModel(width, rotated, fine, low + 256 * high)
    if (model && segment <= 22 && plainLength <= width * SEGMENTS * 2 ** segment) return { model, segment }
  }
  throw corrupt('A block', `filter ${FILTER_CODED_FLOATS} cannot have the parameters [${parameters.subarray(0, 8).join(', ')}]`)
}
