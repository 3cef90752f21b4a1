import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CODEC_CONTEXTS, CODEC_RAW, CODEC_ZSTD, decodePart } from '../../src/compression/codecs.ts'
import { encodePlane } from '../../src/compression/encode-plane.ts'
import type { EncodedPart } from '../../src/compression/encode-whole.ts'
import { splitDelta, splitPlanes } from '../../src/compression/filters.ts'
import type { ZstdCodec } from '../../src/compression/load-zstd.ts'
import { loadZstd } from '../../src/compression/load-zstd.ts'
import { AppError } from '../../src/util/errors.ts'
import { seededNoise, seededRandom } from '../helpers/seeded.ts'
import { CODECS, floatLike, MIB, textLike } from './data.ts'

/** The zstd levels of a codec that is no real one. */
const levels = { fast: 1, balanced: 3, text: 6, high: 7, max: 9 }

async function codecs(): Promise<(ZstdCodec | undefined)[]> {
  return [...(await Promise.all(CODECS.map(name => loadZstd(name)))), undefined]
}

function decode({ codec, bytes }: EncodedPart, plainLength: number, zstd: ZstdCodec | undefined): Uint8Array {
  return decodePart({ codec, storedLength: bytes.length, plainLength }, bytes, zstd)
}

/** Weights, then the same after a small step. */
const weights = floatLike(1, MIB)
const trained = floatLike(1, MIB)
for (let i = 0; i < trained.length; i += 40) trained[i]! ^= 3
const [low, , , exponents] = splitPlanes(weights, 4, true).planes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
const [steps, , , zeros] = splitDelta(trained, weights, 4).planes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]

describe('encodePlane', () => {
  it('round-trips any bytes and never makes them longer, with and without zstd', async () => {
    const all = await codecs()
    const skewed = fc.array(fc.constantFrom(0, 0, 0, 1, 2, 255), { minLength: 1, maxLength: 3000 }).map(values => Uint8Array.from(values))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 3000 }), skewed), plane => {
        for (const zstd of all) {
          const encoded = encodePlane(plane, zstd)
          expect(encoded.bytes.length).toBeLessThanOrEqual(plane.length)
          expect(Buffer.compare(decode(encoded, plane.length, zstd), plane)).toBe(0)
        }
      }),
    )
  })

  it('shrinks exponents as far as their entropy goes, and steps and zeros too', async () => {
    for (const zstd of await codecs()) {
      for (const [plane, share] of [
        [exponents, 0.37],
        [steps, 0.1],
        [zeros, 0.01],
        [textLike(1, MIB), 0.4],
      ] as const) {
        const encoded = encodePlane(plane, zstd)
        expect(encoded.bytes.length).toBeLessThan(share * plane.length)
        expect(Buffer.compare(decode(encoded, plane.length, zstd), plane)).toBe(0)
      }
    }
  })

  describe('runs of zeros with a few small steps among them', () => {
    const random = seededRandom(5)
    const rare = Uint8Array.from({ length: MIB }, () => (random() < 0.03 ? 1 + Math.floor(random() * 3) : 0))

    it('become smaller than Huffman codes alone make them, with and without zstd', async () => {
      for (const zstd of await codecs()) {
        const encoded = encodePlane(rare, zstd)
        // a Huffman code takes at least one bit a byte
        expect(encoded.bytes.length).toBeLessThan(0.06 * rare.length)
        expect(Buffer.compare(decode(encoded, rare.length, zstd), rare)).toBe(0)
      }
    })

    it.each(CODECS)('become smaller than %s zstd alone makes them', async name => {
      const zstd = await loadZstd(name)
      expect(encodePlane(rare, zstd).bytes.length).toBeLessThan(zstd.compress(rare, 1).length)
    })
  })

  it('leaves mantissas raw without trying anything', () => {
    const untouchable: ZstdCodec = {
      name: 'portable',
      levels,
      searches: ['all'],
      compress: () => expect.unreachable(),
      decompress: () => expect.unreachable(),
    }
    const encoded = encodePlane(low, untouchable)
    expect(encoded.codec).toBe(CODEC_RAW)
    expect(encoded.bytes).toBe(low)
    expect(encodePlane(seededNoise(4, 300_000), untouchable).codec).toBe(CODEC_RAW)
  })

  it('searches the native codec for long repeats alone where that is smaller', async () => {
    for (const name of CODECS) {
      const zstd = await loadZstd(name)
      const searches: (string | undefined)[] = []
      const spy: ZstdCodec = {
        name,
        levels,
        searches: zstd.searches,
        decompress: (stored, length) => zstd.decompress(stored, length),
        compress(plain, level, search) {
          searches.push(search)
          return zstd.compress(plain, level, search)
        },
      }
      encodePlane(exponents, spy)
      expect(searches.slice(0, 2)).toEqual(name === 'native' ? ['long', 'all'] : ['all'])
    }
  })

  it('uses what is left where zstd fails', async () => {
    const failing: ZstdCodec = {
      name: 'native',
      levels,
      searches: ['long', 'all'],
      compress() {
        throw new AppError('io', 'out of memory')
      },
      decompress: () => expect.unreachable(),
    }
    const encoded = encodePlane(exponents, failing)
    expect(encoded.codec).toBe(CODEC_CONTEXTS)
    expect(Buffer.compare(decode(encoded, exponents.length, undefined), exponents)).toBe(0)
  })

  it('stores raw what a sample promised too much of', async () => {
    const zstd = await loadZstd()
    const [first] = CODECS
    const repeated = Buffer.concat(Array.from({ length: 300 }, () => seededNoise(9, 1000)))
    const onlyASample: ZstdCodec = {
      name: first!,
      levels,
      searches: zstd.searches,
      compress(plain, level, search) {
        if (plain.length === repeated.length) throw new AppError('io', 'out of memory')
        return zstd.compress(plain, level, search)
      },
      decompress: () => expect.unreachable(),
    }
    const encoded = encodePlane(repeated, onlyASample)
    expect(encoded.codec).toBe(CODEC_RAW)
    expect(encoded.bytes).toBe(repeated)
    expect(encodePlane(repeated, zstd).codec).toBe(CODEC_ZSTD)
  })
})
