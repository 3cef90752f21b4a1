import { describe, expect, test } from 'vitest'
import { decodeSnapshot, encodeSnapshot } from '../../../src/repository/format/snapshot.ts'
import { parseSnapshotObjectName } from '../../../src/repository/format/object-names.ts'
import { openForReading } from '../../../src/repository/open/open.ts'
import { decideRetention } from '../../../src/repository/versions/retention.ts'
import { changeTags } from '../../../src/repository/versions/tags.ts'
import { parseVersion, readSnapshots, readTags, resolveVersion } from '../../../src/repository/versions/versions.ts'
import { DAY, HOUR, withDamagedStore, type DamagedStore } from '../../helpers/repository/damaged-store.ts'
import { refusal } from '../../helpers/failures.ts'
import { aSnapshot } from '../../helpers/a-snapshot.ts'
import { seededRandom } from '../../helpers/seeded.ts'

const YEAR = 365 * DAY

/** A version that the clock of its machine dated so. Its object is as old as the store says. */
async function pushDated(store: DamagedStore, time: number): Promise<string> {
  const { snapshot } = await store.push('data', { 'a.txt': `${time}` })
  const name = snapshot!.ref.objectName
  const { ref, id, ...content } = decodeSnapshot(store.bytesOf(name), snapshot!.ref)
  expect(ref.objectName).toContain(id.slice(0, 16))
  const dated = encodeSnapshot({ ...content, time })
  await store.memory.remove(name)
  store.memory.plant(dated.objectName, dated.bytes)
  return dated.id
}

const pushed = async (store: DamagedStore, text: string): Promise<string> => (await store.push('data', { 'a.txt': text })).snapshot!.id

async function idsOf(store: DamagedStore): Promise<string[]> {
  const repository = await openForReading(store.context())
  return (await readSnapshots(repository, repository.view, repository.view.inventory.snapshots)).map(({ id }) => id)
}

async function resolved(store: DamagedStore, version: string): Promise<string> {
  const repository = await openForReading(store.context())
  return (await resolveVersion(repository, repository.view, parseVersion(version))).id
}

/** Permutes as creation orders of a copy do. */
const shuffled = (seed: number) => (names: string[]) => {
  const random = seededRandom(seed)
  return names
    .map(name => ({ name, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ name }) => name)
}

describe.each([
  ['the year 9999', Date.UTC(9999, 11, 31, 23, 59, 59, 999)],
  ['2099', Date.UTC(2099, 11, 31)],
  ['in three years', Date.UTC(2029, 10, 22)],
])('after a version of %s', (_, absurd) => {
  test('later versions are later, in the repository and in a copy of it', () =>
    withDamagedStore(async store => {
      const ids = [await pushed(store, 'first')]
      ids.push(await pushDated(store, absurd))
      for (const text of ['second', 'third']) ids.push(await pushed(store, text))
      expect(await idsOf(store)).toEqual(ids)
      expect(await resolved(store, 'data')).toBe(ids[3])
      expect(await resolved(store, 'data~2')).toBe(ids[1])
      for (const seed of [1, 2, 3, 4]) {
        store.clock.ms += DAY
        store.copy(shuffled(seed))
        expect(await idsOf(store)).toEqual(ids)
      }
      ids.push(await pushed(store, 'fourth'))
      expect(await idsOf(store)).toEqual(ids)
    }))

  test('days, and how long ago a version was, are right', () =>
    withDamagedStore(async store => {
      const bad = await pushDated(store, absurd)
      const ids: string[] = []
      for (const text of ['a', 'b', 'c', 'd']) {
        store.clock.ms += DAY
        ids.push(await pushed(store, text))
      }
      const repository = await openForReading(store.context())
      const { view } = repository
      const versions = await readSnapshots(repository, view, view.inventory.snapshots)
      const candidates = versions.map(version => ({ ...version, tags: [] }))
      const options = { now: view.inventory.asOf, keepNewest: false }
      const kept = (policy: object): string[] => decideRetention(candidates, policy, options).kept.map(({ version }) => version.id)
      expect(kept({ daily: 7 })).toHaveLength(5)
      expect(kept({ within: { ms: 36 * HOUR, text: '36h' } })).toEqual([ids[3], ids[2]])
      expect(await resolved(store, 'data@1d')).toBe(ids[2])
      expect(await resolved(store, 'data@4d')).toBe(bad)
    }))
})

test('a chain of absurd versions keeps its order in a copy', () =>
  withDamagedStore(async store => {
    const ids: string[] = []
    for (const [at, time] of [2099, 2098, 5000, 2101].entries())
      ids.push(at === 0 ? await pushed(store, 'x') : await pushDated(store, Date.UTC(time, 0)))
    for (const seed of [1, 2, 3]) {
      store.clock.ms += DAY
      store.copy(shuffled(seed))
      expect(await idsOf(store)).toEqual(ids)
    }
  }))

test('a push says that the last version has an absurd time', () =>
  withDamagedStore(async store => {
    await pushDated(store, Date.UTC(2099, 0))
    const { snapshot } = await store.push('data', { 'a.txt': 'later' })
    expect(snapshot!.time).toBeLessThan(store.clock.ms + HOUR)
    expect(store.warnings.join()).toContain('2099')
  }))

test('no snapshot gets a name that its reader refuses', () => {
  for (const time of [Date.UTC(9999, 11, 31, 23, 59, 59, 999) + 1, 8.64e15]) {
    refusal(() => encodeSnapshot(aSnapshot({ time })), 'io')
  }
  const { objectName, bytes } = encodeSnapshot(aSnapshot({ time: Date.UTC(9999, 11, 31, 23, 59, 59, 999) }))
  expect(parseSnapshotObjectName({ name: objectName, size: bytes.length, created: 0 })).toBeDefined()
})

test('tags are those of the last change, in whatever order a copy made the labels', () =>
  withDamagedStore(async store => {
    await pushed(store, 'a')
    const change = async (add: string[], remove: string[]): Promise<void> => {
      store.clock.ms += 1000
      const repository = await openForReading(store.context())
      const snapshot = await resolveVersion(repository, repository.view, parseVersion('data'))
      await changeTags(store.context(), repository, snapshot, { add, remove, move: false })
    }
    await change(['best', 'old'], [])
    await change([], ['best', 'old'])
    // a clock that is ahead, and is set right again
    store.clock.ms += 50 * YEAR
    await change(['old'], [])
    store.clock.ms -= 50 * YEAR
    await change(['best'], ['old'])
    for (let seed = 0; seed < 8; seed++) {
      if (seed > 0) store.copy(shuffled(seed))
      const repository = await openForReading(store.context())
      const snapshots = await readSnapshots(repository, repository.view, repository.view.inventory.snapshots)
      expect([...(await readTags(store.memory, repository.view, snapshots)).values()]).toEqual([['best']])
    }
  }))
