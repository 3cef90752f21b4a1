import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BlockRequest, decodeBlock, encodeBlock } from '../../src/compression/block.ts'
import { FILTER_SCALED } from '../../src/compression/filters.ts'
import { loadZstd } from '../../src/compression/load-zstd.ts'
import { joinScaled, type ScaledType, splitScaled } from '../../src/compression/scaled.ts'
import { equalBytes } from '../../src/util/bytes.ts'
import { ELEMENT_TYPES } from '../../src/util/element-type.ts'
import { seededNoise, seededRandom } from '../helpers/seeded.ts'
import { CODECS, floatLike, KIB } from './data.ts'

const zstd = loadZstd()
const DTYPES = { fp32: 'F32', bf16: 'BF16', fp16: 'F16' } as const
const request = (type: ScaledType): BlockRequest => ({ level: 'balanced', kind: 'tensor', element: ELEMENT_TYPES.get(DTYPES[type])! })

/** The bytes of numbers, cut off to fp32, or rounded to bf16 or fp16. */
function bytesOf(values: readonly number[], type: ScaledType): Uint8Array {
  if (type === 'fp32') return new Uint8Array(Float32Array.from(values).buffer)
  const bits = new Uint32Array(Float32Array.from(values).buffer)
  if (type === 'bf16') return new Uint8Array(Uint16Array.from(bits, bit => (bit + 0x7fff + ((bit >>> 16) & 1)) >>> 16).buffer)
  const exact = (value: number): number => {
    if (value === 0) return Object.is(value, -0) ? 0x8000 : 0
    const exponent = Math.max(-14, Math.floor(Math.log2(Math.abs(value))))
    const scaled = Math.abs(value) / 2 ** (exponent - 10)
    const rounded = Math.round(scaled) - (Math.round(scaled) - scaled === 0.5 && Math.round(scaled) % 2 === 1 ? 1 : 0)
    return (value < 0 ? 0x8000 : 0) | (((exponent + 14) << 10) + rounded)
  }
  return new Uint8Array(Uint16Array.from(values, exact).buffer)
}

/** Weights that were quantised in groups, each with its scale, and multiplied out again. */
function dequantised(
  seed: number,
  groups: number,
  group: number,
  levels: number,
  scaleOf: (scale: number) => number,
  asymmetric = false,
): number[] {
  const random = seededRandom(seed)
  const normal = (): number => random() + random() + random() + random() + random() + random() - 3
  return Array.from({ length: groups }, () => {
    const weights = Array.from({ length: group }, () => 0.05 * normal())
    const [least, most] = [Math.min(...weights), Math.max(...weights)]
    const scale = scaleOf(asymmetric ? (most - least) / levels : Math.max(most, -least) / levels)
    const zero = asymmetric ? Math.round(-least / scale) : 0
    return weights.map(weight => {
      const level = Math.round(weight / scale) + zero
      return ((asymmetric ? Math.max(0, Math.min(levels, level)) : level) - zero) * scale
    })
  }).flat()
}

const half = (scale: number): number => {
  const unit = 2 ** (Math.floor(Math.log2(scale)) - 10)
  return Math.round(scale / unit) * unit
}

