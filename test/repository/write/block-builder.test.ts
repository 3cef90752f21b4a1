import { describe, expect, test } from 'vitest'
import { guessNumbers } from '../../../src/chunking/layouts/guess-width.ts'
import { BlockBuilder, blockKeyOf, classifyContent } from '../../../src/repository/write/block-builder.ts'
import { SharedBuffers } from '../../../src/util/memory/shared-buffers.ts'
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
