import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RepositoryContext } from '../../../src/repository/open/open.ts'
import { forget, type ForgetRequest } from '../../../src/repository/prune/forget.ts'
import { SAFE_GRACE_PERIODS } from '../../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune } from '../../../src/repository/prune/prune.ts'
import { pruneNow } from '../../../src/repository/prune/prune-now.ts'
import { reallyForgotten, unforget, type Unforgotten } from '../../../src/repository/prune/unforget.ts'
import { noteVersion } from '../../../src/repository/versions/notes.ts'
import { changeTags } from '../../../src/repository/versions/tags.ts'
import { parseVersion, readSnapshots, readTags } from '../../../src/repository/versions/versions.ts'
import { withFolder } from '../../helpers/folders.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../../helpers/in-process.ts'
import { seededNoise } from '../../helpers/seeded.ts'
import { FaultyStorage } from '../../helpers/storage/faulty.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'
import { fp32, network, safetensors, tuned } from '../../helpers/tensors.ts'
import { expectSameTree, makeTree, pictureOf, type TreePicture } from '../../helpers/trees.ts'

const MINUTE = 60_000
const waits = SAFE_GRACE_PERIODS

/** Versions of `data` in a store whose clock the test sets. */
class Scene {
  now = Date.UTC(2026, 10, 22)
  readonly storage = new MemoryStorage({ now: () => this.now })
  readonly surroundings = { now: () => this.now, monotonic: () => this.now, random: (n: number) => seededNoise((this.drawn += 1), n) }
  readonly context = contextOf(this.storage, { surroundings: this.surroundings })
  readonly ids: string[] = []
  readonly contents = new Map<string, TreePicture>()
  private drawn = 0

  async push(folder: string, tree: Record<string, Buffer>): Promise<string> {
    makeTree(folder, tree)
    const { snapshot } = await pushFolder(this.context, folder, 'data', {
      message: `m${this.ids.length}`,
      metrics: { acc: this.ids.length },
    })
    this.ids.push(snapshot!.id)
    this.contents.set(snapshot!.id, pictureOf(folder))
    this.now += MINUTE
    return snapshot!.id
  }

  async forget(more: Partial<ForgetRequest> = {}): Promise<void> {
    const request = { names: ['data'], policy: { last: 1 }, all: false, waits, dryRun: false, ...more }
    const { failure } = await forget(this.context, request)
    expect(failure).toBeUndefined()
    this.now += MINUTE
  }

  async prune(): Promise<void> {
    await prune(this.context, await openForPrune(this.context), { waits, dryRun: false })
    this.now += MINUTE
  }

  unforget(context: RepositoryContext = this.context, ids: readonly string[] = this.ids): Promise<Unforgotten> {
    return unforget(context, waits.graceMs, versions => versions.filter(({ snapshot }) => ids.includes(snapshot.id)))
  }

  /** Expects that just these versions are there, and that each comes back as it was pushed. */
  async expectThere(ids: readonly string[]): Promise<void> {
    const { repository } = await openForPrune(this.context)
    const versions = await readSnapshots(repository, repository.view, repository.view.inventory.snapshots)
    expect(versions.map(({ id }) => id).sort()).toEqual([...ids].sort())
    for (const id of ids)
      await withFolder(async folder => {
        await pullVersion(this.context, `data@${id}`, join(folder, 'out'))
        expectSameTree(join(folder, 'out'), this.contents.get(id)!)
      })
    const { problems, affected } = await checkAll(this.context)
    expect([problems, affected]).toEqual([[], []])
  }
}

const scene = (use: (scene: Scene, folder: string) => Promise<void>): Promise<void> =>
  withFolder(async folder => {
    const made = new Scene()
    for (const seed of [1, 2, 3])
      await made.push(join(folder, 'data'), { 'a.bin': seededNoise(seed, 300_000), 'same.bin': seededNoise(9, 50_000) })
    await use(made, join(folder, 'data'))
  })

