import { isModel, type NumberModel, type NumberWidth } from '../kernels/numbers.ts'
import { corrupt } from '../util/errors.ts'

/** Filter id of blocks whose differences to a base are coded as numbers, in contexts of that base. Permanent. */
export const FILTER_CODED_DELTA = 12

/** Each power of two of a difference has four classes. */
const FINE = 2
const SAMPLES = 1024

/** Which bits of the base's elements the differences depend on, such as the exponent of a float. */
export interface ContextKey {
  shift: number
  bits: number
}

/** Differences of elements of this width to `center`, which most of them are near. */
export function deltaModel(width: NumberWidth, { shift, bits }: ContextKey, center: number): NumberModel {
  return { width, mode: 'delta', center, classes: { kind: 'powers', fine: FINE }, shift, bits }
}

/** Parameters of filter 12: `width, fine, shift, bits` and four bytes of `center`. */
export function codedDeltaParameters({ width, classes, shift, bits, center }: NumberModel): Uint8Array {
  const parameters = Buffer.from([width, classes.fine, shift, bits, 0, 0, 0, 0])
  parameters.writeInt32LE(center, 4)
  return parameters
}

/** Reads them. The id of an element type may follow. Throws `corrupt` for parameters that filter 12 cannot have. */
export function readCodedDelta(parameters: Uint8Array): NumberModel {
  if (parameters.length === 8 || parameters.length === 9) {
    const [width, fine, shift, bits] = parameters as unknown as [NumberWidth, number, number, number]
    const center = Buffer.from(parameters).readInt32LE(4)
    const model: NumberModel = { width, mode: 'delta', center, classes: { kind: 'powers', fine }, shift, bits }
    if (isModel(model)) return model
  }
  throw corrupt('A block', `filter ${FILTER_CODED_DELTA} cannot have the parameters [${parameters.subarray(0, 8).join(', ')}]`)
}

/** The median of some differences, as signed numbers. */
export function medianDifference(plain: Uint8Array, base: Uint8Array, width: NumberWidth): number {
  const count = Math.floor(plain.length / width)
  if (count === 0) return 0
  const samples = Math.min(SAMPLES, count)
  const [now, before] = [plain, base].map(({ buffer, byteOffset, length }) => Buffer.from(buffer, byteOffset, length)) as [Buffer, Buffer]
  const differences = Int32Array.from({ length: samples }, (_, i) => {
    const at = Math.floor((i * count) / samples) * width
    const difference = now.readUIntLE(at, width) - before.readUIntLE(at, width)
    return (difference << (32 - 8 * width)) >> (32 - 8 * width)
  })
  return differences.sort()[samples >> 1]!
}
