import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeIndex, type IndexedPack } from '../../../src/repository/format/index-object.ts'
import { MAX_INDEX_BYTES } from '../../../src/repository/format/limits.ts'
import { openView, type RepositoryView } from '../../../src/repository/open/view.ts'
import { bytesInIndex, chooseMerges, IndexWriter } from '../../../src/repository/write/index-writer.ts'
import { rejection } from '../../helpers/failures.ts'
import { hexOf } from '../../helpers/repository/arbitraries.ts'
import { surroundings } from '../../helpers/repository/test-store.ts'
import { seededRandom } from '../../helpers/seeded.ts'
import { FaultyStorage } from '../../helpers/storage/faulty.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'

const MiB = 1024 * 1024
/** With so many indexes, the list of superseded ones alone is larger than a small index. */
const PUSHES = 1200
type Active = RepositoryView['activeIndexes'][number]

/** A pack whose directory takes so many bytes. It is never decoded, because the pack is not listed. */
const packOf = (number: number, directoryBytes: number): IndexedPack => ({
  id: hexOf(number),
  size: 1000,
  directoryBytes: new Uint8Array(directoryBytes).fill(number & 0xff),
})

const indexOf = (number: number, directoryBytes: number): Active => ({
  id: hexOf(number),
  size: directoryBytes + 60,
  packs: [packOf(number, directoryBytes)],
  supersedes: [],
})

/** Indexes of a store as a reader finds them. */
async function indexesIn(storage: MemoryStorage): Promise<{ packs: string[]; active: Active[]; listed: number; largest: number }> {
  const view = await openView(storage)
  const sizes = [...view.inventory.indexes.values()].map(({ size }) => size)
  const packs = view.activeIndexes.flatMap(index => index.packs.map(pack => pack.id))
  return { packs, active: view.activeIndexes, listed: sizes.length, largest: Math.max(...sizes) }
}

describe('which indexes a new one takes in', () => {
  test('fit it together, are the smallest, and all small ones among them', () => {
    const size = fc.oneof(fc.integer({ min: 1, max: 40_000 }), fc.integer({ min: 40_000, max: 4 * MiB }))
    fc.assert(
      fc.property(fc.array(size, { maxLength: 20 }), size, (sizes, own) => {
        const active = sizes.map((bytes, i) => indexOf(i, bytes))
        const chosen = chooseMerges(active, own)
        const weigh = (index: Active): number => bytesInIndex(index.packs)
        const total = chosen.reduce((sum, index) => sum + weigh(index), own)
        expect(total).toBeLessThanOrEqual(Math.max(own, MAX_INDEX_BYTES))
        const left = active.filter(index => !chosen.includes(index))
        const largest = Math.max(0, ...chosen.map(weigh))
        for (const index of left) {
          expect(weigh(index)).toBeGreaterThanOrEqual(largest)
          expect(weigh(index) > Math.max(32 * 1024, 4 * total) || total + weigh(index) > MAX_INDEX_BYTES).toBe(true)
        }
      }),
      { seed: 1, numRuns: 100 },
    )
  })
})

