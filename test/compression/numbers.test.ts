import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codedDeltaParameters, deltaModel, medianDifference, readCodedDelta } from '../../src/compression/coded-delta.ts'
import { codedFloatsParameters, floatsModel, readCodedFloats, segmentsOf } from '../../src/compression/coded-floats.ts'
import { chooseTables } from '../../src/compression/frequencies.ts'
import { decodeNumbers, encodeNumbers, sizeOfNumbers } from '../../src/compression/numbers.ts'
import { javascriptNumbers } from '../../src/kernels/numbers.ts'
import { isAppError } from '../../src/util/errors.ts'
import { seededNoise, seededRandom } from '../helpers/seeded.ts'

const BF16 = deltaModel(2, { shift: 7, bits: 8 }, 0)
const javascript = javascriptNumbers()

/** Weights of bf16 and what a step of training makes of them: the small ones change by more of their last places. */
function trained(count: number, seed: number): { base: Uint8Array; plain: Uint8Array } {
  const random = seededRandom(seed)
  const base = new Uint16Array(count).map(
    () => (Math.floor(random() * 2) << 15) | ((118 + Math.floor(random() * 8)) << 7) | Math.floor(random() * 128),
  )
  const plain = base.map(bits => {
    const reach = 2 ** (126 - ((bits >> 7) & 255))
    return bits + Math.round((random() + random() - 1) * reach)
  })
  return { base: new Uint8Array(base.buffer), plain: new Uint8Array(plain.buffer) }
}

function outcome(action: () => Uint8Array): Uint8Array | 'corrupt' {
  try {
    return action().slice()
  } catch (error) {
    if (isAppError(error, 'corrupt')) return 'corrupt'
    throw error
  }
}

describe('numbers of a block', () => {
  it('come back, chunk by chunk, with a tail, on either kernel', () => {
    const { base, plain } = trained(3000, 1)
    const tail = Buffer.concat([plain, Uint8Array.of(7)])
    const lengths = [600, 2, 5398, 1]
    const coded = encodeNumbers(tail, BF16, lengths, Buffer.concat([base, Uint8Array.of(9)]))!
    expect(coded.length).toBeLessThan(0.4 * plain.length)
    for (const kernel of [undefined, javascript]) {
      expect(Buffer.compare(decodeNumbers(coded, BF16, lengths, Buffer.concat([base, Uint8Array.of(9)]), kernel), tail)).toBe(0)
    }
  })

  it('take what their entropy says, with a table for each exponent', () => {
    const { base, plain } = trained(200_000, 2)
    const coded = encodeNumbers(plain, BF16, [plain.length], base)!
    const { numbers, tables } = sizeOfNumbers(plain, BF16, base)
    expect(coded.length).toBeGreaterThan(numbers + tables)
    expect(coded.length).toBeLessThan(1.002 * (numbers + tables) + 64)
    expect(numbers).toBeLessThan(0.9 * sizeOfNumbers(plain, deltaModel(2, { shift: 0, bits: 0 }, 0), base).numbers)
  })

  it('of one value take nearly nothing, and noise is not coded', () => {
    const zeros = new Uint8Array(200_000)
    expect(encodeNumbers(zeros, BF16, [zeros.length], zeros)!.length).toBeLessThan(50)
    const noise = seededNoise(1, 5000)
    expect(encodeNumbers(noise, BF16, [noise.length], noise.toReversed())).toBeUndefined()
  })

  it('of a chunk whose base is lost come out as zeros, and the other chunks are whole', () => {
    const { base, plain } = trained(6000, 3)
    const lengths = [4000, 4000, 4000]
    const coded = encodeNumbers(plain, BF16, lengths, base)!
    const lost = base.slice().fill(0, 4000, 8000)
    const decoded = decodeNumbers(coded, BF16, lengths, lost)
    expect(Buffer.compare(decoded, plain.slice().fill(0, 4000, 8000))).toBe(0)
  })

  it('that somebody changed are refused, or give other bytes of the same length', () => {
    const { base, plain } = trained(400, 4)
    const coded = encodeNumbers(plain, BF16, [300, 500], base)!.slice()
    const changed = fc.tuple(fc.nat(coded.length - 1), fc.nat(255), fc.nat(coded.length))
    let refused = 0
    fc.assert(
      fc.property(changed, ([at, byte, end]) => {
        const bytes = coded.map((each, i) => (i === at ? byte : each))
        for (const wrong of [bytes, bytes.subarray(0, end)]) {
          const decoded = outcome(() => decodeNumbers(wrong, BF16, [300, 500], base))
          expect(outcome(() => decodeNumbers(wrong, BF16, [300, 500], base, javascript))).toEqual(decoded)
          if (decoded === 'corrupt') refused++
          else expect(decoded.length).toBe(800)
        }
      }),
    )
    expect(refused).toBeGreaterThan(50)
  })

  it.each([
    ['no table', '00'],
    ['more tables than fit its length', '02 80018020 80018020'],
    ['a table for more contexts than there are', '01 8102 8020'],
    ['contexts without a table', '01 05 8020 00 00'],
    ['frequencies that add up to too much', '01 8002 8120'],
    ['frequencies that add up to too little', `01 8002 ${'01'.repeat(256)}`],
    ['a frequency of a class that no number has', '01 8002 00 3b 8020'],
    ['more words than there are bytes', '01 8002 8020 7f 00'],
  ])('with %s are refused', (_what, hex) => {
    const stored = Buffer.from(`${hex.replaceAll(' ', '')}${'00'.repeat(40)}`, 'hex')
    expect(outcome(() => decodeNumbers(stored, BF16, [1000], new Uint8Array(1000)))).toBe('corrupt')
  })
})

