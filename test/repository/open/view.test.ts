import { describe, expect, test } from 'vitest'
import { encodeIndex } from '../../../src/repository/format/index-object.ts'
import { indexName, packName, tombName } from '../../../src/repository/format/object-names.ts'
import { adoptPacks, openView, readPackTail } from '../../../src/repository/open/view.ts'
import { formatCount } from '../../../src/util/words.ts'
import { rejection } from '../../helpers/failures.ts'
import { rawBlock } from '../../helpers/encode.ts'
import { hexOf, idOf } from '../../helpers/repository/arbitraries.ts'
import { TestStore } from '../../helpers/repository/test-store.ts'

const block = (number: number) => rawBlock(new Uint8Array(10 + number).fill(number), idOf(number))
const gets = (calls: string[], of: string): string[] => calls.filter(call => call.startsWith(`get ${of}`))

describe('openView', () => {
  test('of an absent repository finds nothing, with one listing', async () => {
    const { storage, calls } = new TestStore().watched()
    const view = await openView(storage)
    expect(view).toMatchObject({ activeIndexes: [], unindexedPacks: [], missingPacks: [], problems: [] })
    expect([view.inventory.empty, view.index.size, calls]).toEqual([true, 0, ['list']])
  })

  test('reads the newest index first, and none that it supersedes', async () => {
    const store = new TestStore()
    await store.config()
    const packs = [await store.pack([block(1)]), await store.pack([block(2)]), await store.pack([block(3)])]
    const old = [await store.index([packs[0]!]), await store.index([packs[1]!])]
    const newest = await store.index(packs, old)
    const { storage, calls } = store.watched()
    const view = await openView(storage)
    expect(gets(calls, 'index')).toEqual([`get ${indexName(newest)}`])
    expect(view.activeIndexes.map(({ id }) => id)).toEqual([newest])
    expect(view.supersededIndexes.sort()).toEqual(old.sort())
    for (const number of [1, 2, 3]) expect(view.index.present.find(idOf(number))).toBeGreaterThanOrEqual(0)
  })

  test('takes the union of indexes that do not supersede each other', async () => {
    const store = new TestStore()
    const superseded = await store.index([await store.pack([block(1)])])
    await store.index([await store.pack([block(2)])], [superseded])
    await store.index([await store.pack([block(3)])])
    const { storage, calls } = store.watched()
    const view = await openView(storage)
    expect(gets(calls, 'index').length).toBe(3)
    expect(view.activeIndexes.length).toBe(2)
    expect([1, 2, 3].map(number => view.index.find(idOf(number)) >= 0)).toEqual([false, true, true])
    expect(view.unindexedPacks.length).toBe(1)
  })

  test('notes a damaged index, reads what it had superseded, and packs tell the rest', async () => {
    const store = new TestStore()
    const packs = [await store.pack([block(1)]), await store.pack([block(2)])]
    const old = await store.index([packs[0]!])
    const { id, bytes } = encodeIndex({ packs, supersedes: [old] }, new Uint8Array(16))
    bytes[20]! ^= 1
    await store.put(indexName(id), bytes)
    const view = await openView(store.memory)
    expect(view.problems.map(({ code, message }) => [code, message.slice(0, 18)])).toEqual([['corrupt', `Index ${id.slice(0, 12)}`]])
    expect(view.activeIndexes.map(index => index.id)).toEqual([old])
    expect(view.unindexedPacks).toEqual([packs[1]!.id])
    expect(view.index.find(idOf(2))).toBe(-1)
    expect(await adoptPacks(store.memory, view)).toEqual([packs[1]])
    expect(view.index.present.find(idOf(2))).toBeGreaterThanOrEqual(0)
    expect(view.unindexedPacks).toEqual([])
  })

  test('notes an index entry that makes no sense, and asks its pack instead', async () => {
    const store = new TestStore()
    const [good, bad] = [await store.pack([block(1)]), await store.pack([block(2)])]
    await store.index([good, { ...bad, directoryBytes: Uint8Array.of(7, 7, 7) }])
    const view = await openView(store.memory)
    expect(view.problems[0]!.message).toContain(`The index entry of pack ${bad.id.slice(0, 12)} is damaged`)
    expect(view.unindexedPacks).toEqual([bad.id])
    expect(await adoptPacks(store.memory, view)).toEqual([bad])
    expect([1, 2].map(number => view.index.present.find(idOf(number)) >= 0)).toEqual([true, true])
  })

  test('lists again when an index vanished meanwhile', async () => {
    const store = new TestStore()
    const pack = await store.pack([block(1)])
    const old = await store.index([pack])
    const { storage, calls } = store.watched(({ kind, name }) => {
      if (kind !== 'get' || name !== indexName(old)) return undefined
      void store.memory.remove(name)
      void store.index([pack], [old])
      return { fault: 'error', code: 'not-found' }
    })
    const view = await openView(storage)
    expect(calls.filter(call => call === 'list').length).toBe(2)
    expect(view.index.find(idOf(1))).toBeGreaterThanOrEqual(0)
  })

  test('lists once more, then leaves out what only a lagging listing still shows', async () => {
    const store = new TestStore()
    const pack = await store.pack([block(1)])
    const gone = await store.index([pack])
    const { storage, calls } = store.watched(({ name }) => (name === indexName(gone) ? { fault: 'error', code: 'not-found' } : undefined))
    const view = await openView(storage)
    expect(calls.filter(call => call === 'list').length).toBe(2)
    expect(view.activeIndexes).toEqual([])
    expect(view.unindexedPacks).toEqual([pack.id])
  })

  test('tells packs that are named and not listed, and does not count their chunks', async () => {
    const store = new TestStore()
    const [there, gone] = [await store.pack([block(1)]), await store.pack([block(2)])]
    await store.index([there, gone])
    await store.memory.remove(packName(gone.id))
    const view = await openView(store.memory)
    expect(view.missingPacks.map(({ id }) => id)).toEqual([gone.id])
    expect([1, 2].map(number => view.index.find(idOf(number)) >= 0)).toEqual([true, false])
  })

  test('lets readers use a pack of the wrong size, writers not', async () => {
    const store = new TestStore()
    const pack = await store.pack([block(1)])
    await store.index([pack])
    const bytes = await store.memory.get(packName(pack.id))
    await store.replace(packName(pack.id), bytes.subarray(0, 20))
    const view = await openView(store.memory)
    expect(view.problems[0]!.message).toContain(`it has 20 bytes instead of ${formatCount(pack.size)}`)
    expect([view.index.find(idOf(1)) >= 0, view.index.present.find(idOf(1)) >= 0]).toEqual([true, false])
  })

  test('lets readers use a tombed pack, after all others, and writers not', async () => {
    const store = new TestStore()
    const [tombed, kept] = [await store.pack([block(1), block(2)]), await store.pack([block(1), block(3)])]
    await store.index([tombed, kept])
    await store.tomb({ kind: 'packs', packs: [tombed.id, hexOf(99)] })
    await store.tomb({ kind: 'marker', spent: [kept.id] })
    const view = await openView(store.memory)
    const packOf = (entry: number): string | undefined => (entry < 0 ? undefined : view.index.packs[view.index.packOf(entry)]!.id)
    expect([1, 2, 3].map(number => packOf(view.index.find(idOf(number))))).toEqual([kept.id, tombed.id, kept.id])
    expect([1, 2, 3].map(number => packOf(view.index.present.find(idOf(number))))).toEqual([kept.id, undefined, kept.id])
    expect(view.tombedPacks).toEqual(new Set([tombed.id, hexOf(99)]))
  })

  test('refuses a feature that it does not know, before it reads anything', async () => {
    const store = new TestStore()
    await store.config()
    await store.put('feature-encryption', new Uint8Array(0))
    const { storage, calls } = store.watched()
    expect((await rejection(openView(storage), 'newer-format')).message).toContain('encryption')
    expect(calls).toEqual(['list'])
  })

  test('refuses a newer config and a damaged one', async () => {
    const newer = new TestStore()
    await newer.put('config.json', Buffer.from('{"format": 2}'))
    await rejection(openView(newer.memory), 'newer-format')
    const damaged = new TestStore()
    await damaged.put('config.json', Buffer.from('{"format": '))
    await rejection(openView(damaged.memory), 'corrupt')
  })

  test('tells of a damaged tomb, so that readers can go on and writers stop', async () => {
    const store = new TestStore()
    await store.index([await store.pack([block(1)])])
    await store.put(tombName(hexOf(1)), Buffer.from('{"format": 1, "packs": []}'))
    const view = await openView(store.memory)
    expect(view.damagedTomb).toMatchObject({ code: 'corrupt' })
    expect(view.problems).toEqual([view.damagedTomb])
    expect(view.index.find(idOf(1))).toBeGreaterThanOrEqual(0)
  })

  test('stops when it is interrupted', async () => {
    const { storage, calls } = new TestStore().watched()
    await rejection(openView(storage, { signal: AbortSignal.abort() }), 'interrupted')
    expect(calls).toEqual([])
  })
})

