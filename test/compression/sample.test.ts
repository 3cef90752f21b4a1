import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { looksCompressed, spreadSample } from '../../src/compression/sample.ts'
import { seededNoise, seededRandom } from '../helpers/seeded.ts'
import { csvLike, deflated, floatLike, KIB, textLike } from './data.ts'

const SIZES = [4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB]
const concat = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts))

/** Tables as at the start of a JPEG file, then entropy-coded data in which each 0xff is followed by 0x00. */
function jpegLike(seed: number, length: number): Uint8Array {
  const tables = Uint8Array.from({ length: 620 }, (_, i) => (i < 150 ? 0x10 + (i & 31) : (i * 7) & 0xff))
  const scan: number[] = []
  for (const byte of deflated(seed, length)) scan.push(...(byte === 0xff ? [0xff, 0] : [byte]))
  return concat(tables, Uint8Array.from(scan)).subarray(0, length)
}

/** Compressed chunks of 8 KiB, each with a length, a name and a checksum. */
function pngLike(seed: number, length: number): Uint8Array {
  const chunks: Uint8Array[] = [Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a), new Uint8Array(25)]
  for (let made = 0; made < length; made += 8 * KIB) {
    chunks.push(Uint8Array.of(0, 0, 0x20, 0), Buffer.from('IDAT'), deflated(seed + made, 8 * KIB), seededNoise(made, 4))
  }
  return concat(...chunks).subarray(0, length)
}

/** Weights quantised to 8 bits. */
function int8Like(seed: number, length: number): Uint8Array {
  const random = seededRandom(seed)
  return Uint8Array.from({ length }, () => 40 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()))
}

function repeated(seed: number, length: number): Uint8Array {
  const unit = seededNoise(seed, KIB)
  return Uint8Array.from({ length }, (_, i) => unit[i % KIB]!)
}

function halves(floats: Uint8Array): Uint8Array {
  return floats.filter((_, i) => i % 4 >= 2)
}

describe('looksCompressed', () => {
  it.each([
    ['random bytes', seededNoise],
    ['a deflate stream', deflated],
    ['a gzip file', (seed: number, length: number) => gzipSync(textLike(seed, length * 6)).subarray(0, length)],
    ['the chunks of a PNG', pngLike],
  ])('says yes to %s', (_, make) => {
    for (const [seed, size] of SIZES.entries()) expect(looksCompressed(make(seed, size)), `${size} bytes`).toBe(true)
  })

  it('says yes to a JPEG, but no to a small one: its tables are worth sharing', () => {
    for (const size of [32 * KIB, 64 * KIB, 256 * KIB]) expect(looksCompressed(jpegLike(1, size)), `${size} bytes`).toBe(true)
    expect(looksCompressed(jpegLike(1, 4 * KIB))).toBe(false)
  })

  it.each([
    ['text', textLike],
    ['numbers as text', csvLike],
    ['fp32 weights', floatLike],
    ['bf16 weights', (seed: number, length: number) => halves(floatLike(seed, length * 2))],
    [
      'fp64 weights',
      (seed: number, length: number) => new Uint8Array(Float64Array.from(new Float32Array(floatLike(seed, length / 2).buffer)).buffer),
    ],
    ['int8 weights', int8Like],
    [
      'base64 of random bytes',
      (seed: number, length: number) => Buffer.from(Buffer.from(seededNoise(seed, length)).toString('base64')).subarray(0, length),
    ],
    ['zeros', (_: number, length: number) => new Uint8Array(length)],
    ['one random kilobyte again and again', repeated],
  ])('says no to %s', (_, make) => {
    for (const [seed, size] of SIZES.entries()) expect(looksCompressed(make(seed, size)), `${size} bytes`).toBe(false)
  })

  it('says no to small samples, which can tell little', () => {
    expect(looksCompressed(new Uint8Array(0))).toBe(false)
    expect(looksCompressed(seededNoise(1, 4 * KIB - 1))).toBe(false)
  })

  it('sees text behind a compressed beginning', () => {
    expect(looksCompressed(concat(seededNoise(1, 128 * KIB), textLike(1, 128 * KIB)))).toBe(false)
  })

  it('gives the same answer whatever it was asked before', () => {
    const random = seededNoise(9, 16 * KIB)
    expect([looksCompressed(random), looksCompressed(random), looksCompressed(textLike(9, 16 * KIB)), looksCompressed(random)]).toEqual([
      true,
      true,
      false,
      true,
    ])
  })
})

describe('spreadSample', () => {
  it('takes all of what is short', () => {
    const bytes = seededNoise(1, 64)
    expect(spreadSample(bytes, 8, 8)).toBe(bytes)
  })

  it('takes the middle of each part of what is long', () => {
    const bytes = Uint8Array.from({ length: 200 }, (_, i) => i)
    expect([...spreadSample(bytes, 4, 2)]).toEqual([24, 25, 74, 75, 124, 125, 174, 175])
  })
})
