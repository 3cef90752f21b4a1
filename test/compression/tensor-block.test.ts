import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BlockBase, BlockRequest } from '../../src/compression/block.ts'
import { decodeBlock, encodeBlock } from '../../src/compression/block.ts'
import { usesBase } from '../../src/compression/choose-filter.ts'
import { FILTER_CODED_DELTA } from '../../src/compression/coded-delta.ts'
import { FILTER_CODED_FLOATS } from '../../src/compression/coded-floats.ts'
import { FILTER_DELTA, FILTER_GROUPED_DELTA, FILTER_NARROW, FILTER_NONE } from '../../src/compression/filters.ts'
import type { Level } from '../../src/compression/limits.ts'
import type { ZstdCodec } from '../../src/compression/load-zstd.ts'
import { loadZstd } from '../../src/compression/load-zstd.ts'
import { equalBytes } from '../../src/util/bytes.ts'
import type { ElementType } from '../../src/util/element-type.ts'
import { seededNoise, seededRandom } from '../helpers/seeded.ts'
import { CODECS, deflated, floatLike, KIB, textLike } from './data.ts'

const LEVELS: Level[] = ['fast', 'balanced', 'high', 'max']
const F32: ElementType = { width: 4, kind: 'float', dtype: 'F32' }

async function codecs(): Promise<(ZstdCodec | undefined)[]> {
  return [...(await Promise.all(CODECS.map(name => loadZstd(name)))), undefined]
}

function tensor(element: ElementType, base?: BlockBase, level: Level = 'balanced'): BlockRequest {
  return { level, kind: 'tensor', element, base }
}

/** `weights` after a step of training: each moves by a little of itself. */
function trained(weights: Uint8Array, seed: number): Uint8Array<ArrayBuffer> {
  const random = seededRandom(seed)
  const values = new Float32Array(weights.slice().buffer)
  return new Uint8Array(values.map(value => value * (1 + 1e-4 * (random() - 0.5))).buffer)
}

function baseOf(plain: Uint8Array, kind: 'none' | 'same' | 'near' | 'far' | 'bf16' | 'fp16'): BlockBase | undefined {
  if (kind === 'none') return undefined
  if (kind === 'same') return { relation: 'delta', bytes: plain.slice() }
  if (kind === 'near') return { relation: 'delta', bytes: plain.map(byte => byte ^ 1) }
  if (kind === 'far') return { relation: 'delta', bytes: seededNoise(7, plain.length) }
  return { relation: kind, bytes: kind === 'bf16' ? widened(plain) : seededNoise(8, 2 * plain.length) }
}

/** fp32 values that round to the bf16 in `plain`. */
function widened(plain: Uint8Array): Uint8Array {
  const base = new Uint8Array(2 * plain.length)
  for (let i = 0; i + 1 < plain.length; i += 2) base.set([i % 251, i % 127, plain[i]!, plain[i + 1]!], 2 * i)
  return base
}

const elements: fc.Arbitrary<ElementType> = fc.record({
  width: fc.constantFrom(1, 2, 4, 8),
  kind: fc.constantFrom('float', 'int', 'unknown'),
  dtype: fc.constantFrom(undefined, 'F64', 'F32', 'F16', 'BF16', 'I64', 'U8', 'Q4_K'),
})
const contents = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 3000 }),
  fc
    .record({
      make: fc.constantFrom(floatLike, textLike, seededNoise, deflated),
      seed: fc.nat(99),
      length: fc.integer({ min: 1, max: 20_000 }),
    })
    .map(({ make, seed, length }) => make(seed, length)),
)

