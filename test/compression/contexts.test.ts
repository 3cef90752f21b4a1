import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CODEC_CONTEXTS, decodePart } from '../../src/compression/codecs.ts'
import { decodeContexts, encodeContexts } from '../../src/compression/contexts.ts'
import { encodePlane } from '../../src/compression/encode-plane.ts'
import { entropyOf } from '../../src/compression/entropy.ts'
import { loadZstd } from '../../src/compression/load-zstd.ts'
import { javascriptNumbers } from '../../src/kernels/numbers.ts'
import { isAppError } from '../../src/util/errors.ts'
import { seededNoise, seededRandom } from '../helpers/seeded.ts'
import { flipBit } from './data.ts'

/** Each byte is near the one before it. */
function walk(length: number, seed: number): Uint8Array {
  const random = seededRandom(seed)
  let at = 100
  return Uint8Array.from({ length }, () => (at = Math.min(255, Math.max(0, at + Math.floor(7 * random()) - 3))))
}

const stored = (plain: Uint8Array): Uint8Array => encodeContexts(plain)!.bytes
const partOf = (bytes: Uint8Array, plainLength: number) => ({ codec: CODEC_CONTEXTS, storedLength: bytes.length, plainLength })

describe('bytes in contexts', () => {
  it('come back, in every length, on both kernels, which give the same bytes', () => {
    const javascript = javascriptNumbers()
    const skewed = fc.constantFrom(...[0, 0, 0, 0, 0, 1, 1, 2, 255])
    const contents = fc.oneof(
      fc.array(skewed, { minLength: 1, maxLength: 3000, size: 'max' }).map(bytes => Uint8Array.from(bytes)),
      fc.tuple(fc.integer({ min: 1, max: 4000 }), fc.integer()).map(([length, seed]) => walk(length, seed)),
    )
    let coded = 0
    fc.assert(
      fc.property(contents, plain => {
        const encoded = encodeContexts(plain)
        expect(encodeContexts(plain, 1, javascript)).toEqual(encoded)
        if (!encoded) return
        coded++
        expect(encoded.bytes.length).toBeLessThanOrEqual(plain.length)
        for (const kernel of [undefined, javascript])
          expect(Buffer.compare(decodeContexts(encoded.bytes, plain.length, kernel), plain)).toBe(0)
      }),
    )
    expect(coded).toBeGreaterThan(10)
  })

  it('take what the byte before tells, which is far less than their entropy', () => {
    const plain = walk(200_000, 1)
    expect(stored(plain).length).toBeLessThan(0.6 * entropyOf([plain]))
    const few = plain.map(byte => byte >> 4)
    let [both, before] = [0, 0]
    const pairs = new Map<number, number>()
    for (const byte of few) {
      pairs.set(16 * before + byte, (pairs.get(16 * before + byte) ?? 0) + 1)
      before = byte
    }
    for (const count of pairs.values()) both -= (count * Math.log2(count / few.length)) / 8
    // what a byte adds to the one before it; no code takes less
    const added = both - entropyOf([few])
    expect(stored(few).length).toBeGreaterThan(added)
    expect(stored(few).length).toBeLessThan(1.02 * added + 600)
  })

  it('take their entropy where the byte before tells nothing', () => {
    const random = seededRandom(1)
    const digits = Uint8Array.from({ length: 60_000 }, () => 48 + Math.floor(10 * random()))
    expect(stored(digits).length).toBeLessThan((1.005 * digits.length * Math.log2(10)) / 8)
  })

  it('are none where they would not be smaller', () => {
    for (const plain of [new Uint8Array(1), new Uint8Array(3), walk(20, 1), seededNoise(1, 5000)])
      expect(encodeContexts(plain)).toBeUndefined()
  })

  it('take as many tables for a sample as for all of it', () => {
    const sample = walk(1500, 3)
    expect(encodeContexts(sample, 0.05)!.fixed).toBeGreaterThan(encodeContexts(sample)!.fixed)
  })

  it('are chosen for a plane that does not repeat, with zstd and without', async () => {
    for (const zstd of [await loadZstd(), undefined]) {
      for (const length of [5000, 300_000]) expect(encodePlane(walk(length, 2), zstd).codec).toBe(CODEC_CONTEXTS)
      const repeated = Buffer.concat(Array.from({ length: 40 }, () => walk(3000, 2)))
      expect(encodePlane(repeated, zstd).codec).not.toBe(CODEC_CONTEXTS)
    }
  })

  it('are refused as damaged, or come out as long as they should, whatever bit is flipped', () => {
    const plain = walk(1003, 5)
    const bytes = stored(plain)
    let refused = 0
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      try {
        expect(decodePart(partOf(bytes, plain.length), flipBit(bytes, bit), undefined).length).toBe(plain.length)
      } catch (error) {
        expect(isAppError(error, 'corrupt')).toBe(true)
        refused++
      }
    }
    // nearly every flip is seen in the states
    expect(refused).toBeGreaterThan(7.9 * bytes.length - 8 * 3)
  })

  it('are refused with other lengths than a writer makes', () => {
    const plain = walk(1003, 5)
    const bytes = stored(plain)
    for (const [wrong, plainLength] of [
      [bytes, 1002],
      [bytes, 1007],
      [bytes, 999],
      [Buffer.concat([bytes, Uint8Array.of(0)]), 1003],
      [bytes.subarray(0, -1), 1003],
      [bytes.subarray(0, 3), 1003],
      [bytes, bytes.length - 1],
    ] as const) {
      expect(() => decodePart(partOf(wrong, plainLength), wrong, undefined)).toThrow(expect.objectContaining({ code: 'corrupt' }))
    }
  })

  it('are refused with more tables than their length allows: each costs a reader 4,096 slots', () => {
    // two tables of one context each, in which byte 0 has all of the frequency
    const tables = Uint8Array.from({ length: 2 * 3 }, (_, i) => [1, 0x80, 0x20][i % 3]!)
    const bytes = Uint8Array.of(2, ...tables, 0, ...new Uint8Array(16))
    expect(() => decodePart(partOf(bytes, 1000), bytes, undefined)).toThrow(expect.objectContaining({ code: 'corrupt' }))
  })
})