describe('1,200 pushes', () => {
  test.each([
    ['of one small pack each', () => 200],
    ['now small, now large', (random: () => number) => (random() < 0.05 ? 60_000 : 100 + Math.floor(random() * 2000))],
  ])('%s leave few indexes, lose no pack, and write little more than they say', async (_, sizeOf) => {
    let now = 0
    const storage = new MemoryStorage({ now: () => ++now })
    const random = seededRandom(1)
    const empty = await openView(storage)
    let active: Active[] = []
    let superseded: string[] = []
    const total = { content: 0, written: 0, mostActive: 0 }
    for (let push = 0; push < PUSHES; push++) {
      const pack = packOf(push, sizeOf(random))
      total.content += bytesInIndex([pack])
      // the state that the next push finds, kept up without reading the whole store a thousand times
      const store = {
        ...storage,
        put: (name: string, bytes: Uint8Array) => {
          const id = name.slice('index-'.length)
          const index = decodeIndex(bytes, id)
          total.written += bytes.length
          active = [...active.filter(old => !index.supersedes.includes(old.id)), { id, size: bytes.length, ...index }]
          superseded = index.supersedes
          return storage.put(name, bytes)
        },
      } as unknown as MemoryStorage
      await new IndexWriter(store, { ...empty, activeIndexes: active, supersededIndexes: superseded }, surroundings()).write([pack])
      total.mostActive = Math.max(total.mostActive, active.length)
      // the newest index alone shows which of the others need not be read
      expect(new Set([...superseded, ...active.map(({ id }) => id)]).size).toBe(push + 1)
    }
    const found = await indexesIn(storage)
    expect(found.active.map(({ id }) => id).sort()).toEqual(active.map(({ id }) => id).sort())
    expect([new Set(found.packs).size, found.packs.length, found.listed]).toEqual([PUSHES, PUSHES, PUSHES])
    expect(total.mostActive).toBeLessThanOrEqual(8)
    // every push rewrites small indexes; larger entries are rewritten as often as sizes double; and every index repeats
    // 32 bytes for each superseded one
    const rewritten = PUSHES * 32 * 1024 + total.content * Math.log2(PUSHES)
    const repeated = (PUSHES * PUSHES * 32) / 2
    expect(total.written).toBeLessThan(rewritten + repeated)
  })
})

describe('an index writer', () => {
  test('splits what does not fit one index, and each stays below the limit', async () => {
    const storage = new MemoryStorage()
    const packs = Array.from({ length: 9 }, (_, i) => packOf(i, 3 * MiB))
    await new IndexWriter(storage, await openView(storage), surroundings()).write(packs)
    const found = await indexesIn(storage)
    expect(found.packs.sort()).toEqual(packs.map(({ id }) => id).sort())
    expect(found.listed).toBe(2)
    expect(found.largest).toBeLessThanOrEqual(MAX_INDEX_BYTES + 4096)
  })

  test('takes in its own earlier indexes, and runs calls one after the other', async () => {
    const storage = new MemoryStorage()
    const writer = new IndexWriter(storage, await openView(storage), surroundings())
    await Promise.all(Array.from({ length: 10 }, (_, i) => writer.write([packOf(i, 100)])))
    const { packs, active, listed } = await indexesIn(storage)
    expect([packs.length, new Set(packs).size, active.length, listed]).toEqual([10, 10, 1, 10])
  })

  test('names a pack once, however often it is told of it', async () => {
    const storage = new MemoryStorage()
    const writer = new IndexWriter(storage, await openView(storage), surroundings())
    await writer.write([packOf(1, 100)])
    await writer.write([packOf(1, 100), packOf(2, 100)])
    expect((await indexesIn(storage)).packs.sort()).toEqual([hexOf(1), hexOf(2)].sort())
  })

  test('that could not store an index supersedes nothing by it, and can go on', async () => {
    const memory = new MemoryStorage()
    const faulty = new FaultyStorage(memory, ({ kind, nth }) =>
      kind === 'put' && nth === 2 ? { fault: 'error', code: 'unavailable' } : undefined,
    )
    const writer = new IndexWriter(faulty, await openView(memory), surroundings())
    await writer.write([packOf(1, 100)])
    await rejection(writer.write([packOf(2, 100)]), 'unavailable')
    await writer.write([packOf(2, 100), packOf(3, 100)])
    expect((await indexesIn(memory)).packs.sort()).toEqual([1, 2, 3].map(hexOf).sort())
  })

  test('of nothing writes nothing', async () => {
    const storage = new MemoryStorage()
    await new IndexWriter(storage, await openView(storage), surroundings()).write([])
    expect((await storage.list()).objects).toEqual([])
  })
})
