import { deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FilteredBlock, PlaneWidth } from '../../src/compression/filters.ts'
import {
  elementTypeOf,
  elementWidthOf,
  FILTER_DELTA,
  FILTER_GROUPED_DELTA,
  FILTER_STEPS,
  FILTER_NARROW,
  FILTER_PLANES,
  hasSigns,
  joinPlanes,
  planeLengths,
  splitDelta,
  splitGroupedDelta,
  splitNarrow,
  splitPlanes,
  splitSteps,
} from '../../src/compression/filters.ts'
import { MAX_BLOCK_BYTES } from '../../src/compression/limits.ts'
import { javascriptPlanes, type NarrowFormat, type Width } from '../../src/kernels/planes.ts'
import { isAppError } from '../../src/util/errors.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { floatLike } from './data.ts'

const PLANE_WIDTHS: PlaneWidth[] = [2, 4, 8]
const DELTA_WIDTHS: Width[] = [1, 2, 4, 8]
const FORMATS: NarrowFormat[] = ['bf16', 'fp16']
const javascript = javascriptPlanes()

/**
 * Bytes of floats that compilers and processors like to change: NaNs with payloads, denormals, both zeros, infinities.
 */
const SPECIALS: Record<PlaneWidth, string[]> = {
  2: ['0000', '0080', '007c', '01fc', 'ff7f', 'a5fe', '0100', 'ff83', '807f', '817f', 'c0ff'],
  4: ['00000000', '00000080', '0000807f', '0100807f', '0100c0ff', 'efbeadff', '01000000', 'ffff7f80'],
  8: [
    '0000000000000000',
    '0000000000000080',
    '000000000000f07f',
    '010000000000f07f',
    'efbeaddeefbef8ff',
    '0100000000000000',
    'ffffffffffff0f80',
  ],
}

const special = fc
  .constantFrom(...PLANE_WIDTHS)
  .chain(width =>
    fc.array(fc.constantFrom(...SPECIALS[width]), { minLength: 1, maxLength: 80 }).map(texts => Buffer.from(texts.join(''), 'hex')),
  )
const block = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 600 }), special)

/** A view that begins at an odd address. */
function unaligned(bytes: Uint8Array): Uint8Array {
  const view = new Uint8Array(bytes.length + 1).subarray(1)
  view.set(bytes)
  return view
}

function total(planes: Uint8Array[]): Uint8Array {
  return Buffer.concat(planes)
}

function expectCorrupt(action: () => unknown): void {
  let error: unknown
  try {
    action()
  } catch (caught) {
    error = caught
  }
  expect(isAppError(error, 'corrupt')).toBe(true)
}

describe('filter 1', () => {
  it('gives every bit back, at every width, rotated or not, on either kernel', () => {
    fc.assert(
      fc.property(block, fc.constantFrom(...PLANE_WIDTHS), fc.boolean(), (plain, width, rotated) => {
        const filtered = splitPlanes(unaligned(plain), width, rotated)
        expect(filtered.filter).toBe(FILTER_PLANES)
        expect(filtered.planes.map(({ length }) => length)).toEqual(planeLengths(FILTER_PLANES, filtered.parameters, plain.length))
        expect(splitPlanes(plain, width, rotated, javascript)).toEqual(filtered)
        expect(Buffer.compare(joinPlanes(filtered), plain)).toBe(0)
        expect(Buffer.compare(joinPlanes(filtered, undefined, undefined, javascript), plain)).toBe(0)
      }),
    )
  })

  it('has a part for each plane, and one for a tail', () => {
    expect(splitPlanes(Uint8Array.of(1, 2, 3, 4, 5), 2, false)).toEqual({
      filter: 1,
      parameters: Uint8Array.of(2, 0),
      planes: [Uint8Array.of(1, 3), Uint8Array.of(2, 4), Uint8Array.of(5)],
    })
    expect(splitPlanes(Uint8Array.of(0x80, 0xbf), 2, true)).toEqual({
      filter: 1,
      parameters: Uint8Array.of(2, 1),
      planes: [Uint8Array.of(1), Uint8Array.of(0x7f)],
    })
    expect(splitPlanes(Uint8Array.of(1, 2, 3), 4, true).planes).toEqual([Uint8Array.of(1, 2, 3)])
  })

  it('leaves a block alone that was split before', () => {
    const first = splitPlanes(Uint8Array.of(1, 2, 3, 4), 2, false)
    splitPlanes(seededNoise(1, 4), 2, false)
    expect(first.planes).toEqual([Uint8Array.of(1, 3), Uint8Array.of(2, 4)])
    expect(joinPlanes(first)).toEqual(Uint8Array.of(1, 2, 3, 4))
  })

  it('takes the largest block, and no larger one', () => {
    const plain = floatLike(3, MAX_BLOCK_BYTES)
    expect(Buffer.compare(joinPlanes(splitPlanes(plain, 4, true)), plain)).toBe(0)
    expect(() => splitPlanes(new Uint8Array(MAX_BLOCK_BYTES + 1), 4, true)).toThrow(RangeError)
    expect(() => splitPlanes(new Uint8Array(0), 4, true)).toThrow(RangeError)
  })
})

