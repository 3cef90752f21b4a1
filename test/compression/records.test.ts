import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type BlockRequest, decodeBlock, encodeBlock } from '../../src/compression/block.ts'
import { FILTER_RECORD_DELTAS, FILTER_RECORDS } from '../../src/compression/filters.ts'
import { loadZstd } from '../../src/compression/load-zstd.ts'
import { CHANGES, joinRecords, readRecordShape, type SplitField, splitRecords } from '../../src/compression/records.ts'
import { type ElementType, recordLength, type RecordField } from '../../src/util/element-type.ts'
import { equalBytes } from '../../src/util/bytes.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { quantisedLike } from '../helpers/quantised.ts'
import { CODECS, deflated, MIB, textLike } from './data.ts'

const zstd = loadZstd()

const width = fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const)
const field: fc.Arbitrary<SplitField> = fc
  .record({ width, count: fc.integer({ min: 1, max: 12 }), change: fc.constantFrom(...CHANGES) })
  .map(each => (each.width === 1 && each.change === 'rotated' ? { ...each, change: 'steps' } : each))
const content = fc
  .record({ make: fc.constantFrom(textLike, seededNoise, deflated), seed: fc.nat(99), length: fc.integer({ min: 1, max: 6000 }) })
  .map(({ make, seed, length }) => new Uint8Array(make(seed, length)))

describe('filters 7 and 9', () => {
  it('give every bit back, with any fields, from any byte on, with a base and without', () => {
    fc.assert(
      fc.property(fc.array(field, { minLength: 1, maxLength: 8 }), fc.nat(), content, content, (fields, at, plain, other) => {
        const start = at % recordLength(fields)
        const base = Uint8Array.from(plain, (byte, i) => byte ^ (other[i % other.length]! & 3))
        const split = splitRecords(plain, { start, fields }, base)
        expect(split.filter).toBe(FILTER_RECORD_DELTAS)
        expect(split.planes.every(({ length }) => length > 0)).toBe(true)
        expect(readRecordShape(split.filter, split.parameters)).toEqual({ start, fields })
        expect(equalBytes(joinRecords(split, base), plain)).toBe(true)
        const alone = fields.map(each => ({ ...each, change: each.change === 'delta' ? ('none' as const) : each.change }))
        expect(equalBytes(joinRecords(splitRecords(plain, { start, fields: alone })), plain)).toBe(true)
      }),
      { numRuns: 200 },
    )
  })

  it('refuse parameters, parts and bases that they cannot have', () => {
    const good = [0, 0, 2, 1, 0]
    const planes = [new Uint8Array(5), new Uint8Array(5)]
    const join =
      (filter: number, parameters: number[], parts = planes, base?: Uint8Array) =>
      () =>
        joinRecords({ filter, parameters: Uint8Array.from(parameters), planes: parts }, base)
    expect(join(FILTER_RECORDS, good)()).toHaveLength(10)
    expect(join(FILTER_RECORDS, [...good, 3])()).toHaveLength(10)
    const wrong = [
      [],
      [0],
      [0, 0],
      [0, 0, 2],
      [0, 0, 2, 1],
      [2, 0, 2, 1, 0],
      [0, 0, 3, 1, 0],
      [0, 0, 0, 1, 0],
      [0, 0, 2, 0, 0],
      [0, 0, 0x11, 2, 0],
      [0, 0, 0x32, 1, 0],
      [0, 0, 0x42, 1, 0],
      [...good, 2, 1],
      [0, 0, ...Array.from({ length: 16 }, () => [8, 1, 0]).flat()],
    ]
    for (const parameters of wrong) expect(join(FILTER_RECORDS, parameters)).toThrow('is damaged')
    expect(join(FILTER_RECORDS, good, [new Uint8Array(5), new Uint8Array(4)])).toThrow('is damaged')
    expect(join(FILTER_RECORDS, good, [])).toThrow('is damaged')
    expect(join(FILTER_RECORDS, good, [new Uint8Array(5)])).toThrow('is damaged')
    expect(join(FILTER_RECORD_DELTAS, [0, 0, 0x32, 1, 0])).toThrow('is damaged')
    expect(join(FILTER_RECORD_DELTAS, [0, 0, 0x32, 1, 0], planes, new Uint8Array(9))).toThrow('is damaged')
    expect(join(FILTER_RECORD_DELTAS, [0, 0, 0x32, 1, 0], planes, new Uint8Array(10))()).toHaveLength(10)
  })
})

