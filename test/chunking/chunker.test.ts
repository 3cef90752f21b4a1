import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Chunker } from '../../src/chunking/chunker.ts'
import { findCut, gearTableOf, javascriptFastCdc, MAX_CHUNK, MIN_CHUNK } from '../../src/kernels/fastcdc.ts'
import { loadFastCdc } from '../../src/kernels/load-fastcdc.ts'
import { PLAIN_CHUNKS, type ChunkKeys } from '../../src/util/chunk-keys.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { chunkBytes } from '../helpers/encode.ts'
import { seededBytes } from '../helpers/seeded.ts'

const MIB = 1024 * 1024

/** Feeds a file in pieces of these sizes (over and over) and returns copies of its chunks. */
function chunksOf(chunker: Chunker, file: Uint8Array, reads: readonly number[], finalWithData: boolean): Uint8Array[] {
  const chunks: Uint8Array[] = []
  let position = 0
  for (let turn = 0; position < file.length; turn++) {
    const space = chunker.buffer()
    expect(space.length).toBeGreaterThanOrEqual(MIB)
    const piece = file.subarray(position, position + Math.min(reads[turn % reads.length]!, space.length))
    space.set(piece)
    position += piece.length
    for (const chunk of chunker.filled(piece.length, finalWithData && position === file.length)) chunks.push(chunk.slice())
  }
  if (finalWithData && file.length > 0) return chunks
  chunker.buffer()
  for (const chunk of chunker.filled(0, true)) chunks.push(chunk.slice())
  return chunks
}

/**
 * Keys of the two kinds of gear tables with which a long run of zeros is cut before its longest chunk. About one table
 * in 5,000 is such a one.
 */
const CUT_ZEROS_EARLY = [17_879, 4634].map((number): ChunkKeys => {
  const key = Buffer.alloc(32)
  key.writeUInt32LE(number)
  const gear = gearTableOf(text => createHmac('sha256', key).update(text).digest())
  return { ...PLAIN_CHUNKS, id: String(number), gear }
})

function lengths(chunks: readonly Uint8Array[]): number[] {
  return chunks.map(chunk => chunk.length)
}

test.each(CUT_ZEROS_EARLY)('zeros are cut where the kernel would with every gear table (key $id)', keys => {
  const file = Buffer.concat([seededBytes(100_000, 1), Buffer.alloc(2_000_000), seededBytes(100_000, 2)])
  const expected: number[] = []
  for (let at = 0; at < file.length; at += expected.at(-1)!) expected.push(findCut(file, at, file.length, true, keys.gear) - at)
  expect(Math.max(...expected.slice(3, -3))).toBeLessThan(MAX_CHUNK)
  for (const reads of [[MIB], [100_000, 700_001], [file.length]])
    expect(lengths(chunksOf(new Chunker(keys), file, reads, true))).toEqual(expected)
})

test('a chunk has the id that its keys give, zeros too', () => {
  const keys: ChunkKeys = { ...PLAIN_CHUNKS, idOf: bytes => Buffer.from(sha256Hex(Buffer.concat([Buffer.from('key'), bytes])), 'hex') }
  const chunker = new Chunker(keys)
  for (const bytes of [seededBytes(1000, 1), Buffer.alloc(MAX_CHUNK), Buffer.alloc(MAX_CHUNK), Buffer.alloc(MAX_CHUNK - 1)])
    expect(chunker.idOf(bytes)).toEqual(keys.idOf(bytes))
  expect(chunker.idOf(Buffer.alloc(MAX_CHUNK))).not.toEqual(new Chunker(PLAIN_CHUNKS).idOf(Buffer.alloc(MAX_CHUNK)))
})

