import { deflateRawSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { guessWidth, guessWidthAt } from '../../../src/chunking/layouts/guess-width.ts'
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
