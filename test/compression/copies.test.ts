import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBlock, encodeBlock, type BlockRequest } from '../../src/compression/block.ts'
import {
  CODEC_COPIES,
  CODEC_LONG_COPIES,
  CODEC_RAW,
  CODEC_ZSTD,
  decodePart,
  joinCopies,
  joinLongCopies,
} from '../../src/compression/codecs.ts'
import { MAX_BLOCK_BYTES, MAX_LONG_BLOCK_BYTES } from '../../src/compression/limits.ts'
import { loadZstd } from '../../src/compression/load-zstd.ts'
import { equalBytes } from '../../src/util/bytes.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { CODECS, csvLike, KIB, textLike } from './data.ts'

const general: BlockRequest = { level: 'balanced', kind: 'general' }
const concat = (...pieces: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(pieces))

/** A part of codec copies of which every piece is raw. */
const rawCopies = (literals: string, ...numbers: number[][]): Uint8Array =>
  joinCopies([Buffer.from(literals), ...numbers.map(each => Uint8Array.from(each))].map(piece))
const piece = (bytes: Uint8Array): { codec: number; bytes: Uint8Array; plainLength: number } => ({
  codec: CODEC_RAW,
  bytes,
  plainLength: bytes.length,
})
const decodeCopies = (stored: Uint8Array, plainLength: number): Uint8Array =>
  decodePart({ codec: CODEC_COPIES, storedLength: stored.length, plainLength }, stored, undefined)

describe('repeats within a block', () => {
  /** Two texts whose rows are equal but for a few, such as dumps of one database in two dialects, far apart. */
  const rows = Buffer.from(textLike(1, 600 * KIB))
    .toString('latin1')
    .match(/.{1,90}/gs)!
  const dialect = (name: string): Uint8Array => Buffer.from(rows.map((row, i) => (i % 4 === 0 ? `${name}${i} ${row}` : row)).join('\n'))
  const dumps = concat(dialect('insert'), seededNoise(5, 600 * KIB), dialect('INTO'))

  it.each(CODECS)('cost little, however far apart they are, and come back exactly (%s)', async name => {
    const zstd = await loadZstd(name)
    for (const level of ['fast', 'balanced', 'max'] as const) {
      const block = encodeBlock(dumps, { ...general, level }, zstd)
      expect(block.parts.map(({ codec }) => codec)).toEqual([CODEC_COPIES])
      expect(equalBytes(decodeBlock(block, block.bytes, zstd), dumps)).toBe(true)
      expect(block.bytes.length).toBeLessThan(zstd.compress(dumps, zstd.levels[level]).length)
    }
  })

  it.each(CODECS)('are found in what is compressed already (%s)', async name => {
    const zstd = await loadZstd(name)
    const archive = seededNoise(7, 700 * KIB)
    const twice = concat(archive, seededNoise(8, 500 * KIB), archive.subarray(1, 300 * KIB), seededNoise(9, 3), archive.subarray(310 * KIB))
    const block = encodeBlock(twice, { ...general, kind: 'compressed' }, zstd)
    expect(block.bytes.length).toBeLessThan(1.01 * 1200 * KIB)
    expect(equalBytes(decodeBlock(block, block.bytes, zstd), twice)).toBe(true)
  })

  it.each(CODECS)('are left to zstd where there are few, and for archives, which hold zstd alone (%s)', async name => {
    const zstd = await loadZstd(name)
    const codecsOf = (plain: Uint8Array, request: BlockRequest): number[] =>
      encodeBlock(plain, request, zstd).parts.map(({ codec }) => codec)
    expect(codecsOf(csvLike(3, 700 * KIB), general)).toEqual([CODEC_ZSTD])
    expect(codecsOf(dumps, { ...general, withoutCopies: true })).toEqual([CODEC_ZSTD])
  })

  it('come back whatever the content is', async () => {
    const zstd = await loadZstd()
    const part = fc.record({ from: fc.nat(40_000), length: fc.nat(60_000), odd: fc.nat(255) })
    const source = concat(textLike(2, 30_000), seededNoise(3, 30_000), new Uint8Array(40_000))
    fc.assert(
      fc.property(fc.array(part, { minLength: 5, maxLength: 12 }), parts => {
        const plain = concat(...parts.flatMap(({ from, length, odd }) => [source.subarray(from, from + length), Uint8Array.of(odd)]))
        const block = encodeBlock(plain, general, zstd)
        expect(equalBytes(decodeBlock(block, block.bytes, zstd), plain)).toBe(true)
      }),
      { numRuns: 40 },
    )
  })
})