const request = (record: readonly RecordField[], start = 0, base?: Uint8Array): BlockRequest => ({
  level: 'balanced',
  kind: 'tensor',
  element: { width: 1, kind: 'unknown', record },
  start,
  base: base && { relation: 'delta', bytes: base },
})

const unsplit: ElementType = { width: 1, kind: 'unknown' }

describe('a block of records', () => {
  it.each(CODECS)('of quantised weights is smaller, also if it begins within one (%s)', async name => {
    const codec = await loadZstd(name)
    for (const [type, most] of [
      ['Q8_0', 0.95],
      ['Q4_0', 0.94],
      ['Q4_K', 0.97],
    ] as const) {
      const { bytes, record } = quantisedLike(type, 1, MIB / 2)
      for (const start of [0, 11]) {
        const plain = bytes.subarray(recordLength(record) - start)
        const block = encodeBlock(plain, request(record, start), codec)
        const whole = encodeBlock(plain, { level: 'balanced', kind: 'tensor', element: unsplit }, codec)
        expect(block.filter).toBe(FILTER_RECORDS)
        expect(block.bytes.length).toBeLessThan(most * plain.length)
        expect(block.bytes.length).toBeLessThan(0.985 * whole.bytes.length)
        expect(equalBytes(decodeBlock(block, block.bytes, codec), plain)).toBe(true)
      }
    }
  })

  it('of several types has a stream for each byte of a field, and counters become steps', async () => {
    const record: RecordField[] = [
      { width: 8, count: 1, kind: 'int' },
      { width: 4, count: 3, kind: 'float' },
      { width: 1, count: 4, kind: 'unknown' },
    ]
    const count = 10_000
    const plain = new Uint8Array(24 * count)
    const view = new DataView(plain.buffer)
    const noise = seededNoise(1, 2 * count)
    for (let i = 0; i < count; i++) {
      view.setBigUint64(24 * i, 1_764_000_000_000_000_000n + BigInt(i) * 20_000_000n + BigInt(noise[i]!), true)
      for (let k = 0; k < 3; k++) view.setFloat32(24 * i + 8 + 4 * k, Math.sin(i * (k + 1)) / (1 + noise[i]!), true)
      plain.set([65, 66, 48 + (noise[count + i]! % 10), 0], 24 * i + 20)
    }
    const block = encodeBlock(plain, request(record), await zstd)
    const whole = encodeBlock(plain, { level: 'balanced', kind: 'tensor', element: unsplit }, await zstd)
    expect(readRecordShape(block.filter, block.parameters).fields[0]!.change).toBe('steps')
    expect(block.bytes.length).toBeLessThan(0.8 * whole.bytes.length)
    expect(equalBytes(decodeBlock(block, block.bytes, await zstd), plain)).toBe(true)
  })

  it('that resembles its base is stored as differences, and never larger than without fields', async () => {
    const { bytes: plain, record } = quantisedLike('Q8_0', 1, MIB / 2)
    const noise = seededNoise(3, plain.length)
    const base = plain.map((byte, i) => (noise[i]! < 60 ? byte + (noise[i]! % 3) - 1 : byte))
    const block = encodeBlock(plain, request(record, 0, base), await zstd)
    const bytewise = encodeBlock(plain, { ...request(record, 0, base), element: unsplit }, await zstd)
    expect(block.bytes.length).toBeLessThanOrEqual(1.005 * bytewise.bytes.length)
    expect(equalBytes(decodeBlock(block, block.bytes, await zstd, base), plain)).toBe(true)
  })
})
