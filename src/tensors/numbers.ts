import { byteAligned } from './element-reader.ts'

export type Numbers = Float32Array | Float64Array | Int32Array | Uint32Array | Int16Array | Uint16Array | Int8Array | Uint8Array

type Decode = (bytes: Uint8Array) => Numbers

interface View<T> {
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): T
  readonly BYTES_PER_ELEMENT: number
}

function viewAs<T>(type: View<T>): (bytes: Uint8Array) => T {
  return bytes => {
    const { buffer, byteOffset, length } = byteAligned(bytes, type.BYTES_PER_ELEMENT)
    return new type(buffer, byteOffset, Math.floor(length / type.BYTES_PER_ELEMENT))
  }
}

/**
 * The value of a small float with these numbers of exponent and mantissa bits. `top` is the meaning of the highest
 * exponent.
 */
function smallFloat(bits: number, exponentBits: number, mantissaBits: number, bias: number, top: 'ieee' | 'nan' | 'numbers'): number {
  const sign = bits >>> (exponentBits + mantissaBits) === 0 ? 1 : -1
  const mantissa = bits & ((1 << mantissaBits) - 1)
  const exponent = (bits >>> mantissaBits) & ((1 << exponentBits) - 1)
  const highest = (1 << exponentBits) - 1
  if (top === 'ieee' && exponent === highest) return mantissa === 0 ? sign * Infinity : NaN
  if (top === 'nan' && exponent === highest && mantissa === (1 << mantissaBits) - 1) return NaN
  if (top === 'numbers' && sign < 0 && exponent === 0 && mantissa === 0) return NaN
  const unit = 2 ** -mantissaBits
  return exponent === 0 ? sign * mantissa * unit * 2 ** (1 - bias) : sign * (1 + mantissa * unit) * 2 ** (exponent - bias)
}

/** Decodes with a table of all values, which is made at first use. */
function tabled(width: 1 | 2, valueOf: (bits: number) => number): Decode {
  let table: Float32Array | undefined
  const units = width === 1 ? viewAs(Uint8Array) : viewAs(Uint16Array)
  return bytes => {
    table ??= Float32Array.from({ length: 2 ** (8 * width) }, (_, bits) => valueOf(bits))
    const values = table
    const from = units(bytes)
    const to = new Float32Array(from.length)
    for (let i = 0; i < to.length; i++) to[i] = values[from[i]!]!
    return to
  }
}

function fromBf16(bytes: Uint8Array): Float32Array {
  const from = viewAs(Uint16Array)(bytes)
  const bits = new Uint32Array(from.length)
  for (let i = 0; i < bits.length; i++) bits[i] = from[i]! << 16
  return new Float32Array(bits.buffer)
}

/** Rounds integers of more than 53 bits. */
function fromLong(view: (bytes: Uint8Array) => BigInt64Array | BigUint64Array): Decode {
  return bytes => Float64Array.from(view(bytes), Number)
}

/** A complex number decodes to two numbers. */
const DECODERS: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['F64', viewAs(Float64Array)],
  ['C128', viewAs(Float64Array)],
  ['F32', viewAs(Float32Array)],
  ['C64', viewAs(Float32Array)],
  ['F16', tabled(2, bits => smallFloat(bits, 5, 10, 15, 'ieee'))],
  ['BF16', fromBf16],
  ['F8_E5M2', tabled(1, bits => smallFloat(bits, 5, 2, 15, 'ieee'))],
  ['F8_E4M3', tabled(1, bits => smallFloat(bits, 4, 3, 7, 'nan'))],
  ['F8_E5M2FNUZ', tabled(1, bits => smallFloat(bits, 5, 2, 16, 'numbers'))],
  ['F8_E4M3FNUZ', tabled(1, bits => smallFloat(bits, 4, 3, 8, 'numbers'))],
  ['F8_E8M0', tabled(1, bits => (bits === 255 ? NaN : 2 ** (bits - 127)))],
  ['I64', fromLong(viewAs(BigInt64Array))],
  ['U64', fromLong(viewAs(BigUint64Array))],
  ['I32', viewAs(Int32Array)],
  ['U32', viewAs(Uint32Array)],
  ['I16', viewAs(Int16Array)],
  ['U16', viewAs(Uint16Array)],
  ['I8', viewAs(Int8Array)],
  ['U8', viewAs(Uint8Array)],
  ['BOOL', viewAs(Uint8Array)],
])

/** Decodes little-endian elements of a type to numbers; undefined for types that are not numbers. */
export function decoderOf(dtype: string): Decode | undefined {
  return DECODERS.get(dtype)
}

/** Integers of 64 bits do not fit into numbers, so they are compared as integers. */
export const LONG_VIEWS: ReadonlyMap<string, (bytes: Uint8Array) => BigInt64Array | BigUint64Array> = new Map([
  ['I64', viewAs<BigInt64Array | BigUint64Array>(BigInt64Array)],
  ['U64', viewAs<BigInt64Array | BigUint64Array>(BigUint64Array)],
])
