import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { codedDeltaParameters, deltaModel, medianDifference, readCodedDelta } from '../../src/compression/coded-delta.ts'
import { codedFloatsParameters, floatsModel, inSegments, readCodedFloats, segmentsOf } from '../../src/compression/coded-floats.ts'
import {
  codedMatricesParameters,
  contextsOf,
  matricesOf,
  meansOf,
  packMeans,
  readCodedMatrices,
  unpackMeans,
} from '../../src/compression/coded-matrices.ts'
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
      const floats = inSegments(floatsModel(plain.subarray(0, 4000), 4, 23, rotated), plain.length)
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
    const { model, segment } = inSegments(floatsModel(plain, 4, 23, true), plain.length)
    const { numbers, tables } = sizeOfNumbers(plain, model, segmentsOf(plain.length, { model, segment }))
    expect(numbers + tables).toBeLessThan(0.98 * sizeOfNumbers(plain, model, new Uint8Array(plain.length)).numbers)
  })

  it('have the numbers of their segments for contexts', () => {
    const model = floatsModel(new Uint8Array(8), 2, 7, true)
    expect([...segmentsOf(11, { model, segment: 1 })]).toEqual([0, 0, 1, 1, 2])
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

describe('floats in matrices', () => {
  /** Averages of squares: each row and each column has a size of its own. A part of a matrix, and a whole one. */
  const squares = (rows: number, columns: number, seed: number): Float32Array => {
    const random = seededRandom(seed)
    const [of, by] = [rows, columns].map(count => Array.from({ length: count }, () => 2 ** (12 * random()))) as [number[], number[]]
    return Float32Array.from(
      { length: rows * columns },
      (_, i) => of[Math.floor(i / columns)]! * by[i % columns]! * (0.5 + random()) * 1e-9,
    )
  }
  const [first, second] = [squares(300, 200, 1).subarray(130), squares(100, 64, 2)]
  const known = [
    { elements: first.length, columns: 200, start: 130 },
    { elements: 700, columns: 0, start: 0 },
    { elements: 400, columns: 300, start: 7 },
    { elements: second.length, columns: 64, start: 0 },
  ]
  const all = new Float32Array([...first, ...squares(1, 1100, 3), ...second])
  const plain = new Uint8Array(all.buffer)
  const model = floatsModel(plain, 4, 23, false)
  const matrices = matricesOf(known, all.length)!
  const coded = { model, matrices }

  it('come back, whatever stands between them, with a tail, on either kernel', () => {
    expect(matrices.map(({ columns }) => columns)).toEqual([200, 700, 400, 64])
    const parameters = codedMatricesParameters(coded)
    expect(readCodedMatrices(parameters, plain.length + 3)).toEqual(coded)
    expect(readCodedMatrices(Uint8Array.of(...parameters, 2), plain.length)).toEqual(coded)
    const tail = Buffer.concat([plain, Uint8Array.of(1, 2, 3)])
    const head = packMeans(meansOf(plain, coded).means)
    const { means, length } = unpackMeans(Buffer.concat([head, plain]), coded)
    expect(length).toBe(head.length)
    expect([...means]).toEqual([...meansOf(plain, coded).means])
    const contexts = contextsOf(coded, means)
    const stored = encodeNumbers(tail, model, [tail.length], contexts)!
    for (const kernel of [undefined, javascript]) {
      expect(Buffer.compare(decodeNumbers(stored, model, [tail.length], contexts, kernel), tail)).toBe(0)
    }
  })

  it('take far less than in segments', () => {
    const { numbers, tables } = sizeOfNumbers(plain, model, contextsOf(coded, meansOf(plain, coded).means))
    const segments = sizeOfNumbers(plain, model, segmentsOf(plain.length, inSegments(model, plain.length)))
    expect(numbers + tables).toBeLessThan(0.92 * (segments.numbers + segments.tables))
  })

  it('have for a context what their row and their column have in common', () => {
    const means = Uint8Array.of(10, 20, 250, 0, 7, 2)
    const own = { model, matrices: [{ elements: 6, columns: 3, start: 1 }] }
    expect([...contextsOf(own, means)]).toEqual([17, 12, 20, 27, 22, 250])
    expect([
      ...contextsOf(
        own,
        Uint8Array.of(10, 20, 250, 0, 7, 2).map(mean => mean + 5),
      ).slice(-1),
    ]).toEqual([255])
  })

  it('whose rows and columns are alike have the same mean in all of them', () => {
    const random = seededRandom(4)
    const alike = Float32Array.from({ length: 20_000 }, () => random() - 0.5)
    const own = { model: floatsModel(new Uint8Array(alike.buffer), 4, 23, true), matrices: [{ elements: 20_000, columns: 100, start: 0 }] }
    const { means, gain } = meansOf(new Uint8Array(alike.buffer), own)
    expect(gain).toBe(0)
    expect(new Set(means.subarray(0, 200)).size).toBe(1)
    expect(new Set(means.subarray(200))).toEqual(new Set([0]))
  })

  it('are none where no rows are known, or too many matrices, or others than there are', () => {
    expect(matricesOf([{ elements: 100, columns: 0, start: 0 }], 100)).toBeUndefined()
    expect(matricesOf([{ elements: 100, columns: 10, start: 0 }], 101)).toBeUndefined()
    expect(matricesOf([{ elements: 100, columns: 90, start: 0 }], 100)).toBeUndefined()
    expect(
      matricesOf(
        Array.from({ length: 85 }, () => ({ elements: 100, columns: 10, start: 0 })),
        8500,
      ),
    ).toBeUndefined()
    const flat = Array.from({ length: 85 }, () => ({ elements: 1024, columns: 0, start: 0 }))
    expect(matricesOf([...flat, { elements: 100, columns: 10, start: 0 }], 85 * 1024 + 100)).toHaveLength(2)
  })

  it.each([
    ['a width of 1', '0100150000 0a000000 05000000 00000000'],
    ['rotated by 2', '0402150000 0a000000 05000000 00000000'],
    ['an origin beyond its numbers', '0400150008 0a000000 05000000 00000000'],
    ['no matrix', '0400150000'],
    ['half a matrix', '0400150000 0a000000 0500'],
    ['too few elements', '0400150000 09000000 05000000 00000000'],
    ['no columns', '0400150000 0a000000 00000000 00000000'],
    ['more columns than elements', '0400150000 0a000000 0b000000 00000000'],
    ['a start beyond its columns', '0400150000 0a000000 05000000 05000000'],
    ['a matrix without elements', '0400150000 0a000000 05000000 00000000 00000000 00000000 00000000'],
  ])('with %s are refused', (_what, hex) => {
    const parameters = Buffer.from(hex.replaceAll(' ', ''), 'hex')
    expect(outcome(() => codedMatricesParameters(readCodedMatrices(parameters, 40)))).toBe('corrupt')
  })

  it.each([
    ['too few means', packMeans(new Uint8Array(3))],
    ['too many means', packMeans(new Uint8Array(30))],
    ['means that end too early', packMeans(seededNoise(1, 7)).subarray(0, 5)],
    ['bytes after the means', Uint8Array.of(packMeans(seededNoise(1, 7))[0]! + 2, ...packMeans(seededNoise(1, 7)).subarray(1), 0, 0)],
  ])('with %s are refused', (_what, stored) => {
    expect(outcome(() => unpackMeans(stored, { model, matrices: [{ elements: 10, columns: 5, start: 0 }] }).means)).toBe('corrupt')
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
