import { describe, expect, test } from 'vitest'
import { guessNumbers } from '../../../src/chunking/layouts/guess-width.ts'
import { encodeBlock } from '../../../src/compression/block.ts'
import { FILTER_RECORDS } from '../../../src/compression/filters.ts'
import { BlockBuilder, blockKeyOf, classifyContent } from '../../../src/repository/write/block-builder.ts'
import { SharedBuffers } from '../../../src/util/memory/shared-buffers.ts'
import { quantisedLike } from '../../helpers/quantised.ts'
import { seededNoise, seededRandom } from '../../helpers/seeded.ts'

const KIB = 1024
const random = seededRandom(1)
const weights = new Uint8Array(
  Float32Array.from({ length: 100_000 }, () => 0.05 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(7 * random())).buffer,
)

describe('chunks of numbers in a file of a kind that is not known', () => {
  const [first, second] = [weights.subarray(0, 70_001), weights.subarray(70_001, 150_003)]

  test('share a block that keeps them in line', () => {
    const content = classifyContent(first, false)
    expect(content.numbers?.width).toBe(4)
    expect(blockKeyOf(second, classifyContent(second, false))).toBe(blockKeyOf(first, content))
    const block = new BlockBuilder(0, content, new SharedBuffers(1024 * KIB))
    block.add(new Uint8Array(32), first, undefined)
    expect(block.fits(second.length, classifyContent(second, false))).toBe(true)
    const later = weights.subarray(70_004)
    expect(block.fits(later.length, classifyContent(later, false))).toBe(false)
    block.add(new Uint8Array(32), second, undefined)
    const { plain, request } = block.take('balanced')
    expect(plain).toEqual(weights.subarray(0, 150_003))
    expect(request).toMatchObject({ kind: 'general', numbers: { width: 4 } })
  })

  test('are not seen in text, tables, compressed content, small chunks, or content that repeats', () => {
    const words = Buffer.from(Array.from({ length: 9000 }, (_, i) => `${(i * i) % 977} of ${i} `).join(''))
    const table = Buffer.from(Array.from({ length: 9000 }, (_, i) => `${i},${(i * i) % 977}\n`).join(''))
    // like machine code: of few instructions, whose bytes differ a little by their place
    const instructions = Array.from({ length: 300 }, () => Array.from({ length: 8 }, (_, k) => 32 * k + Math.floor(random() * 90)))
    const code = Uint8Array.from(Array.from({ length: 11_000 }, () => instructions[Math.floor(random() * 300)]!).flat())
    expect(guessNumbers(code)).toBeDefined()
    for (const bytes of [words, table, seededNoise(1, 90_000), weights.subarray(0, 8 * KIB), code])
      expect(classifyContent(bytes, false).numbers).toBeUndefined()
    expect(classifyContent(weights, true)).toEqual({ kind: 'compressed' })
  })
})

describe('chunks of tensors of records', () => {
  const { bytes, record } = quantisedLike('Q8_0', 1, 300 * KIB)
  const element = { width: 1, kind: 'unknown', dtype: 'Q8_0', record } as const
  const piece = (from: number, to: number) => ({
    bytes: bytes.subarray(from, to),
    content: { kind: 'tensor', tensor: { element, offset: from } } as const,
  })

  test('share a block as far as their records are in line, wherever its first chunk begins', () => {
    const [first, second, third] = [piece(100 * KIB, 180 * KIB), piece(180 * KIB, bytes.length), piece(0, 100 * KIB)]
    expect(blockKeyOf(second.bytes, second.content)).toBe(blockKeyOf(first.bytes, first.content))
    const block = new BlockBuilder(0, first.content, new SharedBuffers(1024 * KIB))
    block.add(new Uint8Array(32), first.bytes, undefined)
    expect(block.fits(third.bytes.length, third.content)).toBe(false)
    expect(block.fits(second.bytes.length, second.content)).toBe(true)
    block.add(new Uint8Array(32), second.bytes, undefined)
    expect(block.fits(third.bytes.length, third.content)).toBe(true)
    const { plain, request } = block.take('balanced')
    expect(plain).toEqual(bytes.subarray(100 * KIB))
    expect(request).toMatchObject({ kind: 'tensor', element: { record }, start: 34 - ((100 * KIB) % 34) })
    const stored = encodeBlock(plain, request, undefined)
    expect(stored.filter).toBe(FILTER_RECORDS)
    expect(stored.bytes.length).toBeLessThan(0.96 * plain.length)
  })

  test('of other fields or types have other blocks', () => {
    const keys = ['Q8_0', 'Q4_0', undefined].map(dtype => blockKeyOf(bytes, { kind: 'tensor', tensor: { element: { ...element, dtype } } }))
    const other = blockKeyOf(bytes, {
      kind: 'tensor',
      tensor: { element: { ...element, record: [{ width: 1, count: 34, kind: 'unknown' }] } },
    })
    expect(new Set([...keys, other]).size).toBe(4)
  })
})

describe('chunks of matrices', () => {
  const element = { width: 4, kind: 'float', dtype: 'F32' } as const
  const chunk = (elements: number) => weights.subarray(0, 4 * elements)
  const form = (columns: number, before: number) => ({ element, rows: { columns, before } })

  test('are one matrix as far as they follow each other in one tensor', () => {
    const block = new BlockBuilder(0, { kind: 'tensor', tensor: form(300, 10_000) }, new SharedBuffers(1024 * KIB))
    block.add(new Uint8Array(32), chunk(10_000), form(300, 10_000))
    block.add(new Uint8Array(32), chunk(5000), form(300, 20_000))
    // not the next chunk of that tensor, by the columns
    block.add(new Uint8Array(32), chunk(1000), form(300, 40_001))
    block.add(new Uint8Array(32), chunk(1000), { element })
    block.add(new Uint8Array(32), chunk(3000), form(300, 0))
    block.add(new Uint8Array(32), chunk(3000), form(300, 0))
    expect(block.take('balanced').request.matrices).toEqual([
      { elements: 15_000, columns: 300, start: 100 },
      { elements: 1000, columns: 300, start: 101 },
      { elements: 1000, columns: 0, start: 0 },
      { elements: 3000, columns: 300, start: 0 },
      { elements: 3000, columns: 300, start: 0 },
    ])
  })
})
