import { describe, expect, test } from 'vitest'
import { encodeTomb } from '../../../src/repository/format/label-and-tomb.ts'
import { tombName } from '../../../src/repository/format/object-names.ts'
import { openForReading } from '../../../src/repository/open/open.ts'
import { forget } from '../../../src/repository/prune/forget.ts'
import { NO_GRACE_PERIODS, SAFE_GRACE_PERIODS } from '../../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune, type PruneResult } from '../../../src/repository/prune/prune.ts'
import type { RetentionPolicy } from '../../../src/repository/versions/retention.ts'
import { changeTags } from '../../../src/repository/versions/tags.ts'
import { parseVersion, readSnapshots, resolveVersion } from '../../../src/repository/versions/versions.ts'
import { rejection } from '../../helpers/failures.ts'
import { DAY, HOUR, withDamagedStore, type DamagedStore } from '../../helpers/repository/damaged-store.ts'
import { seededNoise } from '../../helpers/seeded.ts'
import { FaultyStorage } from '../../helpers/storage/faulty.ts'

const filesOf = (seed: number) => ({ [`${seed}.bin`]: seededNoise(seed, 30_000), 'same.bin': seededNoise(99, 30_000) })

const pruned = async (store: DamagedStore, waits = NO_GRACE_PERIODS): Promise<PruneResult> =>
  prune(store.context(), await openForPrune(store.context()), { waits, dryRun: false })

const forgotten = (store: DamagedStore, policy: RetentionPolicy) =>
  forget(store.context(), { names: ['data'], policy, all: false, waits: NO_GRACE_PERIODS, dryRun: false })

async function tag(store: DamagedStore, version: string, tagged: string): Promise<void> {
  store.clock.ms += 1000
  const repository = await openForReading(store.context())
  const snapshot = await resolveVersion(repository, repository.view, parseVersion(version))
  await changeTags(store.context(), repository, snapshot, { add: [tagged], remove: [], move: false })
}

async function idsOf(store: DamagedStore, options?: { pending: boolean }): Promise<string[]> {
  const repository = await openForReading(store.context())
  const snapshots = await readSnapshots(repository, repository.view, repository.view.inventory.snapshots, options)
  return snapshots.map(({ id }) => id)
}

/** Three versions, the oldest of them tagged, and a tomb. */
async function threeVersions(store: DamagedStore): Promise<void> {
  for (const seed of [1, 2, 3]) await store.push('data', filesOf(seed))
  await tag(store, 'data~2', 'release')
  const tomb = encodeTomb({ kind: 'packs', packs: [] }, '0'.repeat(32))
  store.memory.plant(tombName(tomb.id), tomb.bytes)
}

describe.each([
  ['damaged', (store: DamagedStore, name: string) => Promise.resolve(store.flip(name, 40))],
  ['renamed by a sync client', (store: DamagedStore, name: string) => store.rename(name, name.replace('.json', ' (1).json'))],
  ['renamed by a file manager', (store: DamagedStore, name: string) => store.rename(name, `Kopie von ${name}`)],
  ['cut short and renamed', (store: DamagedStore, name: string) => store.rename(name, `${name.slice(0, 40)}~`)],
])('an object that protects is %s', (_, harm) => {
  test.each(['label', 'snapshot', 'tomb'])('a %s: forget and prune name it, and delete nothing', kind =>
    withDamagedStore(async store => {
      await threeVersions(store)
      const name = store.names(`${kind}-`)[0]!
      await harm(store, name)
      const before = store.state()
      store.clock.ms += 2 * DAY
      for (const act of [() => pruned(store), () => pruned(store, SAFE_GRACE_PERIODS)]) {
        const { message, hint } = await rejection(act())
        // a damaged snapshot is named as its version, a damaged tomb or label by its id
        const named = store.names().includes(name) ? /[0-9a-f]{8}/.exec(name.replace(/.*T\d+Z/, ''))![0] : name.slice(0, 40)
        expect(message).toContain(named)
        expect(hint).toContain('colab-escape repair')
        expect(store.state()).toEqual(before)
      }
      await rejection(forgotten(store, { last: 1, tags: ['release'] }))
      expect(store.state()).toEqual(before)
    }),
  )
})

test('a second copy of a snapshot, a label or a tomb is in the way of nobody', () =>
  withDamagedStore(async store => {
    await threeVersions(store)
    for (const kind of ['snapshot', 'label', 'tomb']) {
      const name = store.names(`${kind}-`)[0]!
      store.memory.plant(`Copy of ${name}`, store.bytesOf(name))
    }
    await forgotten(store, { last: 1, tags: ['release'] })
    expect(await idsOf(store)).toHaveLength(2)
    await pruned(store)
  }))