describe('a long block', () => {
  const MIB = 1024 * KIB
  /** Each piece is like the one before: noise, so that the literals take several pieces. */
  const [first, others] = [seededNoise(11, 9 * MIB), seededNoise(12, 3 * MIB)]
  const long = concat(first, others.subarray(0, MIB), first.subarray(1000, 4 * MIB), others.subarray(MIB), Uint8Array.of(1, 2, 3)).subarray(
    0,
    MAX_LONG_BLOCK_BYTES,
  )

  it.each(CODECS)('is stored with its repeats taken out, and comes back exactly (%s)', async name => {
    const zstd = await loadZstd(name)
    const block = encodeBlock(long, { ...general, kind: 'compressed' }, zstd)
    expect(block.parts).toEqual([{ codec: CODEC_LONG_COPIES, storedLength: block.bytes.length, plainLength: long.length }])
    expect(block.bytes.length).toBeLessThan(12 * MIB + 5000)
    expect(equalBytes(decodeBlock(block, block.bytes, zstd), long)).toBe(true)
  })

  it.each(CODECS)('has literals that every codec can decode: 4 MiB at once (%s)', async name => {
    const zstd = await loadZstd(name)
    const text = concat(textLike(5, 6 * MIB), textLike(5, 2 * MIB), seededNoise(4, 99), textLike(6, 3 * MIB))
    for (const level of ['balanced', 'max'] as const) {
      const block = encodeBlock(text, { ...general, level }, zstd)
      expect(equalBytes(decodeBlock(block, block.bytes, await loadZstd('portable')), text)).toBe(true)
    }
  })

  it('comes back without a zstd codec, and if nothing repeats', async () => {
    const noise = seededNoise(14, 5 * MIB)
    expect(encodeBlock(noise, general, await loadZstd()).parts.map(({ codec }) => codec)).toEqual([CODEC_RAW])
    for (const plain of [noise, long, new Uint8Array(MAX_LONG_BLOCK_BYTES), textLike(7, MAX_BLOCK_BYTES + 1)]) {
      const block = encodeBlock(plain, general, undefined)
      expect(equalBytes(decodeBlock(block, block.bytes, undefined), plain)).toBe(true)
    }
  })

  it('has at most 16 MiB, and neither a filter nor a codec that needs as much memory again', async () => {
    const zstd = await loadZstd()
    expect(() => encodeBlock(new Uint8Array(MAX_LONG_BLOCK_BYTES + 1), general, zstd)).toThrow(RangeError)
    const plain = new Uint8Array(MAX_BLOCK_BYTES + 1)
    expect(() => encodeBlock(plain, { ...general, withoutCopies: true }, zstd)).toThrow(RangeError)
    expect(() => encodeBlock(plain, { level: 'balanced', kind: 'tensor' }, zstd)).toThrow(RangeError)
    for (const codec of [CODEC_ZSTD, 2, 3, 4, CODEC_COPIES]) {
      const layout = { filter: 0, parameters: new Uint8Array(0), parts: [{ codec, storedLength: 9, plainLength: plain.length }] }
      expect(() => decodeBlock(layout, new Uint8Array(9), zstd)).toThrow(expect.objectContaining({ code: 'corrupt' }))
    }
    const planes = {
      filter: 1,
      parameters: Uint8Array.of(2, 0),
      parts: [{ codec: CODEC_RAW, storedLength: plain.length, plainLength: plain.length }],
    }
    expect(() => decodeBlock(planes, plain, zstd)).toThrow(expect.objectContaining({ code: 'corrupt' }))
  })
})

describe('a part of codec long copies', () => {
  const decode = (stored: Uint8Array): string =>
    Buffer.from(decodePart({ codec: CODEC_LONG_COPIES, storedLength: stored.length, plainLength: 13 }, stored, undefined)).toString()
  const long = (literals: string[], ...numbers: number[][]): Uint8Array =>
    joinLongCopies(
      literals.map(text => piece(Buffer.from(text))),
      numbers.map(each => piece(Uint8Array.from(each))),
    )

  it('takes its literals from one piece after the other', () => {
    expect(decode(long(['ab', 'cd', 'ef'], [3, 1], [3, 4], [3, 2]))).toBe('abcabcdcdcdef')
    expect(decode(long(['abcdef'], [4, 0], [7, 0], [2, 11]))).toBe('abcdcdcdcdcef')
  })

  it.each([
    ['more pieces of literals than a long block can need', long(['a', 'b', 'c', 'd', 'e', 'f'], [4], [7], [2])],
    ['no pieces of literals', long([], [4], [7], [2])],
    ['literals that it does not use', long(['abcd', 'ef', 'g'], [4], [7], [2])],
    ['literals that end within a piece', long(['abcd', 'efg'], [4], [7], [2])],
    ['too few literals', long(['ab', 'cde'], [4], [7], [2])],
    ['an empty piece', long(['abcd', '', 'ef'], [4], [7], [2])],
  ])('is refused with %s', (_, stored) => {
    expect(() => decode(stored)).toThrow(expect.objectContaining({ code: 'corrupt' }))
  })
})

describe('a part of codec copies', () => {
  it('copies from what was decoded before, also from what the copy itself makes', () => {
    expect(Buffer.from(decodeCopies(rawCopies('abcdef', [4, 0], [7, 2], [2, 11]), 15)).toString()).toBe('abcdcdcdcdcabef')
  })

  it.each([
    ['a copy from before the beginning', rawCopies('abcdef', [4], [7], [5])],
    ['a copy without a distance', rawCopies('abcdef', [4], [7], [0])],
    ['a copy beyond the end', rawCopies('abcdef', [4], [12], [2])],
    ['more literals than there are', rawCopies('abcdef', [7], [6], [2])],
    ['too few bytes', rawCopies('abcdef', [4], [6], [2])],
    ['fewer lengths than gaps', rawCopies('abcdef', [4, 0], [7], [2, 2])],
    ['more distances than gaps', rawCopies('abcdef', [4], [7], [2, 2])],
    ['bytes that follow', concat(rawCopies('abcdef', [4], [7], [2]), Uint8Array.of(1))],
    ['pieces that are longer than it', rawCopies('abcdefghijklmn', [4], [7], [2])],
    ['an empty piece', rawCopies('abcdefghijklm', [], [], [])],
    ['copies within copies', joinCopies([0, 1, 2, 3].map(() => ({ ...piece(rawCopies('abcd', [4], [7], [2])), codec: CODEC_COPIES })))],
  ])('is refused with %s', (_, stored) => {
    expect(() => decodeCopies(stored, 13)).toThrow(expect.objectContaining({ code: 'corrupt' }))
  })

  it('with a codec that is not known was made by a newer program', () => {
    const stored = rawCopies('abcdef', [4], [7], [2])
    stored[0] = 99
    expect(() => decodeCopies(stored, 13)).toThrow(expect.objectContaining({ code: 'newer-format' }))
  })
})
