import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import type { ZstdName } from '../../src/compression/load-zstd.ts'
import { hasNativeZstd } from '../../src/compression/zstd/native-zstd.ts'
import { seededRandom } from '../helpers/seeded.ts'

// every property of these suites sees the same cases in each run
fc.configureGlobal({ seed: 20_261_122 })

export const KIB = 1024
export const MIB = 1024 * 1024

/** The codecs that this Node has. */
export const CODECS: ZstdName[] = hasNativeZstd() ? ['native', 'portable'] : ['portable']

const WORDS = ['training', 'loss', 'epoch', 'the', 'of', 'gradient', 'descent', 'model', 'a', 'batch', 'token', 'is', 'layer', 'weights']

export function textLike(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const random = seededRandom(seed)
  let text = ''
  while (text.length < length) text += `${WORDS[Math.floor(random() * WORDS.length)]} ${random() < 0.2 ? Math.floor(random() * 1e4) : ''}`
  return new Uint8Array(Buffer.from(text.slice(0, length), 'latin1'))
}

/** Rows of numbers as text, where zstd level 1 beats level 3. */
export function csvLike(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const random = seededRandom(seed)
  const number = (scale: number, digits: number): string => (random() * scale).toFixed(digits)
  const rows: string[] = []
  for (let bytes = 0, id = 10_000_000; bytes < length; id++) {
    const row = `${id},2025-01-01,SKU-0000${number(9, 0)},${number(9, 0)},${number(40, 2)},0.${number(9, 0)}0,5${number(9, 6)},1${number(9, 6)},\n`
    rows.push(row)
    bytes += row.length
  }
  return new Uint8Array(Buffer.from(rows.join('').slice(0, length), 'latin1'))
}

/** Little-endian fp32 weights: normally distributed around 0. */
export function floatLike(seed: number, length: number): Uint8Array<ArrayBuffer> {
  const random = seededRandom(seed)
  const values = Float32Array.from({ length: Math.ceil(length / 4) }, () => {
    return 0.05 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
  })
  return new Uint8Array(values.buffer).slice(0, length)
}

/** A deflate stream of text, as gzip, zip and PNG files hold. */
export function deflated(seed: number, length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(deflateRawSync(textLike(seed, length * 6))).slice(0, length)
}

export function flipBit(bytes: Uint8Array, bit: number): Uint8Array {
  const flipped = new Uint8Array(bytes)
  flipped[bit >> 3]! ^= 1 << (bit & 7)
  return flipped
}