describe('adopting packs', () => {
  /** 3,000 chunks take about 100 KB of directory: more than the first look at a pack's end. */
  const large = Array.from({ length: 3000 }, (_, i) => rawBlock(Uint8Array.of(i), idOf(i)))

  test('reads a directory of any size, and no more than the end of its pack', async () => {
    const store = new TestStore()
    const pack = await store.pack([rawBlock(new Uint8Array(1_000_000), idOf(-1)), ...large])
    const ranges: number[] = []
    const storage = Object.assign(Object.create(store.memory) as typeof store.memory, {
      get: (name: string, range?: { offset: number; length: number }) => (ranges.push(range!.length), store.memory.get(name, range)),
    })
    const view = await openView(storage)
    expect((await adoptPacks(storage, view)).map(({ id }) => id)).toEqual([pack.id])
    expect(ranges).toEqual([64 * 1024, pack.directoryBytes.length + 56])
    expect(view.index.present.find(idOf(2999))).toBeGreaterThanOrEqual(0)
  })

  test('notes what is damaged or cut short, passes over what has vanished, and adopts the rest', async () => {
    const store = new TestStore()
    const packs = [await store.pack(large), await store.pack([block(1)]), await store.pack([block(2)]), await store.pack([block(3)])]
    const names = packs.map(({ id }) => packName(id))
    await store.put(packName(hexOf(7)), new Uint8Array(0))
    await store.put(packName(hexOf(8)), new Uint8Array(70_000))
    const { storage } = store.watched(({ name }) => {
      if (name === names[0]) return { fault: 'truncate', keep: 300 }
      if (name === names[1]) return { fault: 'error', code: 'not-found' }
      if (name === names[2]) return { fault: 'error', code: 'bad-range' }
      return undefined
    })
    const view = await openView(storage)
    expect((await adoptPacks(storage, view)).map(({ id }) => id)).toEqual([packs[3]!.id])
    expect(view.problems.length).toBe(4)
    expect(view.problems.every(({ code }) => code === 'corrupt' || code === 'bad-range')).toBe(true)
  })

  test('does not make a tombed pack one for writers', async () => {
    const store = new TestStore()
    const pack = await store.pack([block(1)])
    await store.tomb({ kind: 'packs', packs: [pack.id] })
    const view = await openView(store.memory)
    await adoptPacks(store.memory, view)
    expect([view.index.find(idOf(1)) >= 0, view.index.present.find(idOf(1)) >= 0]).toEqual([true, false])
  })

  test('fails when the store does', async () => {
    const store = new TestStore()
    await store.pack([block(1)])
    const { storage } = store.watched(({ kind }) => (kind === 'get' ? { fault: 'error', code: 'unavailable' } : undefined))
    const view = await openView(storage)
    await rejection(adoptPacks(storage, view), 'unavailable')
  })

  test('a pack without blocks is one too', async () => {
    const store = new TestStore()
    const pack = await store.pack([])
    expect((await readPackTail(store.memory, pack.id, pack.size)).directory.blocks).toEqual([])
  })
})