describe('filter 2', () => {
  it('gives every bit back, at every width, on either kernel', () => {
    fc.assert(
      fc.property(block, fc.integer(), fc.constantFrom(...DELTA_WIDTHS), (plain, seed, width) => {
        const base = seededNoise(seed, plain.length)
        const filtered = splitDelta(unaligned(plain), unaligned(base), width)
        expect(filtered.filter).toBe(FILTER_DELTA)
        expect(filtered.parameters).toEqual(Uint8Array.of(width))
        expect(splitDelta(plain, base, width, javascript)).toEqual(filtered)
        expect(Buffer.compare(joinPlanes(filtered, unaligned(base)), plain)).toBe(0)
        expect(Buffer.compare(joinPlanes(filtered, base, undefined, javascript), plain)).toBe(0)
      }),
    )
  })

  it('makes zeros of what did not change', () => {
    const plain = seededNoise(5, 1003)
    for (const width of DELTA_WIDTHS) {
      const whole = plain.length - (plain.length % width)
      expect(total(splitDelta(plain, plain, width).planes).subarray(0, whole)).toEqual(Buffer.alloc(whole))
    }
  })

  it('makes a small number of a small step, whatever its direction', () => {
    const base = Buffer.from('0000803f', 'hex')
    const up = Buffer.from('0100803f', 'hex')
    const down = Buffer.from('ffff7f3f', 'hex')
    expect(splitDelta(up, base, 4).planes).toEqual([2, 0, 0, 0].map(byte => Uint8Array.of(byte)))
    expect(splitDelta(down, base, 4).planes).toEqual([1, 0, 0, 0].map(byte => Uint8Array.of(byte)))
  })

  it('refuses a base of another length', () => {
    const plain = seededNoise(5, 100)
    expect(() => splitDelta(plain, plain.subarray(1), 4)).toThrow(RangeError)
    const filtered = splitDelta(plain, plain, 4)
    expectCorrupt(() => joinPlanes(filtered, plain.subarray(1)))
    expectCorrupt(() => joinPlanes(filtered))
  })
})

