import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { encodeTomb } from '../../../src/repository/format/label-and-tomb.ts'
import { COMMIT_WINDOW_MS, GRACE_MS, LISTING_LAG_MS } from '../../../src/repository/format/limits.ts'
import { tombName } from '../../../src/repository/format/object-names.ts'
import { isLate } from '../../../src/repository/format/snapshot.ts'
import { openForReading } from '../../../src/repository/open/open.ts'
import type { PushResult } from '../../../src/repository/push/push.ts'
import { parseVersion, readSnapshots, resolveVersion } from '../../../src/repository/versions/versions.ts'
import { AppError } from '../../../src/util/errors.ts'
import { withFolder } from '../../helpers/folders.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../../helpers/in-process.ts'
import { seededNoise, seededRandom, seededText } from '../../helpers/seeded.ts'
import { FaultyStorage, type FaultPlan, type PlannedCall } from '../../helpers/storage/faulty.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'
import { COLAB_PROFILE, ModelledStorage } from '../../helpers/storage/modelled.ts'
import { VirtualClock } from '../../helpers/storage/virtual-clock.ts'
import { expectSameTree, makeTree, type TreeNode } from '../../helpers/trees.ts'

const MINUTE = 60_000
const OLD = { 'shared.bin': seededNoise(1, 90_000), 'table.csv': seededText(2, 40_000) }
const NEW = { 'added.bin': seededNoise(3, 50_000) }

/** A store in memory, and a folder that is pushed into it as `data`. The test moves the clocks of store and pusher. */
class Bench {
  readonly folder: string
  readonly data: string
  now = Date.UTC(2026, 10, 22)
  readonly store: MemoryStorage
  private readonly dice = seededRandom(11)

  constructor(folder: string) {
    this.folder = folder
    this.data = join(folder, 'data')
    this.store = new MemoryStorage({ now: () => this.now })
  }

  /** Calls that reach the store, in order: `put pack-...`. */
  calls: string[] = []

  private context(plan: FaultPlan) {
    const storage = new FaultyStorage(this.store, call => {
      this.calls.push(`${call.kind} ${call.name}`.trim())
      return plan(call)
    })
    const random = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, () => this.dice() * 256)
    return contextOf(storage, { surroundings: { now: () => this.now, monotonic: () => this.now, random } })
  }

  /** Pushes while `plan` looks on: it may move the clock, remove objects, or name a fault, before each call. */
  push(plan: FaultPlan = () => undefined, name = 'data'): Promise<PushResult> {
    this.calls = []
    return pushFolder(this.context(plan), this.data, name)
  }

  async names(prefix: string): Promise<string[]> {
    return (await this.store.list()).objects.map(({ name }) => name).filter(name => name.startsWith(prefix))
  }

  made(prefix: string): string[] {
    return this.calls.filter(call => call.startsWith(`put ${prefix}`)).map(call => call.slice('put '.length))
  }

  count(kind: string): number {
    return this.calls.filter(call => call.startsWith(kind)).length
  }

  /** `MemoryStorage` acts before its promise is returned. */
  remove(names: readonly string[]): void {
    for (const name of names) void this.store.remove(name)
  }

  /** Pushes `OLD`, then adds `NEW` to the folder. Returns the names of the packs of that push. */
  async changedAfterPush(): Promise<string[]> {
    makeTree(this.data, OLD)
    await this.push()
    const packs = await this.names('pack-')
    makeTree(this.data, NEW)
    return packs
  }

  async bury(packs: readonly string[]): Promise<void> {
    const tomb = encodeTomb({ kind: 'packs', packs: packs.map(name => name.slice('pack-'.length)) }, 'ab'.repeat(16))
    await this.store.put(tombName(tomb.id), tomb.bytes)
  }

  async expectExact(version = 'data', expected = this.data): Promise<void> {
    const out = join(this.folder, 'out')
    expect((await pullVersion(contextOf(this.store), version, out)).damaged).toEqual([])
    expectSameTree(out, expected)
    rmSync(out, { recursive: true })
  }

  async expectSound(): Promise<void> {
    expect(await checkAll(contextOf(this.store))).toMatchObject({ problems: [], affected: [] })
  }

  async offered(): Promise<string[]> {
    const repository = await openForReading(contextOf(this.store))
    return (await readSnapshots(repository, repository.view, repository.view.inventory.snapshots)).map(({ id }) => id)
  }
}

const withBench = <T>(use: (bench: Bench) => Promise<T>): Promise<T> => withFolder(folder => use(new Bench(folder)))

/** Runs `act` before the first call that fits. */
function once(fits: (call: PlannedCall) => boolean, act: (call: PlannedCall) => void): FaultPlan {
  let done = false
  return call => {
    if (!done && fits(call)) {
      done = true
      act(call)
    }
    return undefined
  }
}

