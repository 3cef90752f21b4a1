import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeDirectory, encodeDirectory, type NewBlock } from '../../../src/repository/format/directory.ts'
import { ChunkIndex } from '../../../src/repository/index/chunk-index.ts'
import type { RepositoryView } from '../../../src/repository/open/view.ts'
import { Presence } from '../../../src/repository/push/presence.ts'
import { rawBlock } from '../../helpers/encode.ts'
import { anyBlocks, hexOf, idOf } from '../../helpers/repository/arbitraries.ts'
import { PLAIN_CHUNKS } from '../../../src/util/chunk-keys.ts'

function add(index: ChunkIndex, pack: number, writable: boolean, blocks: readonly NewBlock[]): void {
  index.add({ id: hexOf(pack), size: 1000, writable }, decodeDirectory(encodeDirectory(blocks), 'x'))
}

/** A chunk that is predicted from others. */
const delta = (id: number, depth: number, bases: readonly number[]): NewBlock =>
  rawBlock(new Uint8Array(10), idOf(id), { depth, ids: bases.map(idOf) })
const plain = (id: number): NewBlock => rawBlock(new Uint8Array(10), idOf(id))

const packOfPresent = (index: ChunkIndex, id: number): string | undefined => {
  const entry = index.present.find(idOf(id))
  return entry < 0 ? undefined : index.packs[index.packOf(entry)]!.id
}

describe('a chunk index', () => {
  test('tells of every chunk where it lies, copy by copy, in the order of packs', () => {
    fc.assert(
      fc.property(fc.array(anyBlocks, { maxLength: 4 }), fc.nat(20), (packs, expected) => {
        const index = new ChunkIndex(PLAIN_CHUNKS, expected)
        const places = new Map<string, string[]>()
        packs.forEach((blocks, pack) => {
          add(index, pack, true, blocks)
          let storedAt = 0
          for (const { block, chunkIds, chunkLengths } of blocks) {
            let offset = 0
            for (const [chunk, length] of chunkLengths.entries()) {
              const id = Buffer.from(chunkIds).toString('hex', chunk * 32, chunk * 32 + 32)
              places.set(id, [...(places.get(id) ?? []), `${pack} ${storedAt} ${offset} ${length}`])
              offset += length
            }
            storedAt += block.bytes.length
          }
        })
        for (const [id, expectedPlaces] of places) {
          const found: string[] = []
          for (let entry = index.find(Buffer.from(id, 'hex')); entry >= 0; entry = index.findNext(entry)) {
            const { block, offset, length } = index.location(entry)
            expect(index.length(entry)).toBe(length)
            expect(index.packOf(entry)).toBe(index.blocks[block]!.pack)
            expect(Buffer.from(index.id(entry)).toString('hex')).toBe(id)
            found.push(`${index.packOf(entry)} ${index.blocks[block]!.offset} ${offset} ${length}`)
          }
          expect(found).toEqual(expectedPlaces)
        }
        packs.forEach((blocks, pack) => {
          const { first, end } = index.blocksOf(pack)
          expect(end - first).toBe(blocks.length)
          for (let block = first; block < end; block++) expect(index.blocks[block]!.pack).toBe(pack)
        })
      }),
      { seed: 1, numRuns: 60 },
    )
  })

  test('a chunk is present for a writer in a writable pack only', () => {
    const index = new ChunkIndex(PLAIN_CHUNKS)
    add(index, 1, false, [plain(1), plain(2)])
    add(index, 2, true, [plain(2)])
    expect([packOfPresent(index, 1), packOfPresent(index, 2), packOfPresent(index, 3)]).toEqual([undefined, hexOf(2), undefined])
    expect(index.find(idOf(1))).toBeGreaterThanOrEqual(0)
  })

  test('a chunk with bases is present while all its bases are, all the way down', () => {
    const index = new ChunkIndex(PLAIN_CHUNKS)
    add(index, 1, true, [delta(3, 2, [2, 1]), delta(2, 1, [1])])
    expect(packOfPresent(index, 3)).toBeUndefined()
    add(index, 2, false, [plain(1)])
    expect(packOfPresent(index, 2)).toBeUndefined()
    add(index, 3, true, [plain(1)])
    expect([packOfPresent(index, 2), packOfPresent(index, 3)]).toEqual([hexOf(1), hexOf(1)])
  })

  test('where the first copy lacks a base another copy serves', () => {
    const index = new ChunkIndex(PLAIN_CHUNKS)
    add(index, 1, true, [delta(2, 1, [9])])
    add(index, 2, true, [plain(2)])
    expect(packOfPresent(index, 2)).toBe(hexOf(2))
  })

  test('a base is a copy of smaller depth', () => {
    const index = new ChunkIndex(PLAIN_CHUNKS)
    add(index, 1, true, [delta(2, 1, [1]), delta(1, 1, [5]), plain(5)])
    expect(packOfPresent(index, 1)).toBe(hexOf(1))
    expect(packOfPresent(index, 2)).toBeUndefined()
  })

  test('a circle of bases is absent, also where every chunk has many copies', () => {
    const index = new ChunkIndex(PLAIN_CHUNKS)
    for (let copy = 0; copy < 50; copy++) {
      add(index, copy, true, [delta(1, 1 + (copy % 8), [2]), delta(2, 1 + (copy % 8), [1]), delta(3, 1 + (copy % 8), [3])])
    }
    for (const id of [1, 2, 3]) expect(packOfPresent(index, id)).toBeUndefined()
  })
})

describe('presence', () => {
  const presenceOf = (index: ChunkIndex): Presence => new Presence({ index } as RepositoryView)

  test('counts the packs of a chunk and of all its bases as used', () => {
    const index = new ChunkIndex(PLAIN_CHUNKS)
    add(index, 1, true, [delta(3, 2, [2])])
    add(index, 2, true, [delta(2, 1, [1]), plain(7)])
    add(index, 3, true, [plain(1)])
    add(index, 4, true, [plain(1), plain(8)])
    const presence = presenceOf(index)
    expect([presence.use(idOf(9)), presence.usedPacks()]).toEqual([false, []])
    expect([presence.use(Buffer.concat([idOf(9), idOf(7)]), 32), presence.usedPacks()]).toEqual([true, [1]])
    expect([presence.use(idOf(3)), presence.usedPacks().sort()]).toEqual([true, [0, 1, 2]])
  })

  test('ends where copies of two chunks lean on each other', () => {
    const index = new ChunkIndex(PLAIN_CHUNKS)
    add(index, 1, true, [delta(1, 2, [2]), delta(2, 1, [1])])
    add(index, 2, true, [plain(1)])
    const presence = presenceOf(index)
    expect(presence.use(idOf(1))).toBe(true)
    expect(presence.usedPacks().sort()).toEqual([0, 1])
  })

  test('ends soon where every chunk has 64 bases, eight levels deep', () => {
    const index = new ChunkIndex(PLAIN_CHUNKS)
    const level = (depth: number): number[] => Array.from({ length: 64 }, (_, i) => depth * 64 + i)
    add(index, 1, true, level(0).map(plain))
    for (let depth = 1; depth <= 8; depth++)
      add(
        index,
        1 + depth,
        true,
        level(depth).map(id => delta(id, depth, level(depth - 1))),
      )
    const presence = presenceOf(index)
    expect(presence.use(idOf(8 * 64))).toBe(true)
    expect(presence.usedPacks().length).toBe(9)
  })
})
