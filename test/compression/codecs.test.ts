import { deflateRawSync } from 'node:zlib'
import { describe, expect, it, vi } from 'vitest'
import { CODEC_DEFLATE, CODEC_PAIRS, CODEC_RAW, CODEC_ZSTD, decodePart, deflate } from '../../src/compression/codecs.ts'
import { encodePlane } from '../../src/compression/encode-plane.ts'
import { MAX_BLOCK_BYTES } from '../../src/compression/limits.ts'
import { loadZstd } from '../../src/compression/load-zstd.ts'
import { equalBytes } from '../../src/util/bytes.ts'
import { freeUnusedBuffers } from '../../src/util/memory/unused-memory.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { MIB, textLike } from './data.ts'

const corrupt = expect.objectContaining({ code: 'corrupt' }) as Error
const plain = textLike(1, 5000)
const deflated = deflate(plain)
const part = (codec: number, storedLength: number, plainLength: number): { codec: number; storedLength: number; plainLength: number } => ({
  codec,
  storedLength,
  plainLength,
})

describe('the codec ids', () => {
  it('are the ones that repositories hold', () => {
    expect([CODEC_RAW, CODEC_ZSTD, CODEC_DEFLATE, CODEC_PAIRS]).toEqual([0, 1, 2, 3])
  })

  it('above them belong to newer versions', () => {
    expect(() => decodePart(part(5, 5000, 5000), plain, undefined)).toThrow(
      expect.objectContaining({ code: 'newer-format', hint: expect.stringContaining('newest colab-escape') as string }),
    )
  })
})

describe('what codecs have worked in', () => {
  const digits = seededNoise(1, MIB).map(byte => byte & 15)
  const exponents = seededNoise(1, MIB).map(byte => byte & 63)

  it.each([
    ['pairs', digits, undefined],
    ['deflate', exponents, undefined],
    ['zstd', digits, 'zstd'],
  ])('is let go as soon as young objects are collected: %s', async (_, plane, named) => {
    const zstd = named && (await loadZstd())
    const both = (): void => {
      const { codec, bytes } = zstd ? { codec: CODEC_ZSTD, bytes: zstd.compress(plane, 1) } : encodePlane(plane, undefined)
      expect(codec).not.toBe(CODEC_RAW)
      decodePart(part(codec, bytes.length, plane.length), bytes, zstd || undefined)
      freeUnusedBuffers()
    }
    both()
    freeUnusedBuffers(Infinity, 'major')
    const before = process.memoryUsage().arrayBuffers
    for (let i = 0; i < 8; i++) both()
    // another thread frees the buffers that a collection found, and may be late
    await vi.waitFor(() => expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(3 * MIB), { timeout: 2000 })
  })
})

describe('decodePart', () => {
  it('reads each codec', async () => {
    const zstd = await loadZstd()
    const frame = zstd.compress(plain, 3)
    expect(decodePart(part(CODEC_RAW, 5000, 5000), plain, undefined)).toBe(plain)
    expect(equalBytes(decodePart(part(CODEC_DEFLATE, deflated.length, 5000), deflated, undefined), plain)).toBe(true)
    expect(equalBytes(decodePart(part(CODEC_ZSTD, frame.length, 5000), frame, zstd), plain)).toBe(true)
    expect(() => decodePart(part(CODEC_ZSTD, frame.length, 5000), frame, undefined)).toThrow(
      expect.objectContaining({ code: 'unsupported' }),
    )
  })

  it.each([1, 63, 64, 65, 4096, MIB, 4 * MIB])('inflates %i bytes', length => {
    const bytes = textLike(2, length)
    const stored = deflate(bytes)
    const back = decodePart(part(CODEC_DEFLATE, stored.length, length), stored, undefined)
    expect(equalBytes(back, bytes)).toBe(true)
  })

  it.each([-1, 0, 0.5, Number.NaN, MAX_BLOCK_BYTES + 1, 2 ** 40])('refuses a plain length of %d', length => {
    for (const codec of [CODEC_RAW, CODEC_ZSTD, CODEC_DEFLATE]) {
      expect(() => decodePart(part(codec, 5000, length), plain, undefined)).toThrow(corrupt)
    }
  })

  it.each([-1, 0, 0.5, Number.NaN, 5065, 2 ** 40])('refuses a stored length of %d for 5000 bytes', length => {
    for (const codec of [CODEC_RAW, CODEC_ZSTD, CODEC_DEFLATE]) {
      expect(() => decodePart(part(codec, length, 5000), plain, undefined)).toThrow(corrupt)
    }
  })

  it('refuses raw parts whose lengths differ, and any that are not all there', () => {
    expect(() => decodePart(part(CODEC_RAW, 4999, 5000), plain.subarray(1), undefined)).toThrow(corrupt)
    expect(() => decodePart(part(CODEC_RAW, 5000, 5000), plain.subarray(1), undefined)).toThrow(corrupt)
    expect(() => decodePart(part(CODEC_DEFLATE, deflated.length, 5000), deflated.subarray(1), undefined)).toThrow(corrupt)
  })

  it('refuses deflate streams that are cut, followed by more, too long or too short', () => {
    const twice = new Uint8Array([...deflated, ...deflated])
    const cut = deflated.subarray(0, -1)
    expect(() => decodePart(part(CODEC_DEFLATE, cut.length, 5000), cut, undefined)).toThrow(corrupt)
    expect(() => decodePart(part(CODEC_DEFLATE, twice.length, 5000), twice, undefined)).toThrow(corrupt)
    expect(() => decodePart(part(CODEC_DEFLATE, deflated.length, 4999), deflated, undefined)).toThrow(corrupt)
    expect(() => decodePart(part(CODEC_DEFLATE, deflated.length, 5001), deflated, undefined)).toThrow(corrupt)
  })

  it('stops a deflate bomb at the stated length', () => {
    const bomb = deflateRawSync(new Uint8Array(64 * MIB), { level: 9 })
    const stated = bomb.length
    const before = process.memoryUsage().arrayBuffers
    expect(() => decodePart(part(CODEC_DEFLATE, bomb.length, stated), bomb, undefined)).toThrow(corrupt)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * MIB)
  })
})