const putting = (prefix: string) => (call: PlannedCall) => call.kind === 'put' && call.name.startsWith(prefix)

test('the constants keep the promise that safety rests on', () => {
  expect(COMMIT_WINDOW_MS + 2 * LISTING_LAG_MS).toBeLessThan(GRACE_MS)
})

test('rule 5: a late version that only tombed packs complete is not what a later attempt equals: the push makes another one, which stays', () =>
  withBench(async bench => {
    const packs = await bench.changedAfterPush()
    const { outcome, snapshot } = await bench.push(
      once(putting('snapshot-'), () => {
        void bench.bury(packs)
        bench.now += COMMIT_WINDOW_MS + MINUTE
      }),
    )
    expect(outcome).toBe('stored')
    expect(await bench.names('snapshot-')).toContain(snapshot!.ref.objectName)
    expect(await bench.names('snapshot-')).toHaveLength(2)
    bench.remove(packs)
    await bench.expectExact()
  }))

describe('rules 3 and 6: tombs', () => {
  test('readers use a tombed pack, writers never: what it holds is stored again', () =>
    withBench(async bench => {
      makeTree(bench.data, OLD)
      await bench.push()
      const buried = await bench.names('pack-')
      await bench.bury(buried)
      await bench.expectExact()
      await bench.expectSound()

      expect(await bench.push()).toMatchObject({ outcome: 'unchanged' })
      expect(bench.made('pack-')).toHaveLength(1)
      bench.remove(buried)
      await bench.expectExact()
    }))

  test('also for another name, and for a version that shares some of it', () =>
    withBench(async bench => {
      makeTree(bench.data, OLD)
      await bench.push()
      const buried = await bench.names('pack-')
      await bench.bury(buried)
      makeTree(bench.data, NEW)
      expect(await bench.push(undefined, 'other')).toMatchObject({ outcome: 'stored' })
      bench.remove(buried)
      await bench.expectExact('other')
    }))

  test('packs that are in no tomb are relied on, and nothing is stored twice', () =>
    withBench(async bench => {
      makeTree(bench.data, OLD)
      await bench.push()
      await bench.bury(['pack-' + '0'.repeat(64)])
      makeTree(bench.data, NEW)
      const { newBytes } = await bench.push()
      expect(newBytes).toBeLessThan(55_000)
    }))

  test('a pack buried while the push runs is noticed when it lists again', () =>
    withBench(async bench => {
      const old = await bench.changedAfterPush()
      const act = (): void => {
        bench.now += COMMIT_WINDOW_MS + 1
        void bench.bury(old)
      }
      await bench.push(once(putting('index-'), act))
      bench.remove(old)
      await bench.expectExact()
    }))
})

test('an index that names a pack which never came, because its push was killed, is no damage', () =>
  withBench(async bench => {
    makeTree(bench.data, OLD)
    await bench.push()
    makeTree(bench.data, NEW)
    const killed: FaultPlan = call => (putting('pack-')(call) ? { fault: 'error', code: 'interrupted' } : undefined)
    await expect(bench.push(killed)).rejects.toMatchObject({ code: 'interrupted' })
    expect([await bench.names('pack-'), await bench.names('index-')].map(({ length }) => length)).toEqual([1, 2])
    await bench.expectSound()
    await bench.push()
    await bench.expectSound()
    await bench.expectExact()
  }))