describe('the parameters of filter 12', () => {
  it('are read as they were written, with an element type or without', () => {
    const model = deltaModel(4, { shift: 23, bits: 8 }, -70_000)
    const parameters = codedDeltaParameters(model)
    expect(parameters).toEqual(Buffer.from('04021708 90eefeff'.replace(' ', ''), 'hex'))
    expect(readCodedDelta(parameters)).toEqual(model)
    expect(readCodedDelta(Uint8Array.of(...parameters, 2))).toEqual(model)
  })

  it.each(['0302000000000000', '0202090800000000', '0205000000000000', '0102000900000000', '04020000000000', '04020000000000000000'])(
    '%s are refused',
    hex => {
      expect(outcome(() => codedDeltaParameters(readCodedDelta(Buffer.from(hex, 'hex'))))).toBe('corrupt')
    },
  )
})

describe('floats in segments', () => {
  /** Floats of fp32 whose size grows from one segment to the next. */
  const floats = (count: number): Uint8Array => {
    const random = seededRandom(7)
    return new Uint8Array(Float32Array.from({ length: count }, (_, i) => (random() - 0.5) * 2 ** Math.floor((8 * i) / count)).buffer)
  }

  it('come back, with their signs or without, whatever their size, and a tail', () => {
    const plain = Buffer.concat([floats(5000), Uint8Array.of(1, 2, 3)])
    // far from all others, and so in the class of the others
    plain.writeFloatLE(1e30, 8000)
    plain.writeFloatLE(-0, 8004)
    for (const rotated of [true, false]) {
      const floats = floatsModel(plain.subarray(0, 4000), plain.length, 4, 23, rotated)
      const parameters = codedFloatsParameters(floats)
      expect(readCodedFloats(parameters, plain.length)).toEqual(floats)
      const base = segmentsOf(plain.length, floats)
      const coded = encodeNumbers(plain, floats.model, [plain.length], base)!
      expect(coded.length).toBeLessThan(plain.length)
      for (const kernel of [undefined, javascript]) {
        expect(Buffer.compare(decodeNumbers(coded, floats.model, [plain.length], base, kernel), plain)).toBe(0)
      }
    }
  })

  it('have a table for each stretch of their kind', () => {
    const plain = floats(200_000)
    const { model, segment } = floatsModel(plain, plain.length, 4, 23, true)
    const { numbers, tables } = sizeOfNumbers(plain, model, segmentsOf(plain.length, { model, segment }))
    expect(numbers + tables).toBeLessThan(0.98 * sizeOfNumbers(plain, model, new Uint8Array(plain.length)).numbers)
  })

  it('have the numbers of their segments for a base', () => {
    const { model } = floatsModel(new Uint8Array(8), 10, 2, 7, true)
    expect([...segmentsOf(11, { model, segment: 1 })]).toEqual([0, 0, 0, 0, 1, 0, 1, 0, 2, 0, 2])
  })

  it.each([
    ['a width of 1', '010016000000'],
    ['rotated by 2', '040216000000'],
    ['no class', '040120000000'],
    ['an origin beyond its numbers', '0401160c0004'],
    ['more segments than contexts', '040116000000'],
    ['too few parameters', '0401160c00'],
  ])('%s is refused', (_what, hex) => {
    expect(outcome(() => codedFloatsParameters(readCodedFloats(Buffer.from(hex, 'hex'), 100_000)))).toBe('corrupt')
  })
})

it('the median of differences is signed, and near for most', () => {
  const base = Uint16Array.from({ length: 5000 }, (_, i) => 1000 + i)
  const plain = base.map((value, i) => value - 40 + (i % 3))
  const [bytes, others] = [plain, base].map(({ buffer }) => new Uint8Array(buffer)) as [Uint8Array, Uint8Array]
  expect(medianDifference(bytes, others, 2)).toBe(-39)
  expect(medianDifference(bytes.subarray(0, 1), others.subarray(0, 1), 2)).toBe(0)
})

it('contexts that are alike share a table, and others have their own', () => {
  const counts = new Uint32Array(4 * 256)
  for (const context of [0, 1]) counts.set([9000, 1000], context * 256)
  counts.set([100, 9900], 3 * 256)
  const { all, tableOf } = chooseTables(counts, 4, 2)!
  expect([...tableOf]).toEqual([0, 0, 0, 1])
  expect(all.map(table => [...table.subarray(0, 3)])).toEqual([
    [3686, 410, 0],
    [41, 4055, 0],
  ])
  expect(chooseTables(counts, 4, 1)!.all).toHaveLength(1)
  expect(chooseTables(new Uint32Array(256), 1, 1)).toBeUndefined()
})