describe('filter 5', () => {
  const EXPONENTS = { 2: { shift: 7, bits: 8 }, 4: { shift: 23, bits: 8 }, 8: { shift: 52, bits: 8 } } as const

  /** Some lengths, whole elements all but the last, that add up to `total`. */
  function chunksOf(total: number, width: PlaneWidth, shares: readonly number[]): number[] {
    const lengths: number[] = []
    let left = total
    for (const share of shares) {
      const length = Math.floor((share * left) / width) * width
      if (length === 0) continue
      lengths.push(length)
      left -= length
    }
    return left > 0 ? [...lengths, left] : lengths
  }

  it('gives every bit back, at every width, with any key, chunk by chunk, on either kernel', () => {
    const key = fc.record({ shift: fc.integer({ min: 0, max: 64 }), bits: fc.integer({ min: 1, max: 8 }) })
    const shares = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 })
    fc.assert(
      fc.property(block, fc.integer(), fc.constantFrom(...PLANE_WIDTHS), key, shares, (plain, seed, width, wanted, shares) => {
        const key = { shift: Math.min(wanted.shift, 8 * width - wanted.bits), bits: wanted.bits }
        const base = seed % 2 === 0 ? seededNoise(seed, plain.length) : plain.map(byte => byte ^ (seed & 4))
        const chunks = chunksOf(plain.length, width, shares)
        const filtered = splitGroupedDelta(unaligned(plain), unaligned(base), chunks, { width, key })
        expect(filtered.filter).toBe(FILTER_GROUPED_DELTA)
        expect(filtered.planes.map(({ length }) => length)).toEqual(planeLengths(FILTER_GROUPED_DELTA, filtered.parameters, plain.length))
        expect(splitGroupedDelta(plain, base, chunks, { width, key }, javascript)).toEqual(filtered)
        expect(Buffer.compare(joinPlanes(filtered, unaligned(base), chunks), plain)).toBe(0)
        expect(Buffer.compare(joinPlanes(filtered, base, chunks, javascript), plain)).toBe(0)
      }),
    )
  })

  it('puts elements in the order of their base, equal ones as they were, and the tail behind them', () => {
    const base = Uint8Array.of(9, 3, 0, 1, 0, 3, 9, 9)
    const plain = Uint8Array.of(10, 3, 1, 1, 2, 3, 77, 88)
    const { parameters, planes } = splitGroupedDelta(plain, base, [6, 2], { width: 2, key: { shift: 8, bits: 2 } })
    expect(parameters).toEqual(Uint8Array.of(2, 8, 2))
    expect(planes.map(plane => [...plane])).toEqual([
      [2, 2, 4, (77 - 9) * 2],
      [0, 0, 0, (88 - 9) * 2],
    ])
  })

  it('lets a chunk come back without the bases of its neighbours', () => {
    const base = floatLike(1, 4096)
    const plain = base.map((byte, i) => (i % 4 === 0 ? byte + 3 : byte))
    const chunks = [1000, 2000, 1096]
    const filtered = splitGroupedDelta(plain, base, chunks, { width: 4, key: EXPONENTS[4] })
    const partly = Uint8Array.from(base, (byte, i) => (i < 1000 || i >= 3000 ? 0 : byte))
    expect(Buffer.compare(joinPlanes(filtered, partly, chunks).subarray(1000, 3000), plain.subarray(1000, 3000))).toBe(0)
  })

  it('brings floats that moved by like amounts into less than a delta does', () => {
    const values = Float32Array.from({ length: 100_000 }, (_, i) => Math.sin(i * 12.9898) / (1 + (i % 97)))
    const moved = values.map((value, i) => value + 1e-4 * Math.sin(i * 78.233))
    const [base, plain] = [values, moved].map(array => new Uint8Array(array.buffer)) as [Uint8Array, Uint8Array]
    const size = ({ planes }: FilteredBlock): number => planes.reduce((sum, plane) => sum + deflateRawSync(plane).length, 0)
    const grouped = splitGroupedDelta(plain, base, [plain.length], { width: 4, key: EXPONENTS[4] })
    expect(size(grouped)).toBeLessThan(0.97 * size(splitDelta(plain, base, 4)))
  })

  it('refuses bases and chunks of another length, and what is no key', () => {
    const plain = seededNoise(5, 100)
    const by = { width: 4, key: EXPONENTS[4] } as const
    expect(() => splitGroupedDelta(plain, plain.subarray(1), [100], by)).toThrow(RangeError)
    expect(() => splitGroupedDelta(plain, plain, [99], by)).toThrow(RangeError)
    const filtered = splitGroupedDelta(plain, plain, [100], by)
    expectCorrupt(() => joinPlanes(filtered, plain.subarray(1)))
    expectCorrupt(() => joinPlanes(filtered))
    expectCorrupt(() => joinPlanes(filtered, plain, [60, 41]))
    for (const parameters of [[4], [4, 23], [4, 23, 0], [4, 23, 9], [4, 25, 8], [1, 0, 8], [3, 0, 8], [4, 23, 8, 2, 2]]) {
      expectCorrupt(() => planeLengths(FILTER_GROUPED_DELTA, Uint8Array.from(parameters), 100))
    }
    expect(elementTypeOf({ filter: FILTER_GROUPED_DELTA, parameters: Uint8Array.of(4, 23, 8, 2) })).toBe('F32')
  })
})

