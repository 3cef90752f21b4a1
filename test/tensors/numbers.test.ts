import { describe, expect, test } from 'vitest'
import { addDifference, noDifference, type Difference } from '../../src/tensors/difference.ts'
import { decoderOf } from '../../src/tensors/numbers.ts'

const bytesOf = (numbers: ArrayBufferView): Uint8Array => new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength)
const half = (...bits: number[]): Uint8Array => bytesOf(Uint16Array.from(bits))

test.each<[dtype: string, bytes: Uint8Array, values: number[]]>([
  ['F16', half(0x3c00, 0x7bff, 0x0001, 0x8000, 0xfc00, 0x7e01, 0x3555), [1, 65504, 2 ** -24, -0, -Infinity, NaN, 0.333251953125]],
  ['BF16', half(0x3f80, 0xff80, 0x7fc0, 0xc2f7, 0x0001), [1, -Infinity, NaN, -123.5, 2 ** -133]],
  ['F8_E4M3', Uint8Array.of(0x38, 0x7e, 0x01, 0x08, 0xff, 0xfe), [1, 448, 2 ** -9, 2 ** -6, NaN, -448]],
  ['F8_E5M2', Uint8Array.of(0x3c, 0x7b, 0x01, 0x7c, 0xfd), [1, 57344, 2 ** -16, Infinity, NaN]],
  ['F8_E4M3FNUZ', Uint8Array.of(0x40, 0x7f, 0x80, 0x01), [1, 240, NaN, 2 ** -10]],
  ['F8_E5M2FNUZ', Uint8Array.of(0x40, 0x7f, 0x80, 0x01), [1, 57344, NaN, 2 ** -17]],
  ['F8_E8M0', Uint8Array.of(127, 0, 254, 255), [1, 2 ** -127, 2 ** 127, NaN]],
  ['F32', bytesOf(Float32Array.of(1.5, NaN)), [1.5, NaN]],
  ['C128', bytesOf(Float64Array.of(1.5, -2)), [1.5, -2]],
  ['I64', bytesOf(BigInt64Array.of(-5n, 2n ** 40n)), [-5, 2 ** 40]],
  ['U16', half(0xffff), [65535]],
  ['I8', Uint8Array.of(0xff), [-1]],
  ['BOOL', Uint8Array.of(1, 0), [1, 0]],
])('%s are decoded, wherever the bytes lie', (dtype, bytes, values) => {
  const shifted = new Uint8Array(bytes.length + 1)
  shifted.set(bytes, 1)
  expect(Array.from(decoderOf(dtype)!(bytes))).toEqual(values)
  expect(Array.from(decoderOf(dtype)!(shifted.subarray(1)))).toEqual(values)
})

test('all halfs grow with their bits, and what is no number has no decoder', () => {
  const positive = decoderOf('F16')!(half(...Array.from({ length: 0x7c01 }, (_, bits) => bits)))
  for (let i = 1; i < positive.length; i++) expect(positive[i]! > positive[i - 1]!).toBe(true)
  expect(decoderOf('Q4_K')).toBeUndefined()
})

describe('a difference', () => {
  function between(before: Uint8Array, after: Uint8Array, type: string, otherType = type): Difference {
    const difference = noDifference()
    expect(addDifference(difference, before, type, after, otherType)).toBe(true)
    return difference
  }

  test('leaves NaN and infinity out of the greatest one, and counts them', () => {
    const before = bytesOf(Float32Array.of(1, NaN, Infinity, 0, 3, NaN, Infinity, -Infinity))
    const after = bytesOf(Float32Array.of(1.5, NaN, Infinity, -0, 1, 4, 5, Infinity))
    expect(between(before, after, 'F32')).toEqual({ changed: 5, maxAbs: 2, nonFinite: 3 })
  })

  test('of NaNs with other payloads is none', () => {
    const nan = (payload: number): Uint8Array => bytesOf(Uint32Array.of(0x7fc00000 + payload))
    expect(between(nan(1), nan(2), 'F32')).toEqual({ changed: 0, maxAbs: 0, nonFinite: 0 })
  })

  test('of the greatest doubles is still a number', () => {
    const [most, least] = [Number.MAX_VALUE, -Number.MAX_VALUE]
    const found = between(bytesOf(Float64Array.of(most)), bytesOf(Float64Array.of(least)), 'F64')
    expect(found).toEqual({ changed: 1, maxAbs: Number.MAX_VALUE, nonFinite: 0 })
  })

  test('of long integers is exact where numbers are not', () => {
    const before = bytesOf(BigInt64Array.of(2n ** 62n, -1n, 9n))
    expect(between(before, bytesOf(BigInt64Array.of(2n ** 62n + 1n, 2n, 9n)), 'I64')).toEqual({ changed: 2, maxAbs: 3, nonFinite: 0 })
    const after = bytesOf(BigUint64Array.of(1n))
    expect(between(bytesOf(BigUint64Array.of(2n ** 64n - 1n)), after, 'U64').maxAbs).toBe(2 ** 64)
  })

  test('between types is one of values', () => {
    const single = bytesOf(Float32Array.of(1, 1.001, -2))
    expect(between(single, half(0x3c00, 0x3c01, 0xc000), 'F32', 'F16').changed).toBe(1)
    expect(between(single, half(0x3f80, 0x3f80, 0xc000), 'F32', 'BF16').maxAbs).toBeCloseTo(0.001, 6)
  })

  test('of what are no numbers can not be told', () => {
    expect(addDifference(noDifference(), Uint8Array.of(1), 'Q8_0', Uint8Array.of(2), 'Q8_0')).toBe(false)
  })
})