describe('rule 4: the commit window', () => {
  test('a push within it lists once', () =>
    withBench(async bench => {
      makeTree(bench.data, OLD)
      await bench.push()
      expect([bench.count('list'), bench.made('snapshot-').length]).toEqual([1, 1])
    }))

  test('a push beyond it lists again before it commits, and its snapshot rests on that listing', () =>
    withBench(async bench => {
      makeTree(bench.data, OLD)
      const began = bench.now
      const { snapshot } = await bench.push(once(putting('pack-'), () => (bench.now += COMMIT_WINDOW_MS + MINUTE)))
      expect(bench.count('list')).toBe(2)
      expect(bench.calls.lastIndexOf('list')).toBeLessThan(bench.calls.findIndex(call => call.startsWith('put snapshot-')))
      expect(snapshot!.listed).toBe(began + COMMIT_WINDOW_MS + MINUTE)
      expect(isLate(snapshot!)).toBe(false)
      expect(bench.made('pack-')).toHaveLength(1)
      await bench.expectExact()
    }))

  test('a pack of an earlier push that vanished meanwhile is stored again', () =>
    withBench(async bench => {
      const old = await bench.changedAfterPush()
      const act = (): void => {
        bench.now += COMMIT_WINDOW_MS + MINUTE
        bench.remove(old)
      }
      const { snapshot } = await bench.push(once(putting('index-'), act))
      expect(bench.made('pack-')).toHaveLength(2)
      expect(bench.made('snapshot-')).toHaveLength(1)
      expect(isLate(snapshot!)).toBe(false)
      await bench.expectExact()
    }))

  test('so is a pack of its own that vanished', () =>
    withBench(async bench => {
      makeTree(bench.data, OLD)
      const act = (): void => {
        bench.now += COMMIT_WINDOW_MS + MINUTE
        bench.remove(bench.made('pack-'))
      }
      let acted = false
      await bench.push(({ kind, name }) => {
        // side by side with the pack's upload go the index and the config: the pack is there when the next call is made
        if (!acted && kind === 'list' && bench.made('pack-').length > 0) {
          acted = true
          act()
        }
        if (kind === 'put' && name === 'config.json') bench.now += COMMIT_WINDOW_MS
        return undefined
      })
      expect(acted).toBe(true)
      expect(bench.made('pack-')).toHaveLength(2)
      await bench.expectExact()
    }))

  test('own packs that the listing does not show yet count for a while: nothing is sent twice', () =>
    withBench(async bench => {
      makeTree(bench.data, OLD)
      const plan: FaultPlan = ({ kind, name, nth }) => {
        if (kind === 'put' && name.startsWith('pack-')) bench.now += COMMIT_WINDOW_MS + MINUTE
        return kind === 'list' && nth === 2 ? { fault: 'hide', hides: hidden => /^(pack|index|config)/.test(hidden) } : undefined
      }
      const { outcome } = await bench.push(plan)
      expect([outcome, bench.count('list'), bench.made('pack-').length, bench.made('snapshot-').length]).toEqual(['stored', 2, 1, 1])
      await bench.expectExact()
    }))

  test('own packs that are still not listed after that while are stored again', () =>
    withBench(async bench => {
      makeTree(bench.data, OLD)
      const plan: FaultPlan = ({ kind, name, nth }) => {
        if (kind === 'list' && nth === 2) bench.now += LISTING_LAG_MS + MINUTE
        if (kind === 'put' && name.startsWith('pack-') && nth === 1) bench.now += COMMIT_WINDOW_MS + MINUTE
        return kind === 'list' && nth === 2 ? { fault: 'hide', hides: hidden => /^(pack|index)/.test(hidden) } : undefined
      }
      await bench.push(plan)
      expect(bench.made('pack-')).toHaveLength(2)
      await bench.expectExact()
    }))
})