describe('filter 3', () => {
  const halves = fc.array(fc.constantFrom(...SPECIALS[2], '803f', '003c', '823f'), { minLength: 1, maxLength: 80 })
  const fp32 = fc.constantFrom(...SPECIALS[4], '0000803f', '0080803f', 'ffff7f47', '00e07f38')

  it('gives every bit back, of any length, whatever is in the base, on either kernel', () => {
    const plains = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 600 }),
      halves.map(texts => new Uint8Array(Buffer.from(texts.join(''), 'hex'))),
    )
    fc.assert(
      fc.property(
        plains,
        fc.array(fp32, { minLength: 80, maxLength: 80 }),
        fc.integer(),
        fc.constantFrom(...FORMATS),
        (plain, texts, seed, format) => {
          const base = seed % 2 === 0 ? seededNoise(seed, 2 * plain.length) : Buffer.alloc(2 * plain.length, texts.join(''), 'hex')
          const filtered = splitNarrow(unaligned(plain), unaligned(base), format)
          expect(filtered.filter).toBe(FILTER_NARROW)
          expect(filtered.planes.map(({ length }) => length)).toEqual(planeLengths(FILTER_NARROW, filtered.parameters, plain.length))
          expect(splitNarrow(plain, base, format, javascript)).toEqual(filtered)
          expect(Buffer.compare(joinPlanes(filtered, unaligned(base)), plain)).toBe(0)
          expect(Buffer.compare(joinPlanes(filtered, base, undefined, javascript), plain)).toBe(0)
        },
      ),
    )
  })

  it('makes zeros of what was rounded to the nearest, in blocks of any size', () => {
    for (const bytes of [6, 100_002, MAX_BLOCK_BYTES]) {
      const base = floatLike(3, 2 * bytes)
      const bits = new Uint32Array(base.buffer, 0, bytes / 2)
      const plain = new Uint8Array(Uint16Array.from(bits, value => (value + 0x7fff + ((value >>> 16) & 1)) >>> 16).buffer)
      const filtered = splitNarrow(plain, base, 'bf16')
      expect(filtered.parameters).toEqual(Uint8Array.of(1))
      expect(filtered.planes.every(plane => plane.every(byte => byte === 0))).toBe(true)
      expect(Buffer.compare(joinPlanes(filtered, base), plain)).toBe(0)
    }
    const fp16 = splitNarrow(Uint8Array.of(0x00, 0xc1, 0x01, 0x00), Buffer.from('000020c0' + '00000034', 'hex'), 'fp16')
    expect(fp16).toEqual({ filter: 3, parameters: Uint8Array.of(2), planes: [Uint8Array.of(0, 1), Uint8Array.of(0, 0)] })
  })

  it('refuses a base of another length', () => {
    const plain = seededNoise(5, 100)
    const base = seededNoise(6, 200)
    expect(() => splitNarrow(plain, base.subarray(4), 'fp16')).toThrow(RangeError)
    const filtered = splitNarrow(plain, base, 'fp16')
    for (const wrong of [undefined, base.subarray(4), plain]) expectCorrupt(() => joinPlanes(filtered, wrong))
  })
})

