import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBlock, encodeBlock, type BlockRequest } from '../../src/compression/block.ts'
import { CODEC_COPIES, CODEC_RAW, CODEC_ZSTD, decodePart, joinCopies } from '../../src/compression/codecs.ts'
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
