import { describe, expect, it } from 'vitest'
import { RegularStrings } from '../../src/compression/likeness.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { KIB, textLike } from './data.ts'

const concat = (...pieces: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(pieces))

function repeated(before: Uint8Array, bytes: Uint8Array): number {
  const strings = new RegularStrings()
  strings.add(before)
  return strings.repeatedIn(bytes)
}

describe('the share of bytes that repeats other bytes', () => {
  const noise = seededNoise(1, 4096 * KIB)

  it.each([0, 0.25, 0.5, 1])('is found for %d of them, at any place', share => {
    const same = noise.subarray(777, 777 + share * 4000 * KIB)
    const bytes = concat(
      ...[0, 1, 2, 3, 4].flatMap(i => [
        same.subarray((i * same.length) / 5, ((i + 1) * same.length) / 5),
        seededNoise(9 + i, (1 - share) * 800 * KIB),
      ]),
    )
    expect(repeated(noise, bytes)).toBeGreaterThanOrEqual(share * 0.75)
    expect(repeated(noise, bytes)).toBeLessThanOrEqual(share * 1.25)
  })

  it('is known for repeats of some hundred bytes, too', () => {
    const pieces = Array.from({ length: 4000 }, (_, i) => [noise.subarray(i * 900, i * 900 + 300), seededNoise(i, 300)]).flat()
    expect(repeated(noise, concat(...pieces))).toBeGreaterThan(0.3)
  })

  it('leaves out what the bytes repeat of themselves: a codec finds that without the others', () => {
    const page = textLike(3, 20 * KIB)
    const pages = concat(...Array.from({ length: 200 }, () => page))
    expect(repeated(pages, pages)).toBeLessThan(0.02)
    expect(repeated(new Uint8Array(4096 * KIB), new Uint8Array(4096 * KIB))).toBeLessThan(0.02)
  })

  it('is known for few bytes', () => {
    expect(repeated(noise, noise.subarray(5, 20 * KIB))).toBeGreaterThan(0.9)
    expect(repeated(noise, noise.subarray(5, 6))).toBe(0)
  })
})