describe('what a stored block says', () => {
  const good = splitPlanes(seededNoise(9, 10), 4, true)

  it('may not be parameters that the filter does not have', () => {
    const bad: [filter: number, parameters: number[]][] = [
      [1, []],
      [1, [4]],
      [1, [4, 2]],
      [1, [1, 0]],
      [1, [3, 0]],
      [1, [16, 0]],
      [1, [4, 1, 0, 0]],
      [2, []],
      [2, [0]],
      [2, [4, 0, 0]],
      [2, [255]],
      [0, []],
      [3, []],
      [3, [0]],
      [3, [3]],
      [3, [1, 4, 0]],
      [4, [4]],
    ]
    for (const [filter, parameters] of bad) {
      expectCorrupt(() => planeLengths(filter, Uint8Array.from(parameters), 10))
      expectCorrupt(() => joinPlanes({ ...good, filter, parameters: Uint8Array.from(parameters) }, new Uint8Array(10)))
    }
  })

  it('may name the type of the elements, known or not', () => {
    const named = (...parameters: number[]) => ({ filter: 1, parameters: Uint8Array.from(parameters) })
    expect(elementTypeOf(named(4, 1, 2))).toBe('F32')
    for (const parameters of [[4, 1], [4, 1, 0], [4, 1, 255], []]) expect(elementTypeOf(named(...parameters))).toBeUndefined()
    expect(elementTypeOf({ filter: 2, parameters: Uint8Array.of(2, 4) })).toBe('BF16')
    expect(elementTypeOf({ filter: 0, parameters: Uint8Array.of(10) })).toBe('I8')
    expect(elementTypeOf({ filter: 99, parameters: Uint8Array.of(10) })).toBeUndefined()
    expect(elementWidthOf(named(4, 1))).toBe(4)
    expect(elementWidthOf({ filter: 2, parameters: Uint8Array.of(2) })).toBe(2)
    expect(elementWidthOf({ filter: FILTER_NARROW, parameters: Uint8Array.of(1) })).toBe(2)
    expect(elementWidthOf({ filter: FILTER_GROUPED_DELTA, parameters: Uint8Array.of(4, 23, 8) })).toBe(4)
    // none, and fields, whose first parameter is a separator
    for (const filter of [0, 4]) expect(elementWidthOf({ filter, parameters: Uint8Array.of(44, 2, 1, 1) })).toBeUndefined()
    for (const type of [0, 2, 255]) {
      expect(joinPlanes({ ...good, parameters: Uint8Array.of(4, 1, type) })).toEqual(new Uint8Array(seededNoise(9, 10)))
    }
  })

  it('may not be parts that are no planes', () => {
    const [a, b, c, d, tail] = good.planes as [Uint8Array, Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    const bad: Uint8Array[][] = [[], [new Uint8Array(0)], [a, b, c, d, tail, tail], [tail, a, b, c, d, a], [total([a, b]), c, d, tail]]
    for (const planes of bad) expectCorrupt(() => joinPlanes({ ...good, planes }))
    expectCorrupt(() => joinPlanes({ ...good, planes: Array<Uint8Array>(4).fill(new Uint8Array(MAX_BLOCK_BYTES / 4 + 1)) }))
  })

  it('throws corrupt or decodes, whatever it is', () => {
    const parts = fc.array(fc.uint8Array({ maxLength: 5 }), { maxLength: 10 })
    fc.assert(
      fc.property(fc.nat(5), fc.uint8Array({ maxLength: 3, max: 9 }), parts, (filter, parameters, planes) => {
        const block: FilteredBlock = { filter, parameters, planes }
        const length = total(planes).length
        try {
          expect(joinPlanes(block, new Uint8Array(filter === FILTER_NARROW ? 2 * length : length))).toHaveLength(length)
        } catch (error) {
          if (!isAppError(error, 'corrupt')) throw error
        }
      }),
    )
  })
})

describe('hasSigns', () => {
  it('sees negative elements, and none where there are none', () => {
    const values = Float32Array.from({ length: 5000 }, (_, i) => Math.sin(i))
    const bytes = new Uint8Array(values.buffer)
    expect(hasSigns(bytes, 4)).toBe(true)
    expect(hasSigns(new Uint8Array(values.map(Math.abs).buffer), 4)).toBe(false)
    expect(hasSigns(Uint8Array.of(0, 0, 0, 0x80), 4)).toBe(true)
    expect(hasSigns(Uint8Array.of(0xff), 4)).toBe(false)
  })
})

describe('steps', () => {
  const steps = { start: 1, distance: 2, order: 2 } as const

  it('are what the format says', () => {
    // the elements 0x0201, 0x0403, 0x0605 and 0x0807, then byte 9 and the first byte
    const { filter, parameters, planes } = splitSteps(Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9), 2, { ...steps, distance: 1 })
    expect([filter, ...parameters]).toEqual([FILTER_STEPS, 2, 1, 1, 2])
    // the steps 0x0201, 0x0001, 0 and 0, then 0x0009 - 0x0a09 = -0x0a00, each stored as filter 2 does
    expect(planes.map(plane => [...plane])).toEqual([
      [0x02, 0x02, 0, 0, 0xff],
      [0x04, 0, 0, 0, 0x13],
    ])
  })

  it.each([
    [8, 0, 1, 1],
    [2, 2, 1, 1],
    [2, 0, 0, 1],
    [2, 0, 1, 0],
    [2, 0, 1, 3],
    [0, 0, 1, 1],
    [2, 0, 1],
    [2, 0, 1, 1, 1, 1],
  ])('have no parameters %i, %i, %i, %i', (...parameters) => {
    expectCorrupt(() => planeLengths(FILTER_STEPS, Uint8Array.from(parameters), 100))
  })

  it('give back fewer bytes than one element', () => {
    for (const plain of [Uint8Array.of(7), Uint8Array.of(7, 8, 9)]) {
      expect(joinPlanes(splitSteps(plain, 4, { start: 3, distance: 255, order: 2 }))).toEqual(plain)
    }
  })
})
