import { describe, expect, test } from 'vitest'
import { type BlockBase, type BlockLayout, type BlockRequest, encodeBlock } from '../../../../src/compression/block.ts'
import { FILTER_CODED_FLOATS } from '../../../../src/compression/coded-floats.ts'
import { FILTER_CODED_MATRICES, rowsAt } from '../../../../src/compression/coded-matrices.ts'
import { usesBase } from '../../../../src/compression/filters.ts'
import { loadZstd } from '../../../../src/compression/load-zstd.ts'
import { isDivisible, tensorOf } from '../../../../src/repository/prune/plan/block-content.ts'
import { classifyContent } from '../../../../src/repository/write/block-builder.ts'
import type { ElementType } from '../../../../src/util/element-type.ts'
import { ELEMENT_TYPES } from '../../../../src/util/element-type.ts'
import { quantisedLike } from '../../../helpers/quantised.ts'
import { seededNoise, seededRandom } from '../../../helpers/seeded.ts'
import { bf16, fp16, fp32, fp64, int16, network, tuned } from '../../../helpers/tensors.ts'

const [before, after] = [network(1, [60_000]), tuned(network(1, [60_000]), 2, 1e-4)]
const zstd = await loadZstd(undefined)

function encoded(type: typeof fp32, base?: BlockBase, element?: ElementType) {
  const { dtype, data } = type(after)[0]!
  const plain = new Uint8Array(data)
  const request: BlockRequest = { level: 'balanced', kind: 'tensor', element: element ?? ELEMENT_TYPES.get(dtype)!, base }
  return { plain, request, block: encodeBlock(plain, request, zstd) }
}

const delta = (type: typeof fp32): BlockBase => ({ relation: 'delta', bytes: new Uint8Array(type(before)[0]!.data) })
const narrow = (relation: 'bf16' | 'fp16'): BlockBase => ({ relation, bytes: new Uint8Array(fp32(after)[0]!.data) })

const KINDS: [string, typeof fp32, BlockBase | undefined][] = [
  ...[fp32, fp64, bf16, fp16, int16].flatMap((type): [string, typeof fp32, BlockBase | undefined][] => [
    [`${type.name}, by itself`, type, undefined],
    [`${type.name}, predicted`, type, delta(type)],
  ]),
  ['bf16, predicted from fp32', bf16, narrow('bf16')],
  ['fp16, predicted from fp32', fp16, narrow('fp16')],
]

describe('what a block of a tensor tells', () => {
  test.each(KINDS)('is enough to encode it again as it was: %s', (_, type, base) => {
    const { plain, request, block } = encoded(type, base)
    expect(usesBase(block.filter)).toBe(base !== undefined)
    expect(isDivisible(block)).toBe(true)
    const tensor = tensorOf(block)!
    expect(tensor).toEqual({ element: request.element, relation: base?.relation })
    const again = encodeBlock(plain, { level: 'balanced', kind: 'tensor', element: tensor.element, base }, zstd)
    expect(again).toEqual(block)
  })

  test.each(KINDS)('is enough where the type of its elements has no name: %s', (_, type, base) => {
    const { plain, request, block } = encoded(type, base, { ...ELEMENT_TYPES.get(type(after)[0]!.dtype)!, dtype: undefined })
    const tensor = tensorOf(block)
    if (base === undefined && block.filter !== FILTER_CODED_FLOATS) {
      // its bytes tell
      expect(tensor).toBeUndefined()
      const { kind, numbers } = classifyContent(plain, false)
      expect(encodeBlock(plain, { level: 'balanced', kind, numbers }, zstd).bytes.length).toBeLessThan(1.01 * block.bytes.length)
      return
    }
    expect(tensor).toMatchObject({ element: { width: request.element!.width }, relation: base?.relation })
    const again = encodeBlock(plain, { level: 'balanced', kind: 'tensor', element: tensor!.element, base }, zstd)
    expect(again.bytes.length).toBeLessThan(1.01 * block.bytes.length)
  })
})

test('a block of records tells its fields, and where the first record begins', () => {
  const { bytes, record } = quantisedLike('Q4_0', 1, 100_000)
  const plain = bytes.subarray(5)
  const request: BlockRequest = { level: 'balanced', kind: 'tensor', element: { width: 1, kind: 'unknown', record }, start: 13 }
  const noise = seededNoise(2, plain.length)
  for (const base of [
    undefined,
    { relation: 'delta', bytes: plain.map((byte, i) => ((i + 5) % 18 < 2 ? byte : byte + (noise[i]! % 3))) } as const,
  ]) {
    const block = encodeBlock(plain, { ...request, base }, zstd)
    expect(usesBase(block.filter)).toBe(base !== undefined)
    expect(isDivisible(block)).toBe(true)
    const tensor = tensorOf(block)!
    expect(tensor).toMatchObject({ start: 13, relation: base?.relation })
    expect(encodeBlock(plain, { ...request, element: tensor.element, start: tensor.start, base }, zstd).bytes.length).toBe(
      block.bytes.length,
    )
  }
})

test('a block of matrices tells their columns, and how far into a tensor each chunk is', () => {
  const random = seededRandom(5)
  const [rows, columns] = [300, 200].map(count => Array.from({ length: count }, () => 2 ** (12 * random()))) as [number[], number[]]
  const values = Float32Array.from({ length: 60_000 }, (_, i) => rows[Math.floor(i / 200)]! * columns[i % 200]! * (0.5 + random()))
  const plain = new Uint8Array(values.buffer)
  const element = ELEMENT_TYPES.get('F32')!
  const matrices = [
    { elements: 45_000, columns: 200, start: 0 },
    { elements: 15_000, columns: 200, start: 0 },
  ]
  const block = encodeBlock(plain, { level: 'balanced', kind: 'tensor', element, matrices }, zstd)
  expect(block.filter).toBe(FILTER_CODED_MATRICES)
  expect(isDivisible(block)).toBe(true)
  expect(tensorOf(block)).toEqual({ element, matrices, relation: undefined })
  expect(rowsAt(matrices, 0)).toEqual({ columns: 200, before: 0 })
  expect(rowsAt(matrices, 44_999)).toEqual({ columns: 200, before: 44_999 })
  expect(rowsAt(matrices, 45_000)).toEqual({ columns: 200, before: 0 })
  expect(rowsAt(matrices, 60_000)).toBeUndefined()
})

const layout = (filter: number, parameters: number[], codec = 0): BlockLayout => ({
  filter,
  parameters: Uint8Array.from(parameters),
  parts: [{ codec, storedLength: 8, plainLength: 8 }],
})

test('blocks that a newer program made, or that make no sense, are taken as they stand', () => {
  expect(isDivisible(layout(0, []))).toBe(true)
  expect(isDivisible(layout(4, [44, 1, 1]))).toBe(true)
  expect(isDivisible(layout(1, [4, 1, 2]))).toBe(true)
  expect(isDivisible(layout(0, [], 9))).toBe(false)
  expect(isDivisible(layout(99, []))).toBe(false)
  // a type that has no name yet
  expect(isDivisible(layout(0, [200]))).toBe(false)
  expect(isDivisible(layout(2, [4, 200]))).toBe(false)
  expect(isDivisible(layout(2, [4, 2, 2]))).toBe(false)
  expect(isDivisible(layout(1, [4]))).toBe(false)
})

test('blocks of other content tell nothing: what that is, their bytes tell', () => {
  expect(tensorOf(layout(0, []))).toBeUndefined()
  expect(tensorOf(layout(4, [44, 1, 1]))).toBeUndefined()
})