describe('a forgotten version', () => {
  test('comes back with its tags, message and metrics, and no prune takes its data afterwards', () =>
    scene(async made => {
      const { repository } = await openForPrune(made.context)
      const [first] = await readSnapshots(repository, repository.view, repository.view.inventory.snapshots)
      await changeTags(made.context, repository, first!, { add: ['best'], remove: [], move: false })
      await noteVersion(made.context, repository, first!, { message: 'noted', metrics: { acc: null, loss: 0.5 } })
      await made.forget()
      await made.expectThere([made.ids[2]!])

      made.now += 40 * MINUTE
      const { restored, lost, problems, copiedBytes } = await made.unforget()
      expect([restored.map(({ snapshot }) => snapshot.id), lost, problems]).toEqual([made.ids.slice(0, 2), [], []])
      // what lies in tombed packs is copied: they are never taken out of their tombs
      expect(copiedBytes).toBeGreaterThan(600_000)
      for (let round = 0; round < 6; round++) {
        made.now += 100 * MINUTE
        await made.prune()
        await made.expectThere(made.ids)
      }
      const { repository: now } = await openForPrune(made.context)
      const versions = await readSnapshots(now, now.view, now.view.inventory.snapshots)
      const tags = await readTags(made.storage, now.view, versions)
      expect([tags.get(made.ids[0]!), versions[0]!.message, versions[0]!.metrics]).toEqual([['best'], 'noted', { loss: 0.5 }])
      expect([versions[1]!.message, versions[1]!.metrics]).toEqual(['m1', { acc: 1 }])
      expect((await made.storage.list()).objects.filter(({ name }) => name.startsWith('tomb-'))).toEqual([])
    }))

  test('comes back as long as nobody has pruned, however long that is', () =>
    scene(async made => {
      await made.forget({ policy: {}, all: true })
      made.now += 100 * 24 * 60 * MINUTE
      expect((await made.unforget()).restored).toHaveLength(3)
      await made.prune()
      made.now += 100 * MINUTE
      await made.prune()
      await made.expectThere(made.ids)
    }))

  test('stays away if some of its data is deleted, and the count of its files is right', () =>
    scene(async made => {
      await made.forget()
      made.now += 61 * MINUTE
      await made.prune()
      // of each version same.bin is left, which the newest has too, and its manifest is gone with its pack
      const { restored, lost } = await made.unforget()
      expect(restored).toEqual([])
      expect(lost.map(({ snapshot, lostFiles }) => [snapshot.id, lostFiles])).toEqual([
        [made.ids[0], 2],
        [made.ids[1], 2],
      ])
      await made.expectThere([made.ids[2]!])
      made.now += 200 * MINUTE
      await made.prune()
      made.now += 200 * MINUTE
      await made.prune()
      expect((await reallyForgotten((await openForPrune(made.context)).repository, 0)).length).toBe(0)
    }))

  test('that shares its files with a version that stays comes back alone', () =>
    scene(async (made, folder) => {
      const again = await made.push(folder, { 'a.bin': seededNoise(1, 300_000), 'same.bin': seededNoise(9, 50_000) })
      await made.forget()
      made.now += 10 * MINUTE
      await made.prune()
      const { restored } = await made.unforget(made.context, [made.ids[0]!])
      expect(restored).toHaveLength(1)
      await made.expectThere([made.ids[0]!, again])
    }))

  test('can be forgotten and brought back again and again', () =>
    scene(async made => {
      for (let round = 0; round < 3; round++) {
        await made.forget()
        expect((await made.unforget()).restored).toHaveLength(2)
        expect((await made.unforget()).restored).toHaveLength(0)
        await made.expectThere(made.ids)
      }
    }))

  test('is gone at once after a prune that does not wait', () =>
    scene(async made => {
      await made.forget()
      await pruneNow(made.context, await openForPrune(made.context))
      const { restored, lost } = await made.unforget()
      expect([restored.length, lost.length]).toEqual([0, 2])
    }))

  test('with tensors that are predicted from others comes back with their bases', () =>
    withFolder(async folder => {
      const made = new Scene()
      const data = join(folder, 'data')
      let model = network(1, [600, 100])
      for (let step = 0; step < 4; step++) {
        makeTree(data, { 'm.safetensors': safetensors(fp32(model)) })
        const { snapshot } = await pushFolder(made.context, data, 'data', { bases: { cache: undefined } })
        made.ids.push(snapshot!.id)
        made.contents.set(snapshot!.id, pictureOf(data))
        made.now += MINUTE
        model = tuned(model, step + 2)
      }
      await made.forget()
      made.now += 30 * MINUTE
      expect((await made.unforget(made.context, [made.ids[2]!])).restored).toHaveLength(1)
      for (let round = 0; round < 4; round++) {
        made.now += 100 * MINUTE
        await made.prune()
        await made.expectThere(made.ids.slice(2))
      }
    }))
})

