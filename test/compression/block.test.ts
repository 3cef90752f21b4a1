import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BlockKind, BlockLayout, EncodedBlock } from '../../src/compression/block.ts'
import { decodeBlock, encodeBlock, FILTER_NONE } from '../../src/compression/block.ts'
import { CODEC_DEFLATE, CODEC_RAW, CODEC_ZSTD } from '../../src/compression/codecs.ts'
import type { Level } from '../../src/compression/limits.ts'
import { MAX_BLOCK_BYTES, MAX_LONG_BLOCK_BYTES } from '../../src/compression/limits.ts'
import type { ZstdCodec } from '../../src/compression/load-zstd.ts'
import { loadZstd } from '../../src/compression/load-zstd.ts'
import { equalBytes } from '../../src/util/bytes.ts'
import { AppError, isAppError } from '../../src/util/errors.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { CODECS, csvLike, deflated, flipBit, floatLike, KIB, MIB, textLike } from './data.ts'

const LEVELS: Level[] = ['fast', 'balanced', 'high', 'max']
const KINDS: BlockKind[] = ['general', 'compressed']
const general = { level: 'balanced', kind: 'general' } as const
const codecOf = (block: EncodedBlock): number | undefined => block.parts[0]?.codec

/** Bytes of the kinds that blocks hold, and a few that they don't. */
const contents = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 3000 }),
  fc
    .record({
      make: fc.constantFrom(textLike, csvLike, floatLike, seededNoise, deflated),
      seed: fc.nat(99),
      length: fc.integer({ min: 1, max: 30_000 }),
    })
    .map(({ make, seed, length }) => make(seed, length)),
)
const requests = fc.record({ level: fc.constantFrom(...LEVELS), kind: fc.constantFrom(...KINDS) })

async function codecs(): Promise<(ZstdCodec | undefined)[]> {
  return [...(await Promise.all(CODECS.map(name => loadZstd(name)))), undefined]
}

describe('encodeBlock and decodeBlock', () => {
  it('round-trip any bytes, within 64 bytes of their length, with and without zstd', async () => {
    const all = await codecs()
    fc.assert(
      fc.property(contents, requests, fc.constantFrom(...all), (plain, request, zstd) => {
        const block = encodeBlock(plain, request, zstd)
        expect(block.filter).toBe(FILTER_NONE)
        expect(block.parameters.length).toBe(0)
        expect(block.parts).toEqual([{ codec: codecOf(block), storedLength: block.bytes.length, plainLength: plain.length }])
        expect(block.bytes.length).toBeLessThanOrEqual(plain.length + 64)
        expect(equalBytes(decodeBlock(block, block.bytes, zstd), plain)).toBe(true)
      }),
    )
  })

  it.each(CODECS)('take blocks of the largest size at every level (%s)', async name => {
    const zstd = await loadZstd(name)
    for (const level of LEVELS) {
      const plain = textLike(1, MAX_BLOCK_BYTES)
      const block = encodeBlock(plain, { level, kind: 'general' }, zstd)
      expect(codecOf(block)).toBe(CODEC_ZSTD)
      expect(equalBytes(decodeBlock(block, block.bytes, zstd), plain)).toBe(true)
    }
  })

  it('refuse to encode nothing and too much', async () => {
    const zstd = await loadZstd('portable')
    expect(() => encodeBlock(new Uint8Array(0), general, zstd)).toThrow(RangeError)
    expect(() => encodeBlock(new Uint8Array(MAX_LONG_BLOCK_BYTES + 1), general, zstd)).toThrow(RangeError)
  })
})