describe('rule 5: late snapshots', () => {
  const late = (bench: Bench, act: () => void = () => undefined): FaultPlan =>
    once(putting('snapshot-'), () => {
      bench.now += COMMIT_WINDOW_MS + 10 * MINUTE
      act()
    })

  test('a late snapshot that is complete stands, and is offered', () =>
    withBench(async bench => {
      makeTree(bench.data, OLD)
      const { snapshot } = await bench.push(late(bench))
      expect(isLate(snapshot!)).toBe(true)
      expect([bench.count('list'), bench.made('snapshot-').length, bench.count('remove')]).toEqual([2, 1, 0])
      expect(await bench.offered()).toEqual([snapshot!.id])
      await bench.expectExact()
      await bench.expectSound()
    }))

  test('one whose packs vanished is replaced: all is stored again, a new snapshot made, the late one removed', () =>
    withBench(async bench => {
      const old = await bench.changedAfterPush()
      const { snapshot } = await bench.push(late(bench, () => bench.remove(old)))
      const [first, second] = bench.made('snapshot-')
      expect(bench.calls.filter(call => call.startsWith('remove'))).toEqual([`remove ${first}`])
      expect(await bench.names('snapshot-')).toContain(second)
      expect(await bench.names('snapshot-')).not.toContain(first)
      expect(isLate(snapshot!)).toBe(false)
      expect(bench.calls.indexOf(`remove ${first}`)).toBeGreaterThan(bench.calls.indexOf(`put ${second}`))
      await bench.expectExact()
    }))

  test('one whose pusher died and whose packs vanished is not offered, and the next push is right', () =>
    withBench(async bench => {
      makeTree(bench.data, OLD)
      const first = await bench.push()
      makeTree(bench.data, NEW)
      const before = await bench.names('pack-')
      const dies = late(bench)
      const plan: FaultPlan = call => {
        dies(call)
        return call.kind === 'list' && call.nth === 2 ? { fault: 'error', code: 'interrupted' } : undefined
      }
      await expect(bench.push(plan)).rejects.toBeInstanceOf(AppError)
      expect(await bench.names('snapshot-')).toHaveLength(2)
      expect(await bench.offered()).toHaveLength(2) // complete so far
      bench.remove((await bench.names('pack-')).filter(name => !before.includes(name)))
      expect(await bench.offered()).toEqual([first.snapshot!.id])
      const repository = await openForReading(contextOf(bench.store))
      expect((await resolveVersion(repository, repository.view, parseVersion('data'))).id).toBe(first.snapshot!.id)
      expect(await checkAll(contextOf(bench.store))).toMatchObject({ affected: [], incomplete: 1 })

      const again = await bench.push()
      expect(again.outcome).toBe('stored')
      expect(again.parent!.id).toBe(first.snapshot!.id)
      await bench.expectExact()
      expect(await bench.offered()).toContain(first.snapshot!.id)
    }))

  test('a repository that was copied, so that all is late, is offered in full', () =>
    withBench(async bench => {
      makeTree(bench.data, OLD)
      await bench.push()
      makeTree(bench.data, NEW)
      await bench.push()
      const copy = new MemoryStorage({ now: () => bench.now + 1000 * GRACE_MS })
      for (const name of await bench.names('')) await copy.put(name, await bench.store.get(name))
      const repository = await openForReading(contextOf(copy))
      const snapshots = await readSnapshots(repository, repository.view, repository.view.inventory.snapshots)
      expect(snapshots.map(isLate)).toEqual([true, true])
      expect((await pullVersion(contextOf(copy), 'data', join(bench.folder, 'copied'))).damaged).toEqual([])
      expectSameTree(join(bench.folder, 'copied'), bench.data)
    }))

  test('packs that keep vanishing end the push with an error, without a version', () =>
    withBench(async bench => {
      makeTree(bench.data, OLD)
      const plan: FaultPlan = ({ kind }) => {
        if (kind !== 'list') return undefined
        bench.now += COMMIT_WINDOW_MS + LISTING_LAG_MS
        bench.remove(bench.made('pack-'))
        return undefined
      }
      const slow: FaultPlan = call => {
        if (call.kind === 'put' && call.name.startsWith('index-')) bench.now += COMMIT_WINDOW_MS
        return plan(call)
      }
      await expect(bench.push(slow)).rejects.toMatchObject({ code: 'unavailable' })
      expect(bench.made('pack-').length).toBeLessThan(20)
      expect(await bench.offered()).toEqual([])
    }))
})

describe('calls that 600 small files take on a store far away', () => {
  test('a first push, a later one, one with nothing new, and a pull', () =>
    withFolder(async folder => {
      const clock = new VirtualClock()
      const dice = seededRandom(5)
      const inner = new MemoryStorage({ now: clock.now })
      const storage = new ModelledStorage(inner, COLAB_PROFILE, { sleep: clock.sleep, now: clock.now, random: dice })
      const random = (bytes: number): Uint8Array => Uint8Array.from({ length: bytes }, () => dice() * 256)
      const context = contextOf(storage, { surroundings: { now: clock.now, monotonic: clock.now, random } })
      const data = join(folder, 'data')
      const tree: Record<string, TreeNode> = {}
      for (let i = 0; i < 600; i++) tree[`class${i % 10}/image${i}.jpg`] = seededNoise(i + 1, 11_000)
      makeTree(data, tree)

      await pushFolder(context, data, 'data')
      expect(storage.longestPutChain()).toBe(2)
      expect(storage.calls).toEqual({ list: 1, put: 5, get: 1, remove: 0, quota: 0 })

      storage.resetCounts()
      await pullVersion(context, 'data', join(folder, 'first'))
      expect(storage.calls).toEqual({ list: 1, put: 0, get: 5, remove: 0, quota: 0 })

      makeTree(data, { 'class3/image3.jpg': seededNoise(9999, 11_000) })
      storage.resetCounts()
      await pushFolder(context, data, 'data')
      expect(storage.longestPutChain()).toBe(2)
      expect(storage.calls).toEqual({ list: 1, put: 3, get: 4, remove: 0, quota: 0 })

      storage.resetCounts()
      expect((await pushFolder(context, data, 'data')).outcome).toBe('unchanged')
      expect(storage.calls).toEqual({ list: 1, put: 0, get: 3, remove: 0, quota: 0 })

      storage.resetCounts()
      await pullVersion(context, 'data', join(folder, 'out'))
      expectSameTree(join(folder, 'out'), data)
      // config, index, snapshot, and three packs, each read whole
      expect(storage.calls).toEqual({ list: 1, put: 0, get: 6, remove: 0, quota: 0 })
      expect(storage.throttled).toBe(0)
    }))
})
