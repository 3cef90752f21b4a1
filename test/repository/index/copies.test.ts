import { expect, test } from 'vitest'
import { decodeDirectory, encodeDirectory, type NewBlock } from '../../../src/repository/format/directory.ts'
import { ChunkIndex } from '../../../src/repository/index/chunk-index.ts'
import { Copies, type CopyColumns } from '../../../src/repository/index/copies.ts'
import { rawBlock } from '../../helpers/encode.ts'
import { hexOf, idOf } from '../../helpers/repository/arbitraries.ts'
import { PLAIN_CHUNKS } from '../../../src/util/chunk-keys.ts'

const plain = (id: number): NewBlock => rawBlock(new Uint8Array(10), idOf(id))
const delta = (id: number, depth: number, ...bases: number[]): NewBlock =>
  rawBlock(new Uint8Array(10), idOf(id), { depth, ids: bases.map(idOf) })

function add(index: ChunkIndex, ...blocks: NewBlock[]): void {
  index.add({ id: hexOf(index.packs.length), size: 1000, writable: true }, decodeDirectory(encodeDirectory(blocks), 'x'))
}

/** The copies in these packs, given by number. */
const inPacks = (index: ChunkIndex, ...packs: number[]): Copies => new Copies(index, entry => packs.includes(index.packOf(entry)))

test('a copy counts if it is usable and each of its bases has a copy of smaller depth that counts', () => {
  const index = new ChunkIndex(PLAIN_CHUNKS)
  add(index, delta(3, 2, 2, 1))
  add(index, delta(2, 1, 1))
  add(index, plain(1))
  add(index, plain(2))
  expect(inPacks(index, 0, 1, 2).find(idOf(3))).toBe(0)
  expect(inPacks(index, 0, 2, 3).basesOf(0)).toEqual([3, 2])
  expect(inPacks(index, 1, 2).find(idOf(3))).toBe(-1)
  expect(Buffer.from(inPacks(index, 0, 1).missingBase(0)!)).toEqual(Buffer.from(idOf(2)))
  expect(Buffer.from(inPacks(index, 0, 3).missingBase(0)!)).toEqual(Buffer.from(idOf(1)))
  expect(inPacks(index, 0, 1, 2, 3).find(idOf(2), 0, 1)).toBe(3)
})

test('what was found about a copy is found anew when the index has grown', () => {
  const index = new ChunkIndex(PLAIN_CHUNKS)
  add(index, delta(2, 1, 1))
  const copies = new Copies(index, () => true)
  expect(copies.find(idOf(2))).toBe(-1)
  add(index, plain(1))
  expect(copies.find(idOf(2))).toBe(0)
})

test('the best copy is the first of least order, by default that of least depth, among those that count', () => {
  const index = new ChunkIndex(PLAIN_CHUNKS)
  add(index, delta(2, 2, 1))
  add(index, delta(2, 1, 1))
  add(index, delta(2, 1, 9))
  expect(index.whole.best(idOf(2))).toBe(-1)
  add(index, plain(1))
  expect(index.whole.best(idOf(2))).toBe(1)
  add(index, plain(2))
  add(index, plain(2))
  expect(index.whole.best(idOf(2))).toBe(4)
  const deepest = new Copies(
    index,
    () => true,
    (_, depth) => 8 - depth,
  )
  expect([deepest.best(idOf(2)), deepest.best(idOf(2), 0, 2), deepest.best(idOf(2), 0, 1)]).toEqual([0, 1, 4])
})

test('many copies of a base are looked at once, however many copies refer to it', () => {
  const MANY = 20_000
  let steps = 0
  // entries 0 to MANY - 1 are copies of one chunk; each of the next MANY is the only copy of a chunk predicted from it
  const index: CopyColumns = {
    size: 2 * MANY,
    find: ids => (ids[0] === 0 ? 0 : MANY + new DataView(ids.buffer).getUint32(4)),
    findNext: entry => (steps++, entry < MANY - 1 ? entry + 1 : -1),
    basesAt: entry => (entry < MANY ? undefined : { depth: 1, ids: [new Uint8Array(8)] }),
  }
  const last = new Copies(
    index,
    entry => entry >= MANY - 1,
    entry => 1 + MANY - (entry % MANY),
  )
  for (let i = 0; i < MANY; i++) {
    const id = Uint8Array.of(1, 0, 0, 0, 0, 0, i >> 8, i & 255)
    expect(last.best(id)).toBe(MANY + i)
    expect(last.basesOf(MANY + i)).toEqual([MANY - 1])
    expect(last.best(new Uint8Array(8), 0, 1)).toBe(MANY - 1)
  }
  expect(steps).toBeLessThan(10 * MANY)
})

test('many copies of a chunk are found in order, also after more were added', () => {
  const MANY = 20_000
  const index = new ChunkIndex(PLAIN_CHUNKS)
  add(index, ...Array.from({ length: MANY / 2 }, () => plain(1)))
  const last = new Copies(index, entry => entry === index.size - 1)
  expect(last.find(idOf(1))).toBe(MANY / 2 - 1)
  add(index, ...Array.from({ length: MANY / 2 }, () => plain(1)))
  for (let i = 0; i < 1000; i++) expect([last.find(idOf(1)), last.best(idOf(1))]).toEqual([MANY - 1, MANY - 1])
})
