import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isEntryName, isObjectName, MAX_OBJECT_BYTES } from '../../src/storage/storage.ts'
import type { ByteRange, Storage, StoredObject } from '../../src/storage/storage.ts'
import { isAppError } from '../../src/util/errors.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { codeOf } from '../helpers/failures.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { checkAgainstModel, commands } from './storage-model.ts'

/** Gives `use` an empty store, which need not exist yet, and cleans up afterwards. */
export type StorageFactory = (use: (storage: Storage) => Promise<void>) => Promise<void>

/** The clock that a store stamps its listings with may be this much coarser (ms) than the one for its objects. */
const CLOCK_GRAIN_MS = 1000

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

/** A store may tell checksums or not. */
function withoutHash({ name, size, created }: StoredObject): StoredObject {
  return { name, size, created }
}

/**
 * The promises of `Storage`, as every backend and every decorator must keep them. `longestName`: of names that no
 * repository has.
 */
export function describeStorageContract(name: string, factory: StorageFactory, longestName = 250): void {
  const it = (promise: string, check: (storage: Storage) => Promise<void>) => test(promise, () => factory(check))
  const names = async (storage: Storage) => (await storage.list()).objects.map(object => object.name).sort()

  describe(`storage contract: ${name}`, () => {
    it('has a location to show', async storage => {
      expect(storage.location).not.toBe('')
    })

    it('is an empty listing while absent', async storage => {
      const { asOf, objects } = await storage.list()
      expect(objects).toEqual([])
      expect(Number.isSafeInteger(asOf) && asOf > 0).toBe(true)
    })

    it('returns what was put, whole', async storage => {
      for (const length of [0, 1, 1000, 1_500_000]) {
        await storage.put(`object-${length}`, seededBytes(length, length))
        expect(same(await storage.get(`object-${length}`), seededBytes(length, length))).toBe(true)
      }
    })

    it('returns exactly the range asked for', async storage => {
      const bytes = seededBytes(1000, 1)
      await storage.put('a', bytes)
      const ranges: [ByteRange, Uint8Array][] = [
        [{ offset: 0, length: 1000 }, bytes],
        [{ offset: 0, length: 1 }, bytes.slice(0, 1)],
        [{ offset: 300, length: 200 }, bytes.slice(300, 500)],
        [{ offset: 999, length: 1 }, bytes.slice(999)],
        [{ offset: -1, length: 1 }, bytes.slice(999)],
        [{ offset: -1000, length: 1000 }, bytes],
        [{ offset: -100, length: 40 }, bytes.slice(900, 940)],
        [{ offset: 500, length: 0 }, bytes.slice(0, 0)],
        [{ offset: 1000, length: 0 }, bytes.slice(0, 0)],
      ]
      for (const [range, expected] of ranges) expect(same(await storage.get('a', range), expected), JSON.stringify(range)).toBe(true)
    })

    it('refuses a range that the object does not have', async storage => {
      await storage.put('a', seededBytes(1000, 1))
      await storage.put('empty', new Uint8Array(0))
      const ranges: [string, ByteRange][] = [
        ['a', { offset: 0, length: 1001 }],
        ['a', { offset: 999, length: 2 }],
        ['a', { offset: 1001, length: 0 }],
        ['a', { offset: -1001, length: 1 }],
        ['a', { offset: -10, length: 11 }],
        ['empty', { offset: 0, length: 1 }],
        ['empty', { offset: -1, length: 1 }],
        ['a', { offset: 0, length: -1 }],
        ['a', { offset: 0.5, length: 1 }],
      ]
      for (const [object, range] of ranges) expect(await codeOf(storage.get(object, range)), JSON.stringify(range)).toBe('bad-range')
    })

    it('knows what it does not hold', async storage => {
      expect(await codeOf(storage.get('a'))).toBe('not-found')
      await storage.put('b', seededBytes(3, 1))
      expect(await codeOf(storage.get('a'))).toBe('not-found')
      expect(await codeOf(storage.get('a', { offset: 0, length: 1 }))).toBe('not-found')
    })

    it('keeps its own copy of the bytes', async storage => {
      const around = Buffer.concat([Buffer.alloc(7), seededBytes(100, 1), Buffer.alloc(7)])
      const given = around.subarray(7, 107)
      await storage.put('a', given)
      given.fill(0)
      const first = await storage.get('a')
      expect(same(first, seededBytes(100, 1))).toBe(true)
      first.fill(0)
      expect(same(await storage.get('a'), seededBytes(100, 1))).toBe(true)
    })

    it('answers with bytes that `slice` copies, whatever was put', async storage => {
      await storage.put('a', Buffer.from(seededBytes(100, 1)))
      const bytes = await storage.get('a')
      bytes.slice(0, 1).fill(bytes[0]! ^ 255)
      expect(same(bytes, seededBytes(100, 1))).toBe(true)
    })

    it('lists names, sizes and the creation times it answered with', async storage => {
      const expected = []
      for (const length of [0, 10, 500]) {
        const { created } = await storage.put(`object-${length}`, seededBytes(length, 1))
        expect(Number.isSafeInteger(created) && created > 0).toBe(true)
        expected.push({ name: `object-${length}`, size: length, created })
      }
      const { objects } = await storage.list()
      expect(objects.sort((a, b) => a.size - b.size).map(withoutHash)).toEqual(expected)
      for (const { size, sha256 } of objects) if (sha256 !== undefined) expect(sha256).toBe(sha256Hex(seededBytes(size, 1)))
    })

    it('stamps listings and objects by one clock that does not run backwards', async storage => {
      const before = await storage.list()
      const first = await storage.put('a', seededBytes(1, 1))
      const between = await storage.list()
      const second = await storage.put('b', seededBytes(2, 1))
      expect(first.created).toBeGreaterThanOrEqual(before.asOf)
      expect(between.asOf).toBeGreaterThan(first.created - CLOCK_GRAIN_MS)
      expect(second.created).toBeGreaterThanOrEqual(between.asOf)
      expect(second.created).toBeGreaterThanOrEqual(first.created)
    })

    it('takes equal bytes again as done, and never overwrites others', async storage => {
      const { created } = await storage.put('a', seededBytes(100, 1))
      expect(await storage.put('a', seededBytes(100, 1))).toEqual({ created })
      expect(await codeOf(storage.put('a', seededBytes(100, 2)))).toBe('conflict')
      expect(await codeOf(storage.put('a', seededBytes(99, 1)))).toBe('conflict')
      expect(await codeOf(storage.put('a', new Uint8Array(0)))).toBe('conflict')
      expect(same(await storage.get('a'), seededBytes(100, 1))).toBe(true)
      expect((await storage.list()).objects.map(withoutHash)).toEqual([{ name: 'a', size: 100, created }])
    })

    it('removes for good; what is absent is removed already', async storage => {
      await storage.remove('a')
      await storage.put('a', seededBytes(10, 1))
      await storage.put('b', seededBytes(10, 1))
      await storage.remove('a')
      expect(await names(storage)).toEqual(['b'])
      expect(await codeOf(storage.get('a'))).toBe('not-found')
      await storage.remove('a')
      await storage.put('a', seededBytes(11, 1))
      expect(same(await storage.get('a'), seededBytes(11, 1))).toBe(true)
    })

    it('takes many puts side by side', async storage => {
      const all = Array.from({ length: 30 }, (_, i) => `object-${String(i).padStart(2, '0')}`)
      await Promise.all(all.map((object, i) => storage.put(object, seededBytes(i * 100, i))))
      expect(await names(storage)).toEqual(all)
      const got = await Promise.all(all.map(object => storage.get(object)))
      expect(got.every((bytes, i) => same(bytes, seededBytes(i * 100, i)))).toBe(true)
    })

    it('lets all of those succeed that put the same object side by side', async storage => {
      await Promise.all(Array.from({ length: 5 }, () => storage.put('a', seededBytes(50_000, 1))))
      expect(await names(storage)).toEqual(['a'])
      expect(same(await storage.get('a'), seededBytes(50_000, 1))).toBe(true)
    })

    it('holds every name that counts as one', async storage => {
      const all = [
        '0',
        'A',
        'config.json',
        'z'.padEnd(longestName, 'y'),
        'snapshot-20261122T182401Z-0123456789abcdef-a%20b%2Fc.json',
        'a._%~+=-',
      ]
      expect(all.every(isObjectName)).toBe(true)
      for (const object of all) await storage.put(object, seededBytes(10, object.length))
      expect(await names(storage)).toEqual([...all].sort())
      for (const object of all) expect(same(await storage.get(object), seededBytes(10, object.length))).toBe(true)
    })

    it('refuses names and sizes that no store can hold, and stays as it was', async storage => {
      for (const object of ['', '.', '..', '../a', 'a/b', '.hidden', 'a b', 'ä', 'a\n', 'a\0', 'x'.repeat(251)]) {
        expect(await codeOf(storage.put(object, seededBytes(1, 1))), object).toBe('io')
        if (isEntryName(object)) {
          expect(await codeOf(storage.get(object)), object).toBe('not-found')
          await storage.remove(object)
        } else {
          expect(await codeOf(storage.get(object)), object).toBe('io')
          expect(await codeOf(storage.remove(object)), object).toBe('io')
        }
      }
      for (const outside of ['', '.', '..', '../a', 'a/b', '..\\a', 'a\0', 'x'.repeat(256)])
        expect(isEntryName(outside), outside).toBe(false)
      expect(await codeOf(storage.put('a', new Uint8Array(MAX_OBJECT_BYTES + 1)))).toBe('io')
      expect(await names(storage)).toEqual([])
    })

    it('does nothing once its signal is aborted', async storage => {
      await storage.put('a', seededBytes(10, 1))
      const options = { signal: AbortSignal.abort() }
      expect(await codeOf(storage.put('b', seededBytes(10, 1), options))).toBe('interrupted')
      expect(await codeOf(storage.get('a', undefined, options))).toBe('interrupted')
      expect(await codeOf(storage.list(options))).toBe('interrupted')
      expect(await codeOf(storage.remove('a', options))).toBe('interrupted')
      expect(await codeOf(storage.quota(options))).toBe('interrupted')
      expect(await names(storage)).toEqual(['a'])
    })

    it('either stores whole or not at all when aborted on the way', async storage => {
      const bytes = seededBytes(3_000_000, 1)
      const abort = new AbortController()
      const putting = storage.put('a', bytes, { signal: abort.signal }).then(
        () => 'done',
        (error: unknown) => (isAppError(error, 'interrupted') ? 'interrupted' : error),
      )
      await new Promise(resolve => setImmediate(resolve))
      abort.abort()
      const outcome = await putting
      expect(['done', 'interrupted']).toContain(outcome)
      const after = await names(storage)
      if (outcome === 'done') expect(after).toEqual(['a'])
      if (after.length > 0) expect(same(await storage.get('a'), bytes)).toBe(true)
      await storage.put('a', bytes)
      expect(same(await storage.get('a'), bytes)).toBe(true)
    })

    it('tells its quota, or that there is none', async storage => {
      await storage.put('a', seededBytes(1000, 1))
      const { used, limit } = await storage.quota()
      if (used !== undefined) expect(used).toBeGreaterThanOrEqual(1000)
      if (used !== undefined && limit !== undefined) expect(limit).toBeGreaterThanOrEqual(used)
    })

    test('behaves like a map of names to bytes', async () => {
      await fc.assert(
        fc.asyncProperty(commands, steps => factory(storage => checkAgainstModel(storage, steps))),
        { numRuns: 15, seed: 20261122 },
      )
    })
  })
}