describe('a block of a tensor', () => {
  it('gives every bit back, whatever it is said to be, with a base or without', async () => {
    const all = await codecs()
    fc.assert(
      fc.property(
        contents,
        elements,
        fc.constantFrom(...LEVELS),
        fc.constantFrom('none', 'same', 'near', 'far', 'bf16', 'fp16'),
        fc.constantFrom(...all),
        (plain, element, level, kind, zstd) => {
          const base = baseOf(plain, kind)
          const block = encodeBlock(plain, tensor(element, base, level), zstd)
          if (kind === 'none') expect(usesBase(block.filter)).toBe(false)
          expect(block.bytes.length).toBeLessThanOrEqual(plain.length)
          expect(block.parts.reduce((sum, part) => sum + part.plainLength, 0)).toBe(plain.length)
          expect(block.parts.reduce((sum, part) => sum + part.storedLength, 0)).toBe(block.bytes.length)
          expect(equalBytes(decodeBlock(block, block.bytes, zstd, usesBase(block.filter) ? base?.bytes : undefined), plain)).toBe(true)
        },
      ),
    )
  })

  it.each(CODECS)('is taken apart where that is smaller, and left whole where it is not (%s)', async name => {
    const zstd = await loadZstd(name)
    const weights = floatLike(1, 512 * KIB)
    const values = encodeBlock(weights, tensor(F32), zstd)
    expect(values.filter).toBe(FILTER_CODED_FLOATS)
    expect([...values.parameters]).toEqual([4, 1, 22, 9, expect.any(Number), 0, 2])
    expect(values.bytes.length).toBeLessThan(0.87 * weights.length)
    expect(values.bytes.length).toBeLessThan(0.95 * zstd.compress(weights, 3).length)

    const text = encodeBlock(textLike(1, 512 * KIB), tensor(F32), zstd)
    expect(text.filter).toBe(FILTER_NONE)
    expect(text.parameters).toEqual(Uint8Array.of(2))

    const random = seededNoise(1, 100 * KIB)
    expect(encodeBlock(random, tensor(F32), zstd).bytes).toBe(random)
  })

  it.each(CODECS)('is predicted from its base where that is smaller (%s)', async name => {
    const zstd = await loadZstd(name)
    const before = floatLike(1, 512 * KIB)
    const after = trained(before, 2)
    const delta = encodeBlock(after, tensor(F32, { relation: 'delta', bytes: before }), zstd)
    expect(delta.filter).toBe(FILTER_CODED_DELTA)
    expect(delta.parameters).toEqual(Uint8Array.of(4, 2, 23, 8, 0, 0, 0, 0, 2))
    expect(delta.bytes.length).toBeLessThan(0.5 * after.length)
    expect(encodeBlock(after, tensor(F32, { relation: 'delta', bytes: floatLike(3, 512 * KIB) }), zstd).filter).toBe(FILTER_CODED_FLOATS)
  })

  it.each(CODECS)(
    'is predicted by planes where training left most rows alone, and as numbers where it left none alone (%s)',
    async name => {
      const zstd = await loadZstd(name)
      const random = seededRandom(9)
      // fp16 of all places, moved by up to an eighth of them
      const before = Uint16Array.from({ length: 200_000 }, () => 0x2000 + Math.floor(random() * 0x1000))
      const filterOf = (isMoved: (row: number) => boolean): number => {
        const after = before.map((value, i) => (isMoved(Math.floor(i / 200)) ? value + Math.floor((random() - 0.5) * 256) : value))
        const [plain, bytes] = [new Uint8Array(after.buffer), new Uint8Array(before.buffer)]
        return encodeBlock(plain, tensor({ width: 2, kind: 'float', dtype: 'F16' }, { relation: 'delta', bytes }), zstd).filter
      }
      expect([FILTER_DELTA, FILTER_GROUPED_DELTA]).toContain(filterOf(row => row % 4 === 0))
      expect(filterOf(() => true)).toBe(FILTER_CODED_DELTA)
    },
  )

  it.each(CODECS)('of half the width is predicted from what it was rounded from (%s)', async name => {
    const zstd = await loadZstd(name)
    const bf16: ElementType = { width: 2, kind: 'float', dtype: 'BF16' }
    const base = floatLike(1, 1024 * KIB)
    const plain = new Uint8Array(512 * KIB)
    for (let i = 0; i < plain.length; i += 2) plain.set([base[2 * i + 2]!, base[2 * i + 3]!], i)
    // cut off instead of rounded: every other element is one less than predicted
    const narrow = encodeBlock(plain, tensor(bf16, { relation: 'bf16', bytes: base }), zstd)
    expect(narrow.filter).toBe(FILTER_NARROW)
    expect(narrow.parameters).toEqual(Uint8Array.of(1, 4))
    expect(narrow.bytes.length).toBeLessThan(0.1 * plain.length)
    expect(equalBytes(decodeBlock(narrow, narrow.bytes, zstd, base), plain)).toBe(true)
    expect(encodeBlock(plain, tensor(bf16, { relation: 'fp16', bytes: base }), zstd).filter).toBe(FILTER_CODED_FLOATS)
  })

  it('is refused without its base, or with one of another length', async () => {
    const zstd = await loadZstd()
    const base = floatLike(1, 64 * KIB)
    const block = encodeBlock(trained(base, 2), tensor(F32, { relation: 'delta', bytes: base }), zstd)
    for (const wrong of [undefined, base.subarray(4)]) {
      expect(() => decodeBlock(block, block.bytes, zstd, wrong)).toThrow(expect.objectContaining({ code: 'corrupt' }))
    }
  })
})