describe('a copied repository that lost a pack', () => {
  const lostPack = (store: DamagedStore): string => store.names('pack-').find(name => store.bytesOf(name).length > 50_000)!

  test.each([
    ['at once', 0],
    ['after days', 3 * DAY],
  ])('offers its versions %s, and no prune deletes any', (_, wait) =>
    withDamagedStore(async store => {
      for (const seed of [1, 2, 3]) await store.push('data', filesOf(seed))
      store.clock.ms += 9 * DAY
      store.copy()
      await store.memory.remove(lostPack(store))
      store.clock.ms += wait
      const before = store.state()
      expect(await idsOf(store)).toHaveLength(3)
      expect(await store.pull('data')).toEqual(['same.bin'])
      for (let run = 0; run < 3; run++) {
        await rejection(pruned(store, SAFE_GRACE_PERIODS), 'corrupt', 'unavailable')
        store.clock.ms += DAY
      }
      await rejection(pruned(store), 'corrupt')
      await rejection(forgotten(store, { last: 1 }), 'corrupt')
      expect(store.state()).toEqual(before)
    }),
  )

  test('the same for a single version that was copied into another repository, from a day on', () =>
    withDamagedStore(async store => {
      await store.push('data', filesOf(1))
      const copied = store.memory.all()
      store.clock.ms += 9 * DAY
      for (const [name] of copied) if (name !== 'config.json') await store.memory.remove(name)
      await store.push('other', filesOf(7))
      for (const [name, bytes] of copied) if (/^(snapshot|index)-/.test(name)) store.memory.plant(name, bytes)
      expect(await idsOf(store)).toHaveLength(1)
      expect(await idsOf(store, { pending: true })).toHaveLength(2)
      await pruned(store)
      expect(store.names('snapshot-')).toHaveLength(2)
      store.clock.ms += DAY
      expect(await idsOf(store)).toHaveLength(2)
      await rejection(pruned(store), 'corrupt')
      expect(store.names('snapshot-')).toHaveLength(2)
    }))
})

test('no version is forgotten in favour of one that lacks data', () =>
  withDamagedStore(async store => {
    for (const seed of [1, 2]) await store.push('data', filesOf(seed))
    const newest = store.memory.all().findLast(([name]) => name.startsWith('pack-'))![0]
    await store.memory.remove(newest)
    store.clock.ms += 2 * HOUR
    const { message } = await rejection(forgotten(store, { last: 1 }), 'corrupt')
    expect(message).toContain('lacks data')
    expect(store.names('snapshot-')).toHaveLength(2)
  }))

describe('a tag that the listing of a forget does not show yet', () => {
  /** Forgets all but the newest version, by a listing without labels. */
  const forgottenBlindly = (store: DamagedStore) => {
    const storage = new FaultyStorage(store.memory, ({ kind }) =>
      kind === 'list' ? { fault: 'hide', hides: name => name.startsWith('label-') } : undefined,
    )
    const request = { names: ['data'], policy: { last: 1, tags: ['release'] }, all: false, waits: SAFE_GRACE_PERIODS, dryRun: false }
    return forget(store.context(storage), request)
  }

  test('protects its version all the same: the next prune puts it back, whole', () =>
    withDamagedStore(async store => {
      for (const seed of [1, 2, 3]) await store.push('data', filesOf(seed))
      await tag(store, 'data~2', 'release')
      const ids = await idsOf(store)
      await forgottenBlindly(store)
      expect(await idsOf(store)).toEqual([ids[2]])
      store.clock.ms += 2 * HOUR
      for (let run = 0; run < 4; run++) {
        await pruned(store, SAFE_GRACE_PERIODS)
        store.clock.ms += DAY
      }
      expect(await idsOf(store)).toEqual([ids[0], ids[2]])
      expect(await store.pull('data@release')).toEqual([])
      expect(store.notes.join()).toContain('is back')
    }))

  test('a version that was untagged before, or that a forget has seen, stays forgotten', () =>
    withDamagedStore(async store => {
      for (const seed of [1, 2, 3]) await store.push('data', filesOf(seed))
      await tag(store, 'data~2', 'release')
      await tag(store, 'data~1', 'seen')
      const repository = await openForReading(store.context())
      const snapshot = await resolveVersion(repository, repository.view, parseVersion('data@release'))
      await changeTags(store.context(), repository, snapshot, { add: [], remove: ['release'], move: false })
      await forgotten(store, { last: 2 })
      await forgotten(store, { last: 1 })
      store.clock.ms += 2 * HOUR
      await pruned(store, SAFE_GRACE_PERIODS)
      expect(await idsOf(store)).toHaveLength(1)
      expect(store.names('label-')).toEqual([])
    }))
})

test('a manifest that is damaged is damage, also in a new version: waiting does not heal it', () =>
  withDamagedStore(async store => {
    await store.push('data', filesOf(1))
    for (const name of store.names('pack-')) for (let at = 0; at < store.bytesOf(name).length; at += 50) store.flip(name, at)
    const { message, hint } = await rejection(pruned(store, SAFE_GRACE_PERIODS), 'corrupt')
    expect(message).toContain('Nothing was deleted')
    expect(hint).toContain('colab-escape repair')
  }))
