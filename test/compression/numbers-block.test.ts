import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BlockRequest, decodeBlock, encodeBlock } from '../../src/compression/block.ts'
import { encodePlane } from '../../src/compression/encode-plane.ts'
import { elementTypeOf, FILTER_NONE, FILTER_PLANES, FILTER_STEPS, splitPlanes } from '../../src/compression/filters.ts'
import { loadZstd } from '../../src/compression/load-zstd.ts'
import { repeatedShare } from '../../src/compression/repeats.ts'
import { equalBytes } from '../../src/util/bytes.ts'
import { ELEMENT_TYPES } from '../../src/util/element-type.ts'
import { seededNoise, seededRandom } from '../helpers/seeded.ts'
import { CODECS, deflated, floatLike, KIB, MIB, textLike } from './data.ts'

const numbers = (width: 2 | 4 | 8, phase = 0): BlockRequest => ({ level: 'balanced', kind: 'general', numbers: { width, phase } })
const general: BlockRequest = { level: 'balanced', kind: 'general' }
const concat = (...pieces: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(pieces))
const bytesOf = ({ buffer }: { buffer: ArrayBufferLike }): Uint8Array => new Uint8Array(buffer)

describe('a block of what looks like numbers', () => {
  it('gives every bit back, whatever it is', async () => {
    const all = [...(await Promise.all(CODECS.map(name => loadZstd(name)))), undefined]
    const piece = fc
      .record({
        make: fc.constantFrom(floatLike, textLike, seededNoise, deflated),
        seed: fc.nat(99),
        length: fc.integer({ min: 1, max: 9000 }),
      })
      .map(({ make, seed, length }) => make(seed, length))
    const content = fc.array(piece, { minLength: 1, maxLength: 4 }).map(pieces => concat(...pieces))
    fc.assert(
      fc.property(content, fc.constantFrom(2, 4, 8), fc.nat(7), fc.constantFrom(...all), (plain, width, phase, zstd) => {
        const block = encodeBlock(plain, numbers(width, phase % width), zstd)
        expect(block.bytes.length).toBeLessThanOrEqual(plain.length)
        expect(equalBytes(decodeBlock(block, block.bytes, zstd), plain)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  const values = new Float32Array(floatLike(1, 512 * KIB).buffer)
  it.each(CODECS)('is taken apart into planes, also if it begins or changes within a number (%s)', async name => {
    const zstd = await loadZstd(name)
    const odd = concat(seededNoise(1, 3), bytesOf(values), seededNoise(2, 2), bytesOf(values.map(value => value * 3)))
    const big = Buffer.from(bytesOf(values)).swap32()
    for (const plain of [bytesOf(values), odd, new Uint8Array(big)]) {
      const block = encodeBlock(plain, numbers(4), zstd)
      expect(block.filter).toBe(FILTER_PLANES)
      expect(block.bytes.length).toBeLessThan(0.94 * encodeBlock(plain, general, zstd).bytes.length)
    }
  })

  it.each(CODECS)('of sound is taken apart into steps, in one channel or two, from any byte on (%s)', async name => {
    const zstd = await loadZstd(name)
    const sound = (channels: number): Uint8Array =>
      bytesOf(
        Int16Array.from(
          { length: 200_000 },
          (_, i) => 9000 * Math.sin(Math.floor(i / channels) / (40 + (i % channels))) + 40 * Math.sin(i * i),
        ),
      )
    for (const [channels, width] of [
      [1, 2],
      [2, 2],
      [2, 4],
    ] as const) {
      for (const start of [0, 1, 3]) {
        const plain = sound(channels).subarray(start)
        const block = encodeBlock(plain, numbers(width, (4 - start) % width), zstd)
        expect([block.filter, ...block.parameters.subarray(0, 3)]).toEqual([FILTER_STEPS, 2, start % 2, channels])
        expect(block.bytes.length).toBeLessThan(0.7 * encodeBlock(plain, general, zstd).bytes.length)
        expect(equalBytes(decodeBlock(block, block.bytes, zstd), plain)).toBe(true)
      }
    }
  })

  it.each(CODECS)('stays whole where that is smaller, also by repeats that no sample shows (%s)', async name => {
    const zstd = await loadZstd(name)
    const twice = concat(bytesOf(values), bytesOf(values))
    for (const plain of [textLike(3, MIB), twice]) {
      const block = encodeBlock(plain, numbers(4), zstd)
      expect(block.filter).toBe(FILTER_NONE)
      expect(block.bytes.length).toBe(encodeBlock(plain, general, zstd).bytes.length)
    }
  })
})

describe('repeatedShare', () => {
  const noise = seededNoise(5, MIB)

  it('finds repeats at any distance and any place', () => {
    expect(repeatedShare(noise)).toBe(0)
    for (const length of [2 * KIB, 100_001]) {
      const repeated = noise.slice()
      repeated.copyWithin(900_003, 17, 17 + length)
      const share = Math.min(length, MIB - 900_003) / MIB
      expect(repeatedShare(repeated)).toBeGreaterThan(share / 2)
      expect(repeatedShare(repeated)).toBeLessThan(2 * share)
    }
  })

  it('is none for weights, much for text, and all for few byte values', () => {
    expect(repeatedShare(floatLike(2, MIB))).toBeLessThan(0.001)
    expect(repeatedShare(textLike(2, MIB))).toBeGreaterThan(0.3)
    expect(repeatedShare(new Uint8Array(MIB))).toBe(1)
  })
})

describe('a block of integers of a known type', () => {
  const sorted = (step: number, start = 0): number[] => {
    const random = seededRandom(step)
    let last = start
    return Array.from({ length: 100_000 }, () => (last += Math.floor(step * random())))
  }
  const wave = (i: number, channel: number): number => Math.sin((i + 40 * channel) / 50) + 0.01 * Math.sin(i * i)

  it.each([
    ['offsets', 'I32', Int32Array.from(sorted(40))],
    ['times', 'I64', BigInt64Array.from(sorted(2000, 1_700_000_000_000), BigInt)],
    ['places', 'I64', BigInt64Array.from({ length: 100_000 }, (_, i) => BigInt(i))],
    ['sound', 'I16', Int16Array.from({ length: 200_000 }, (_, i) => 9000 * wave(i >> 1, i & 1))],
    ['pixels', 'U8', Uint8Array.from({ length: 300_000 }, (_, i) => 128 + 100 * wave(Math.floor(i / 3), i % 3))],
  ] as const)('%s becomes steps', async (_, dtype, values) => {
    const element = ELEMENT_TYPES.get(dtype)!
    const plain = new Uint8Array(values.buffer)
    for (const zstd of await Promise.all(CODECS.map(name => loadZstd(name)))) {
      const block = encodeBlock(plain, { level: 'balanced', kind: 'tensor', element }, zstd)
      expect(block.filter).toBe(FILTER_STEPS)
      expect(elementTypeOf(block)).toBe(dtype)
      expect(equalBytes(decodeBlock(block, block.bytes, zstd), plain)).toBe(true)
      const { width } = element
      const planes = width === 1 ? [plain] : splitPlanes(plain, width, false).planes
      const without = planes.reduce((sum, plane) => sum + encodePlane(plane, zstd).bytes.length, 0)
      expect(block.bytes.length).toBeLessThan(0.95 * without)
    }
  })

  it('stays as it is where steps are no smaller', async () => {
    const random = seededRandom(4)
    const tokens = new Uint8Array(Int32Array.from({ length: 100_000 }, () => 50_000 * random() ** 4).buffer)
    const element = ELEMENT_TYPES.get('I32')!
    for (const zstd of await Promise.all(CODECS.map(name => loadZstd(name))))
      expect(encodeBlock(tokens, { level: 'balanced', kind: 'tensor', element }, zstd).filter).toBe(FILTER_PLANES)
  })
})