describe('what encodeBlock chooses', () => {
  it('is zstd for what shrinks, raw for what does not', async () => {
    const zstd = await loadZstd()
    expect(codecOf(encodeBlock(textLike(1, 50_000), general, zstd))).toBe(CODEC_ZSTD)
    expect(codecOf(encodeBlock(floatLike(1, 50_000), general, zstd))).toBe(CODEC_ZSTD)
    const random = seededNoise(1, 50_000)
    expect(encodeBlock(random, general, zstd).bytes).toBe(random)
  })

  it('is deflate where zstd is missing or fails', async () => {
    const failing: ZstdCodec = {
      ...(await loadZstd()),
      name: 'native',
      compress() {
        throw new AppError('io', 'out of memory')
      },
    }
    for (const zstd of [undefined, failing]) {
      const plain = textLike(1, 50_000)
      const block = encodeBlock(plain, general, zstd)
      expect(codecOf(block)).toBe(CODEC_DEFLATE)
      expect(block.bytes.length).toBeLessThan(plain.length / 2)
      expect(equalBytes(decodeBlock(block, block.bytes, undefined), plain)).toBe(true)
    }
  })

  it('is raw for a compressed file, unless the block shrinks after all', async () => {
    for (const zstd of await codecs()) {
      const media = deflated(1, MIB)
      expect(encodeBlock(media, { level: 'balanced', kind: 'compressed' }, zstd).bytes).toBe(media)
      const mixed = new Uint8Array(Buffer.concat([deflated(1, MIB / 2), textLike(1, MIB / 2)]))
      expect(encodeBlock(mixed, { level: 'balanced', kind: 'compressed' }, zstd).bytes.length).toBeLessThan(0.7 * MIB)
    }
  })

  it.each(CODECS)('is compressed for an archive that holds the same pictures twice, wherever they lie (%s)', async name => {
    const zstd = await loadZstd(name)
    // 20 pictures of 12 to 50 kB, each followed at any distance by its copy
    const pictures = Array.from({ length: 20 }, (_, i) => deflated(i, 12_000 + 2_000 * i))
    const archive = new Uint8Array(Buffer.concat([...pictures, deflated(99, 100_000), ...pictures.toReversed()]))
    const { bytes } = encodeBlock(archive, { level: 'balanced', kind: 'compressed' }, zstd)
    expect(bytes.length).toBeLessThan(0.72 * archive.length)
  })

  it.each(CODECS)('is never more than 0.5 %% over zstd at its level, and less on columns of numbers (%s)', async name => {
    const zstd = await loadZstd(name)
    for (const [make, most] of [
      [textLike, 1.005],
      [floatLike, 1.005],
      [csvLike, 0.97],
    ] as const) {
      const plain = make(3, MIB)
      expect(encodeBlock(plain, general, zstd).bytes.length).toBeLessThanOrEqual(most * zstd.compress(plain, 3).length)
    }
  })

  it('is at the lowest level where that is smaller, as for columns of numbers', async () => {
    const plain = csvLike(3, MIB)
    for (const name of CODECS) {
      const zstd = await loadZstd(name)
      const block = encodeBlock(plain, general, zstd)
      expect(codecOf(block)).toBe(CODEC_ZSTD)
      expect(equalBytes(decodeBlock(block, block.bytes, zstd), plain)).toBe(true)
      expect(block.bytes.length).toBe(Math.min(...[1, 3].map(level => zstd.compress(plain, level).length)))
      const text = textLike(3, MIB)
      expect(encodeBlock(text, general, zstd).bytes.length).toBe(zstd.compress(text, 3).length)
    }
  })

  it('is raw when a codec gives back other bytes, or none', async () => {
    const honest = await loadZstd()
    const plain = textLike(1, 10_000)
    const faults: ZstdCodec['decompress'][] = [
      (stored, length) => flipBit(honest.decompress(stored, length), 77),
      () => {
        throw new AppError('corrupt', 'no frame')
      },
    ]
    for (const decompress of faults) {
      const lying: ZstdCodec = {
        name: honest.name,
        levels: honest.levels,
        searches: honest.searches,
        compress: (bytes, level) => honest.compress(bytes, level),
        decompress,
      }
      const block = encodeBlock(plain, general, lying)
      expect(codecOf(block)).toBe(CODEC_RAW)
      expect(equalBytes(block.bytes, plain)).toBe(true)
    }
  })
})

describe('decodeBlock on damage', () => {
  it('throws corrupt for truncated and padded blocks', async () => {
    const all = await codecs()
    fc.assert(
      fc.property(
        contents,
        requests,
        fc.constantFrom(...all),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (plain, request, zstd, where) => {
          const block = encodeBlock(plain, request, zstd)
          const cut = block.bytes.subarray(0, Math.floor(where * block.bytes.length))
          const shorter = { ...block, parts: [{ ...block.parts[0]!, storedLength: cut.length }] }
          const padded = new Uint8Array([...block.bytes, 0])
          const longer = { ...block, parts: [{ ...block.parts[0]!, storedLength: padded.length }] }
          for (const [layout, stored] of [
            [block, cut],
            [shorter, cut],
            [block, padded],
            [longer, padded],
          ] as const) {
            expect(() => decodeBlock(layout, stored, zstd)).toThrow(expect.objectContaining({ code: 'corrupt' }))
          }
        },
      ),
    )
  })

  it('throws corrupt for flipped bits, or gives as many bytes as stated, and works on', async () => {
    const all = await codecs()
    fc.assert(
      fc.property(contents, fc.constantFrom(...all), fc.nat(), (plain, zstd, bit) => {
        const block = encodeBlock(plain, general, zstd)
        try {
          expect(decodeBlock(block, flipBit(block.bytes, bit % (8 * block.bytes.length)), zstd).length).toBe(plain.length)
        } catch (error) {
          if (!isAppError(error, 'corrupt')) throw error
        }
        expect(equalBytes(decodeBlock(block, block.bytes, zstd), plain)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })

  it('tells layouts of newer versions from impossible ones', () => {
    const stored = seededNoise(1, 100)
    const part = { codec: CODEC_RAW, storedLength: 100, plainLength: 100 }
    const layout: BlockLayout = { filter: FILTER_NONE, parameters: new Uint8Array(0), parts: [part] }
    const half = { codec: CODEC_RAW, storedLength: 50, plainLength: 50 }
    expect(decodeBlock(layout, stored, undefined)).toBe(stored)
    for (const [change, code] of [
      [{ filter: 99 }, 'newer-format'],
      [{ parts: [{ ...part, codec: 9 }] }, 'newer-format'],
      [{ parameters: Uint8Array.of(1, 1) }, 'corrupt'],
      [{ parts: [] }, 'corrupt'],
      [{ parts: [half, half] }, 'corrupt'],
      [{ parts: [{ ...part, plainLength: 2 ** 50 }] }, 'corrupt'],
    ] as const) {
      expect(() => decodeBlock({ ...layout, ...change }, stored, undefined)).toThrow(expect.objectContaining({ code }))
    }
  })

  it('reads each codec through the same door', async () => {
    const zstd = await loadZstd()
    const blocks = [encodeBlock(textLike(1, 9 * KIB), general, zstd), encodeBlock(textLike(1, 9 * KIB), general, undefined)]
    expect(blocks.map(codecOf)).toEqual([CODEC_ZSTD, CODEC_DEFLATE])
    for (const block of blocks) expect(equalBytes(decodeBlock(block, block.bytes, zstd), textLike(1, 9 * KIB))).toBe(true)
  })
})
