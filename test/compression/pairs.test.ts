import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CODEC_PAIRS, decodePart } from '../../src/compression/codecs.ts'
import { unpackPairs } from '../../src/compression/pairs.ts'
import { isAppError } from '../../src/util/errors.ts'
import { deflatePairs } from '../helpers/pairs.ts'
import { flipBit } from './data.ts'

const few = fc
  .uniqueArray(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 16 })
  .chain(symbols => fc.array(fc.constantFrom(...symbols), { minLength: 1, maxLength: 200 }).map(bytes => Uint8Array.from(bytes)))

describe('pairs', () => {
  it('give every byte back', () => {
    fc.assert(
      fc.property(few, plain => {
        const stored = deflatePairs(plain)!
        const part = { codec: CODEC_PAIRS, storedLength: stored.length, plainLength: plain.length }
        expect(Buffer.compare(decodePart(part, stored, undefined), plain)).toBe(0)
      }),
    )
  })

  it('are refused where they name what is not there, or are of another length', () => {
    const symbols = Uint8Array.of(48, 49)
    expect(String(Buffer.from(unpackPairs({ symbols, pairs: Uint8Array.of(0x10, 0x01) }, 3)))).toBe('011')
    for (const [pairs, plainLength] of [
      [[0x20], 2],
      [[0x02], 2],
      [[0x10], 1],
      [[0x10], 3],
      [[], 1],
    ] as const) {
      expect(() => unpackPairs({ symbols, pairs: Uint8Array.from(pairs) }, plainLength)).toThrow(
        expect.objectContaining({ code: 'corrupt' }),
      )
    }
    for (const count of [0, 17]) {
      expect(() => unpackPairs({ symbols: new Uint8Array(count), pairs: Uint8Array.of(0) }, 2)).toThrow(
        expect.objectContaining({ code: 'corrupt' }),
      )
    }
  })

  it('are refused as damaged, or come out as long as they should, whatever bit is flipped', () => {
    const plain = Buffer.from('3.14159,2.71828,1.41421,1.61803,0.57721,1.20205')
    const stored = deflatePairs(plain)!
    const part = { codec: CODEC_PAIRS, storedLength: stored.length, plainLength: plain.length }
    for (let bit = 0; bit < 8 * stored.length; bit++) {
      try {
        expect(decodePart(part, flipBit(stored, bit), undefined).length).toBe(plain.length)
      } catch (error) {
        expect(isAppError(error, 'corrupt')).toBe(true)
      }
    }
  })
})