describe.each([
  ['webassembly', loadFastCdc()],
  ['javascript', javascriptFastCdc()],
])('a chunker on %s', (_kind, kernel) => {
  const chunker = new Chunker(PLAIN_CHUNKS, kernel)

  test('cuts zeros where the kernel would, wherever they begin and end', () => {
    for (const [before, zeros, after] of [
      [0, 0, 0],
      [0, MAX_CHUNK, 0],
      [0, 3 * MAX_CHUNK - 1, 0],
      [0, 3 * MAX_CHUNK + 1, 100_000],
      [100_000, 3_000_000, 100_000],
      [1, 12_000_000, 1],
    ] as const) {
      const file = Buffer.concat([seededBytes(before, 1), Buffer.alloc(zeros), seededBytes(after, 2)])
      const expected = lengths(chunkBytes(file))
      for (const reads of [[MIB], [100_000, 700_001]])
        for (const finalWithData of [true, false]) expect(lengths(chunksOf(chunker, file, reads, finalWithData))).toEqual(expected)
    }
  })

  test('cuts by content alone, however reads are split, file after file', () => {
    const noise = seededBytes(1_500_000, 11)
    fc.assert(
      fc.property(
        fc.nat(1_000_000),
        fc.oneof(fc.nat(40_000), fc.nat(500_000)),
        fc.array(fc.oneof(fc.integer({ min: 1000, max: 20_000 }), fc.integer({ min: 1, max: 600_000 })), { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        (from, length, reads, finalWithData) => {
          // without a lower bound on the mean, single-byte reads make this test slow and prove nothing more
          fc.pre(reads.some(size => size >= 1000))
          const file = noise.subarray(from, from + length)
          const chunks = chunksOf(chunker, file, reads, finalWithData)
          expect(lengths(chunks)).toEqual(lengths(chunkBytes(file)))
          expect(Buffer.concat(chunks).equals(file)).toBe(true)
          for (const [i, chunk] of chunks.entries()) {
            expect(chunk.length).toBeLessThanOrEqual(MAX_CHUNK)
            if (i < chunks.length - 1) expect(chunk.length).toBeGreaterThan(MIN_CHUNK)
          }
        },
      ),
      { numRuns: 40, seed: 20_261_123 },
    )
  })

  test('goes on when its window is full', () => {
    const file = seededBytes(20 * MIB + 17, 12)
    const expected = lengths(chunkBytes(file))
    for (const read of [Infinity, 1_000_003]) {
      const chunks = chunksOf(chunker, file, [read], true)
      expect(lengths(chunks)).toEqual(expected)
      expect(Buffer.concat(chunks).equals(file)).toBe(true)
    }
  })

  test('hands out views of its window, not copies', () => {
    const space = chunker.buffer()
    space.set(seededBytes(400_000, 13))
    for (const chunk of chunker.filled(400_000, true)) expect(chunk.buffer).toBe(kernel.window.buffer)
  })

  test('gives small files one chunk and empty files none', () => {
    for (const size of [0, 1, MIN_CHUNK - 1, MIN_CHUNK, 0]) {
      const file = seededBytes(size, size)
      expect(chunksOf(chunker, file, [MIB], true)).toEqual(size === 0 ? [] : [file])
    }
  })

  test('forgets a file that broke off', () => {
    chunker.buffer().fill(1, 0, 500_000)
    chunker.filled(300_000, false)
    chunker.reset()
    const file = seededBytes(5000, 14)
    expect(chunksOf(chunker, file, [MIB], true)).toEqual([file])
  })

  test('refuses more bytes than fit', () => {
    const space = chunker.buffer()
    expect(() => chunker.filled(space.length + 1, true)).toThrow(RangeError)
    expect(() => chunker.filled(-1, true)).toThrow(RangeError)
  })
})

describe('chunkBytes', () => {
  test('covers its input with views', () => {
    const bytes = seededBytes(900_000, 15)
    const chunks = chunkBytes(bytes)
    expect(chunks.length).toBeGreaterThan(5)
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
    for (const chunk of chunks) expect(chunk.buffer).toBe(bytes.buffer)
    expect(chunkBytes(new Uint8Array(0))).toEqual([])
  })

  test('scattered insertions leave most chunks as they were', () => {
    const size = 16 * MIB
    const insertions = 25
    const original = seededBytes(size, 16)
    const known = new Set(chunkBytes(original).map(sha256Hex))
    const pieces: Uint8Array[] = []
    for (let i = 0, from = 0; i <= insertions; i++) {
      const to = i === insertions ? size : Math.floor(((i + 0.37) * size) / insertions)
      pieces.push(original.subarray(from, to), Uint8Array.of(i))
      from = to
    }
    const edited = Buffer.concat(pieces)
    let kept = 0
    for (const chunk of chunkBytes(edited)) if (known.has(sha256Hex(chunk))) kept += chunk.length
    expect(kept / edited.length).toBeGreaterThan(0.8)
    expect(kept).toBeLessThan(edited.length)
  })
})
