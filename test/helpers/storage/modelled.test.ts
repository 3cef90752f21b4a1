import { describe, expect, test } from 'vitest'
import { FolderStorage } from '../../../src/storage/folder.ts'
import { codeOf } from '../failures.ts'
import { withFolder } from '../folders.ts'
import { seededBytes } from '../seeded.ts'
import { MemoryStorage } from './memory.ts'
import { COLAB_PROFILE, ModelledStorage } from './modelled.ts'
import type { StoreProfile } from './modelled.ts'
import { VirtualClock } from './virtual-clock.ts'

function setUp(profile: Partial<StoreProfile> = {}, random = () => 0.5) {
  const clock = new VirtualClock({ start: 0 })
  const { sleep, now } = clock
  const storage = new ModelledStorage(new MemoryStorage({ now }), { ...COLAB_PROFILE, ...profile }, { sleep, now, random })
  return { clock, storage }
}

const put = (storage: ModelledStorage, name: string, size = 0) => storage.put(name, seededBytes(size, 1))

describe('ModelledStorage', () => {
  test('a call takes the latency, a creation more', async () => {
    const { clock, storage } = setUp()
    await storage.list()
    expect(clock.now()).toBeCloseTo(120)
    expect(await put(storage, 'a')).toEqual({ created: 590 })
    await storage.get('a')
    await storage.quota()
    await storage.remove('a')
    expect(clock.now()).toBeCloseTo(120 + 470 + 3 * 120)
  })

  test('the latency varies by its jitter', async () => {
    const rolls = [0, 1]
    const { clock, storage } = setUp({}, () => rolls.shift()!)
    await storage.list()
    expect(clock.now()).toBeCloseTo(96)
    await storage.list()
    expect(clock.now()).toBeCloseTo(96 + 144)
  })

  test('bytes take the time of one connection, or of the shared link when many use it', async () => {
    const one = setUp()
    await put(one.storage, 'a', 4_000_000)
    expect(one.clock.now()).toBeCloseTo(470 + 100)
    await one.storage.get('a')
    expect(one.clock.now()).toBeCloseTo(470 + 100 + 120 + 100)
    const five = setUp()
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map(name => put(five.storage, name, 4_000_000)))
    expect(five.clock.now()).toBeCloseTo(470 + 200)
  })

  test('creations beyond the burst are throttled until the bucket fills again', async () => {
    const { clock, storage } = setUp()
    const accepted = async (count: number) => {
      const outcomes = await Promise.allSettled(Array.from({ length: count }, () => put(storage, `object-${made++}`)))
      return outcomes.map(({ status }) => (status === 'fulfilled' ? 1 : 0)).join('')
    }
    let made = 0
    expect(await accepted(13)).toBe('1111111111000')
    expect(storage.throttled).toBe(3)
    expect(storage.calls.put).toBe(13)
    // 470 ms later 1.41 creations have come back, at the end of the next try 1.82
    expect(await accepted(3)).toBe('100')
    expect(await accepted(3)).toBe('100')
    await clock.sleep(60_000)
    expect(await accepted(11)).toBe('11111111110')
    expect((await storage.list()).objects).toHaveLength(22)
    expect(storage.throttled).toBe(8)
  })

  test('counts calls by kind and bytes both ways', async () => {
    const { storage } = setUp()
    await put(storage, 'a', 100)
    await put(storage, 'b', 50)
    await storage.get('a', { offset: 0, length: 30 })
    await codeOf(storage.get('missing'))
    await storage.remove('a')
    await storage.list()
    expect(storage.calls).toEqual({ put: 2, get: 2, list: 1, remove: 1, quota: 0 })
    expect(storage.totalCalls).toBe(6)
    expect([storage.bytesUp, storage.bytesDown]).toEqual([150, 30])
    storage.resetCounts()
    expect(storage.totalCalls).toBe(0)
    expect(storage.longestCallChain()).toBe(0)
    expect([storage.bytesUp, storage.bytesDown, storage.throttled]).toEqual([0, 0, 0])
  })

  test('a long listing takes a call for each page, one after the other', async () => {
    const { clock, storage } = setUp({ objectsPerPage: 2, creationBurst: 100 })
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map(name => put(storage, name)))
    storage.resetCounts()
    const before = clock.now()
    expect((await storage.list()).objects).toHaveLength(5)
    expect(storage.calls.list).toBe(3)
    expect(storage.longestCallChain()).toBe(3)
    expect(clock.now() - before).toBeCloseTo(360)
  })

  test('the longest chain is what had to wait for each other', async () => {
    const { storage } = setUp()
    await storage.list()
    await Promise.all([put(storage, 'a', 3_000_000), put(storage, 'b'), put(storage, 'c', 1000)])
    await put(storage, 'd')
    expect(storage.longestPutChain()).toBe(2)
    expect(storage.longestCallChain()).toBe(3)
    await Promise.all([storage.get('a'), storage.get('b').then(() => storage.get('c'))])
    expect(storage.longestPutChain()).toBe(2)
    expect(storage.longestCallChain()).toBe(5)
  })

  test('chains are the same over a real folder', () =>
    withFolder(async path => {
      const { sleep, now } = new VirtualClock()
      const storage = new ModelledStorage(new FolderStorage(path), COLAB_PROFILE, { sleep, now, random: () => 0.5 })
      for (let round = 0; round < 2; round++) {
        await storage.list()
        await Promise.all(['a', 'b', 'c', 'd'].map((name, i) => put(storage, `${name}-${round}`, i * 100_000)))
      }
      expect(storage.longestPutChain()).toBe(2)
      expect(storage.longestCallChain()).toBe(4)
    }))

  test('an abort ends the modelled waiting', async () => {
    const { clock, storage } = setUp()
    const abort = new AbortController()
    const waiting = codeOf(storage.put('a', seededBytes(10, 1), { signal: abort.signal }))
    abort.abort()
    expect(await waiting).toBe('interrupted')
    expect(clock.now()).toBe(0)
    expect((await storage.list()).objects).toEqual([])
  })
})