describe('a block of dequantised weights', () => {
  it.each(CODECS)('is stored as integers and scales (%s)', async name => {
    const codec = await loadZstd(name)
    const cases: [type: ScaledType, values: number[], most: number][] = [
      ['fp32', dequantised(1, 200, 768, 127, Math.fround), 0.26],
      ['fp32', dequantised(2, 200, 768, 255, Math.fround, true), 0.26],
      // a scale of fp64
      ['fp32', dequantised(3, 200, 768, 127, scale => scale), 0.26],
      ['fp32', dequantised(4, 1, 100_000, 127, Math.fround), 0.25],
      // two roundings
      ['fp32', dequantised(5, 200, 768, 127, Math.fround).map(value => Math.fround(Math.fround(value * 127) / 127)), 0.32],
      ['fp16', dequantised(6, 2000, 64, 15, half, true), 0.32],
      ['bf16', dequantised(7, 2000, 64, 15, half, true), 0.32],
      ['fp16', dequantised(8, 100, 1000, 127, half), 0.52],
    ]
    for (const [type, values, most] of cases) {
      const plain = bytesOf(values, type)
      const block = encodeBlock(plain, request(type), codec)
      expect(block.filter).toBe(FILTER_SCALED)
      expect(block.bytes.length).toBeLessThan(most * plain.length)
      expect(equalBytes(decodeBlock(block, block.bytes, codec), plain)).toBe(true)
    }
  })

  it('gives every bit back where only some of it is, and where it begins or ends anywhere', async () => {
    const codec = await zstd
    const other = bytesOf(Array.from(new Float32Array(floatLike(1, 40 * KIB).buffer)), 'fp32')
    const piece = fc.record({
      seed: fc.nat(20),
      size: fc.constantFrom(7, 64, 500),
      kind: fc.nat(3),
      type: fc.constantFrom(...(['fp32', 'bf16', 'fp16'] as const)),
    })
    fc.assert(
      fc.property(
        fc.array(piece, { minLength: 1, maxLength: 6 }),
        fc.constantFrom(...(['fp32', 'bf16', 'fp16'] as const)),
        fc.nat(9),
        (pieces, type, cut) => {
          const parts = pieces.map(({ seed, size, kind, type: own }) => {
            if (kind === 0) return seededNoise(seed, size * 3)
            if (kind === 1) return other.subarray(seed, seed + size * 4)
            const values = dequantised(seed, 9, size, 127, Math.fround, kind === 3)
            return bytesOf(kind === 2 ? values.map(value => (value === 0 ? -0 : -value)) : values, own)
          })
          const plain = new Uint8Array(Buffer.concat(parts)).subarray(cut)
          const split = splitScaled(plain, type)
          if (split) expect(equalBytes(joinScaled(split), plain)).toBe(true)
          const block = encodeBlock(plain, request(type), codec)
          expect(equalBytes(decodeBlock(block, block.bytes, codec), plain)).toBe(true)
        },
      ),
      { numRuns: 150 },
    )
  })

  it('is not seen in weights that were never quantised', async () => {
    const plain = new Uint8Array(floatLike(1, 256 * KIB))
    expect(encodeBlock(plain, request('fp32'), await zstd).filter).not.toBe(FILTER_SCALED)
  })
})

describe('filter 8 refuses', () => {
  const values = dequantised(1, 4, 100, 127, Math.fround)
  const { planes, parameters } = splitScaled(bytesOf(values, 'fp32'), 'fp32')!

  it('parameters that it can not have', () => {
    expect(joinScaled({ parameters, planes })).toEqual(bytesOf(values, 'fp32'))
    expect(joinScaled({ parameters: Uint8Array.of(0, 0, 2), planes })).toEqual(bytesOf(values, 'fp32'))
    for (const wrong of [[], [0], [3, 0], [0, 2], [0, 0, 2, 2], [1, 0], [0, 1]])
      expect(() => joinScaled({ parameters: Uint8Array.from(wrong), planes })).toThrow('is damaged')
  })

  it('runs that do not fill the block, scales that are no numbers, and zeros that are none', () => {
    const changed = (plane: number, at: number, byte: number): Uint8Array[] =>
      planes.map((own, i) => (i === plane ? own.map((value, k) => (k === at ? byte : value)) : own))
    const head = 1
    const wrong = [
      // the scale becomes a NaN or 2^600; a run longer or empty; the zeros
      planes.map((own, i) => (i === head + 7 ? own.slice().fill(0x7f) : own)),
      changed(head + 9, 0, 99),
      changed(head + 10, 0, 1),
      changed(head + 9, 0, 0),
      changed(planes.length - 1, 5, 1),
      planes.slice(0, -1),
      planes.slice(0, 5),
      [...planes, Uint8Array.of(0), Uint8Array.of(0)],
      [],
      [new Uint8Array(3)],
    ]
    for (const [i, parts] of wrong.entries())
      if (i !== wrong.length - 1) expect(() => joinScaled({ parameters, planes: parts }), String(i)).toThrow('is damaged')
    expect(joinScaled({ parameters, planes: wrong.at(-1)! })).toEqual(new Uint8Array(3))
  })
})
