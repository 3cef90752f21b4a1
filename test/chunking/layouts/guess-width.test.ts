import { deflateRawSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { guessNumbers, guessWidth, guessWidthAt } from '../../../src/chunking/layouts/guess-width.ts'
import { seededBytes } from '../../helpers/seeded.ts'
import { reading } from './writers.ts'

const COUNT = 6000
const waves = Array.from({ length: COUNT }, (_, i) => Math.sin(i * i) * 0.05)

function bytesOf({ buffer }: { buffer: ArrayBufferLike }): Uint8Array {
  return new Uint8Array(buffer)
}

function bf16(values: number[]): Uint8Array {
  const words = new Uint32Array(Float32Array.from(values).buffer)
  return bytesOf(Uint16Array.from(words, word => word >>> 16))
}

const text = Buffer.from(Array.from({ length: COUNT }, (_, i) => `row ${i} of ${(i * i) % 977}, ${waves[i]}\n`).join(''))

describe('guessWidth', () => {
  test.each<[what: string, width: number, sample: Uint8Array]>([
    ['fp64', 8, bytesOf(Float64Array.from(waves))],
    ['fp32', 4, bytesOf(Float32Array.from(waves))],
    ['bf16', 2, bf16(waves)],
    ['tokens of 16 bits', 2, bytesOf(Uint16Array.from(waves, value => Math.abs(value) * 6e4))],
    ['numbers of 32 bits', 4, bytesOf(Int32Array.from(waves, value => value * 1e6))],
    ['numbers of 64 bits', 8, bytesOf(BigInt64Array.from(waves, value => BigInt(Math.round(Math.abs(value) * 1e6))))],
    ['bytes', 1, bytesOf(Int8Array.from(waves, value => value * 1000))],
    ['text', 1, text.subarray(0, 24 * 1024)],
    ['zeros', 1, new Uint8Array(24 * 1024)],
    ['noise', 1, seededBytes(24 * 1024, 1)],
    ['compressed text', 1, deflateRawSync(text).subarray(0, 24 * 1024)],
    ['too little', 1, bytesOf(Float32Array.from(waves.slice(0, 100)))],
    ['nothing', 1, new Uint8Array(0)],
  ])('%s: %i', (_what, width, sample) => {
    expect(guessWidth(sample)).toBe(width)
  })

  test('from samples of a file that begin with whole elements', async () => {
    const values = bytesOf(Float32Array.from({ length: 100_001 }, (_, i) => Math.sin(i * i)))
    const file = Buffer.concat([Buffer.alloc(3), values, seededBytes(50_000, 1)])
    const { read, asked } = reading(file)
    expect(await guessWidthAt(3, values.length, read)).toBe(4)
    expect(asked()).toBeLessThanOrEqual(24 * 1024)
    expect(await guessWidthAt(3, 4096, read)).toBe(4)
    expect(await guessWidthAt(3 + values.length, 50_000, read)).toBe(1)
  })
})

describe('guessNumbers', () => {
  const swapped = (bytes: Uint8Array, width: number): Uint8Array => bytes.map((_, i) => bytes[i - (i % width) + width - 1 - (i % width)]!)
  const many = Array.from({ length: 20_000 }, (_, i) => Math.sin(i * i) * 0.05)
  const fp32 = bytesOf(Float32Array.from(many))
  const kinds: [what: string, width: number, bytes: Uint8Array][] = [
    ['fp32', 4, fp32],
    ['fp64', 8, bytesOf(Float64Array.from(many))],
    ['16-bit sound', 2, bytesOf(Int16Array.from(many, (_, i) => 3000 * Math.sin(i / 30) + 500 * Math.sin(i * i)))],
    ['numbers of 32 bits', 4, bytesOf(Int32Array.from(many, value => value * 1e6))],
  ]

  test.each(kinds)('%s, wherever a chunk begins', (_what, width, bytes) => {
    for (let cut = 0; cut < 2 * width; cut++) {
      const found = guessNumbers(bytes.subarray(cut))
      expect(found?.width).toBe(width)
      expect((found!.phases >> ((2 * width - cut) % width)) & 1).toBe(1)
      expect(found!.phases).toBeLessThan(1 << width)
    }
  })

  test.each([2, 4, 8] as const)('big-endian numbers of %i bytes, in line with each other', width => {
    const bytes = swapped(kinds.find(kind => kind[1] === width)![2], width)
    const whole = guessNumbers(bytes)!
    expect(whole.width).toBe(width)
    for (let cut = 1; cut < width; cut++) expect(turned(guessNumbers(bytes.subarray(cut))!.phases, cut, width)).toBe(whole.phases)
  })

  /** The phases as seen from `cut` bytes before. */
  const turned = (phases: number, cut: number, width: number): number => ((phases << cut) | (phases >> (width - cut))) & ((1 << width) - 1)

  test.each<[string, Uint8Array]>([
    ['text', text],
    ['noise', seededBytes(100_000, 2)],
    ['compressed text', deflateRawSync(text)],
    ['zeros', new Uint8Array(100_000)],
    ['few bytes', fp32.subarray(0, 1000)],
    ['none', new Uint8Array(0)],
  ])('%s: none', (_what, bytes) => {
    expect(guessNumbers(bytes)).toBeUndefined()
  })
})