test(
  'an unforget that ends at any request leaves versions that are whole, and the next one finishes it',
  () =>
    scene(async made => {
      const { repository } = await openForPrune(made.context)
      const [first] = await readSnapshots(repository, repository.view, repository.view.inventory.snapshots)
      await changeTags(made.context, repository, first!, { add: ['best'], remove: [], move: false })
      await made.forget()
      const before = made.storage.all()
      for (let last = 1, ended = false; !ended; last++) {
        const storage = new MemoryStorage({ now: () => made.now })
        for (const [name, bytes, created] of before) storage.plant(name, bytes, created)
        let calls = 0
        const dying = new FaultyStorage(storage, () => (++calls > last ? { fault: 'error', code: 'io' } : undefined))
        ended = await made.unforget({ ...made.context, storage: dying }).then(
          ({ restored }) => restored.length === 2,
          () => false,
        )
        const copy = Object.assign(Object.create(made) as Scene, { storage, context: { ...made.context, storage } })
        const { problems, affected } = await checkAll(copy.context)
        expect([problems, affected], `after ${last} calls`).toEqual([[], []])
        await copy.unforget()
        await copy.expectThere(made.ids)
      }
    }),
  120_000,
)

describe('single versions', () => {
  const versions = (...texts: string[]): Partial<ForgetRequest> => ({ versions: texts.map(parseVersion), policy: {} })

  test('are forgotten by id, tag and count, also the newest one, and all others stay', () =>
    scene(async made => {
      await made.forget(versions(`data@${made.ids[2]!.slice(0, 8)}`, 'data~2'))
      await made.expectThere([made.ids[1]!])
    }))

  test('are not chosen by a time, which finds any older one', () =>
    scene(async made => {
      made.now += 3 * 24 * 60 * MINUTE
      for (const at of ['2026-11-23', '1d', 'yesterday'])
        await expect(made.forget(versions(`data@${at}`))).rejects.toThrow(/is a time, so it's unclear which version you mean/)
      await made.expectThere(made.ids)
    }))

  test('are not chosen by a time, also if the id of the version that it finds begins like it', () =>
    withFolder(async folder => {
      const made = new Scene()
      let days: string | undefined
      for (let i = 0; days === undefined && i < 1000; i++)
        days = /^[1-9]\d?d/.exec(await made.push(folder, { a: Buffer.from(`state ${i}`) }))?.[0]
      made.now += 100 * 24 * 60 * MINUTE
      await expect(made.forget(versions(`data@${days}`))).rejects.toThrow(/is a time, so it's unclear which version you mean/)
      await made.forget(versions(`data@${made.ids.at(-1)!.slice(0, 8)}`))
    }))
})

test('what a forget removes is written down before anything is deleted', () =>
  scene(async made => {
    const calls: string[] = []
    const watched = new FaultyStorage(made.storage, call => {
      if (call.kind === 'put' || call.kind === 'remove') calls.push(`${call.kind} ${/^[a-z]+/.exec(call.name)![0]}`)
      return undefined
    })
    await forget({ ...made.context, storage: watched }, { names: ['data'], policy: { last: 1 }, all: false, waits, dryRun: false })
    expect(calls.slice(0, 3)).toEqual(['put tomb', 'remove snapshot', 'remove snapshot'])
  }))

test('if a person says no, nothing is deleted', () =>
  scene(async made => {
    const no = new Error('no')
    await expect(made.forget({ policy: {}, all: true, confirm: () => Promise.reject(no) })).rejects.toBe(no)
    await made.expectThere(made.ids)
  }))
