import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { openForReading } from '../../../src/repository/open/open.ts'
import { forget } from '../../../src/repository/prune/forget.ts'
import { NO_GRACE_PERIODS } from '../../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune } from '../../../src/repository/prune/prune.ts'
import { parseVersion, resolveVersion } from '../../../src/repository/versions/versions.ts'
import { mapSideBySide } from '../../../src/util/side-by-side.ts'
import { withFolder } from '../../helpers/folders.ts'
import { contextOf, pushFolder } from '../../helpers/in-process.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'

const VERSIONS = 12

/** Counts how often a command waits for snapshots: reads that run at the same time are one wait. */
class WaitingStorage extends MemoryStorage {
  readonly read: string[] = []
  waits = 0
  most = 0
  private running = 0

  override async get(...[name, ...rest]: Parameters<MemoryStorage['get']>): ReturnType<MemoryStorage['get']> {
    if (!name.startsWith('snapshot-')) return super.get(name, ...rest)
    this.read.push(name)
    if (this.running === 0) this.waits++
    this.most = Math.max(this.most, ++this.running)
    await sleep(5)
    this.running--
    return super.get(name, ...rest)
  }

  reset(): void {
    this.read.length = 0
    this.waits = 0
    this.most = 0
  }
}

async function withVersions(use: (storage: WaitingStorage) => Promise<void>): Promise<void> {
  await withFolder(async folder => {
    const data = join(folder, 'data')
    mkdirSync(data)
    const storage = new WaitingStorage()
    for (let version = 0; version < VERSIONS; version++) {
      writeFileSync(join(data, 'a.txt'), `version ${version}`)
      await pushFolder(contextOf(storage), data, 'run')
    }
    storage.reset()
    await use(storage)
  })
}

test('name~N reads the versions up to that one side by side, and no other', async () => {
  await withVersions(async storage => {
    const repository = await openForReading(contextOf(storage))
    for (const [back, waits] of [
      [0, 1],
      [7, 1],
      [11, 2],
    ] as const) {
      storage.reset()
      const found = await resolveVersion(repository, repository.view, parseVersion(`run~${back}`))
      expect(found.ref).toBe(repository.view.inventory.snapshots.at(-1 - back))
      expect(storage.read).toHaveLength(back + 1)
      // a lane that is done begins the next one at once
      expect(storage.waits).toBeLessThanOrEqual(waits)
    }
    expect(storage.most).toBe(8)
    await expect(resolveVersion(repository, repository.view, parseVersion('run~12'))).rejects.toThrow('run has 12 versions')
  })
})

test('forget and prune read snapshots side by side', async () => {
  await withVersions(async storage => {
    const request = { waits: NO_GRACE_PERIODS, dryRun: false, names: ['run'], policy: { last: 4 }, all: false }
    const { names, failure } = await forget(contextOf(storage), request)
    expect([names[0]!.decision.forgotten.length, failure]).toEqual([8, undefined])
    expect(storage.most).toBe(8)
    // the versions; the texts of the forgotten ones; the roots of the prune
    expect(storage.waits).toBeLessThanOrEqual(5)
    storage.reset()
    await prune(contextOf(storage), await openForPrune(contextOf(storage)), request)
    expect([storage.read.length, storage.waits]).toEqual([4, 1])
  })
})

test('a failure of one item is thrown, and no other item is begun', async () => {
  const begun: number[] = []
  const failing = mapSideBySide([0, 1, 2, 3, 4, 5], 2, async item => {
    begun.push(item)
    await sleep(2)
    if (item === 1) throw new Error('item 1')
    return item
  })
  await expect(failing).rejects.toThrow('item 1')
  await sleep(10)
  expect(begun.length).toBeLessThanOrEqual(3)
  expect(await mapSideBySide([3, 1, 2], 2, async item => sleep(item * 2, item))).toEqual([3, 1, 2])
})
