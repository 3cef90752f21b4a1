import { beforeAll, describe, expect, test } from 'vitest'
import { COMMIT_WINDOW_MS } from '../../../src/repository/format/limits.ts'
import { labelName } from '../../../src/repository/format/object-names.ts'
import { newestSnapshot, parseVersion, readSnapshots, readTags, resolveVersion } from '../../../src/repository/versions/versions.ts'
import { rejection } from '../../helpers/failures.ts'
import { hexOf, idOf } from '../../helpers/repository/arbitraries.ts'
import { fileEntry } from '../../helpers/repository/manifest-entries.ts'
import { TestStore } from '../../helpers/repository/test-store.ts'

const HOUR = 3600 * 1000
const DAY = 24 * HOUR
const NOON = Date.UTC(2026, 10, 20, 12)
const fileWithoutData = fileEntry('a', idOf(1), 5)

async function resolve(store: TestStore, text: string): Promise<string> {
  const source = await store.open()
  return (await resolveVersion(source, source.view, parseVersion(text))).id
}

describe('a version', () => {
  const store = new TestStore()
  const ids: string[] = []

  beforeAll(async () => {
    // at noon of five days, UTC; each version has its own host
    for (let day = 0; day < 5; day++) {
      const { id } = await store.snapshot('data', { time: NOON + day * DAY, host: `h${day}`, tags: day === 1 ? ['early', 'twice'] : [] })
      ids.push(id)
    }
    await store.snapshot('other')
    await store.label(ids[3]!, ['best', 'twice'])
    await store.label(ids[1]!, [], ['early'])
    await store.label(ids[2]!, ['best'])
    await store.label(ids[3]!, [], ['best'])
    await store.label(hexOf(77), ['lost'])
  })

  test.each([
    ['data', 4],
    ['data~0', 4],
    ['data~1', 3],
    ['data~4', 0],
  ])('%s counts back from the newest', async (text, expected) => expect(await resolve(store, text)).toBe(ids[expected]))

  test('by a tag that a label gave or took away, the newest that carries it, and back from there', async () => {
    expect(await resolve(store, 'data@best')).toBe(ids[2])
    expect(await resolve(store, 'data@twice')).toBe(ids[3])
    expect(await resolve(store, 'data@twice~2')).toBe(ids[1])
    await rejection(resolve(store, 'data@early'), 'not-found')
    await rejection(resolve(store, 'data@lost'), 'not-found')
    await rejection(resolve(store, 'data@best~3'), 'not-found')
  })

  test('by the beginning of its id, from 4 digits', async () => {
    for (const id of ids) {
      expect(await resolve(store, `data@${id}`)).toBe(id)
      expect(await resolve(store, `data@${id.slice(0, 8)}`)).toBe(id)
    }
    expect(await resolve(store, `data@${ids[3]!.slice(0, 8)}~1`)).toBe(ids[2])
    await rejection(resolve(store, `data@${ids[0]!.slice(0, 3)}`), 'not-found')
  })

  test('by a day or a moment: the newest at its end', async () => {
    store.clock = NOON + 3 * DAY
    expect(await resolve(store, 'data@2026-11-20Z')).toBe(ids[0])
    expect(await resolve(store, 'data@2026-11-22T12:00:00Z')).toBe(ids[2])
    expect(await resolve(store, 'data@2026-11-22T11Z')).toBe(ids[1])
    expect(await resolve(store, 'data@2030-01-01Z')).toBe(ids[4])
    expect(await resolve(store, 'data@2026-11-22Z~1')).toBe(ids[1])
    await rejection(resolve(store, 'data@2026-11-19Z'), 'not-found')
  })

  test('by how long ago it was, by the clock of the store', async () => {
    // 2 h after the last but one
    store.clock = NOON + 3 * DAY + 2 * HOUR
    for (const ago of ['2h', '120m', '120min', '7200s', '1h60m', '1.5h30min']) expect(await resolve(store, `data@${ago}`)).toBe(ids[3])
    expect(await resolve(store, 'data@121min')).toBe(ids[2])
    expect(await resolve(store, 'data@3d')).toBe(ids[0])
    expect(await resolve(store, 'data@1d~1')).toBe(ids[1])
    await rejection(resolve(store, 'data@1w'), 'not-found')
  })

  test('that is not there: the error says what is', async () => {
    const far = await rejection(resolve(store, 'data~5'), 'not-found')
    expect(far.message).toBe('data has 5 versions, so there is no data~5.')
    expect(far.hint).toContain('colab-escape log data')
    const unknown = await rejection(resolve(store, 'dta'), 'not-found')
    expect([unknown.message, unknown.hint]).toEqual(['There is no "dta" in the store.', 'Did you mean data? It holds: data, other'])
    expect((await rejection(resolve(new TestStore(), 'data'), 'not-found')).hint).toContain('colab-escape push')
  })

  test('tags come in the order of the store, own ones first', async () => {
    const { view, storage, ...rest } = await store.open()
    const snapshots = await readSnapshots({ storage, ...rest }, view, view.inventory.snapshots)
    const tags = await readTags(storage, view, snapshots)
    expect(ids.map(id => tags.get(id))).toEqual([[], ['twice'], ['best'], ['twice'], []])
  })

  test('is found without reading more snapshots than needed', async () => {
    const { storage, calls } = store.watched()
    const source = await store.open(storage)
    expect((await newestSnapshot(source, source.view, 'data'))!.id).toBe(ids[4])
    expect(calls.filter(call => call.startsWith('get snapshot-')).length).toBe(1)
    await resolveVersion(source, source.view, parseVersion('data~1'))
    expect(calls.filter(call => call.startsWith('get snapshot-')).length).toBe(3)
  })
})

test('a beginning that several ids share is refused, and so is a tag that begins another id', async () => {
  const store = new TestStore()
  const byStart = new Map<string, string>()
  let shared: [string, string] | undefined
  for (let i = 0; shared === undefined; i++) {
    const { id } = await store.snapshot('data', { time: NOON + i })
    const other = byStart.get(id.slice(0, 4))
    if (other !== undefined) shared = [other, id]
    byStart.set(id.slice(0, 4), id)
  }
  const start = shared[0].slice(0, 4)
  expect((await rejection(resolve(store, `data@${start}`), 'usage')).message).toBe(`@${start} is the beginning of 2 ids.`)
  expect(await resolve(store, `data@${shared[1].slice(0, 12)}`)).toBe(shared[1])
  await store.label(shared[0], [start])
  await rejection(resolve(store, `data@${start}`), 'usage')
})

describe('damaged and late versions', () => {
  const late = { listed: 0, entries: [fileWithoutData] }

  test('the one that is asked for is damaged: it says so rather than give another', async () => {
    const store = new TestStore()
    const older = await store.snapshot('data', { time: NOON })
    const newer = await store.snapshot('data', { time: NOON + 1 })
    const bytes = await store.memory.get(newer.objectName)
    await store.replace(newer.objectName, bytes.subarray(0, 100))
    for (const text of ['data', 'data@2026-11-20Z', `data@${newer.id.slice(0, 8)}`, 'data@some-tag'])
      await rejection(resolve(store, text), 'corrupt')
    for (const text of ['data~1', `data@${older.id}`, 'data@2026-11-20T12:00:00Z~1']) expect(await resolve(store, text)).toBe(older.id)
    const source = await store.open()
    expect((await newestSnapshot(source, source.view, 'data'))!.id).toBe(older.id)
    expect(source.view.problems.length).toBe(1)
  })

  test('a damaged version counts as one, a late and incomplete one does not', async () => {
    const store = new TestStore()
    store.clock = COMMIT_WINDOW_MS * 10
    await store.snapshot('data', { time: 1, ...late })
    const good = await store.snapshot('data', { time: 2 })
    const damaged = await store.snapshot('data', { time: 3 })
    await store.replace(damaged.objectName, Buffer.from('{}'))
    await rejection(resolve(store, 'data'), 'corrupt')
    expect(await resolve(store, 'data~1')).toBe(good.id)
    expect((await rejection(resolve(store, 'data~2'), 'not-found')).message).toContain('data has 2 versions,')
  })

  test('a name whose only version lacks data has a damaged version, not none', async () => {
    const store = new TestStore()
    store.clock = NOON
    const { id } = await store.snapshot('images', { time: NOON, ...late })
    const { message, hint } = await rejection(resolve(store, 'images'), 'corrupt')
    expect(message).toBe(`images has no version that is whole: data of images@${id.slice(0, 8)} is missing from the repository.`)
    expect(hint).toContain('colab-escape check')
    expect((await rejection(resolve(store, 'images@best'), 'not-found')).hint).toContain('1 version that lacks data')
  })

  test('late and incomplete: only its id finds it while its push may replace it', async () => {
    const store = new TestStore()
    store.clock = NOON
    const good = await store.snapshot('data', { time: NOON })
    const bad = await store.snapshot('data', { time: NOON + 1, tags: ['mine'], ...late })
    const lost = await store.snapshot('data', { time: NOON + 2, ...late, indexed: false })
    expect(await resolve(store, 'data')).toBe(good.id)
    await rejection(resolve(store, 'data@mine'), 'not-found')
    for (const { id } of [bad, lost]) expect(await resolve(store, `data@${id}`)).toBe(id)
    expect(await resolve(store, 'data@2026-11-20Z')).toBe(good.id)
  })

  test('late and incomplete for a day, or in a copied repository: it counts like any other', async () => {
    const old = new TestStore()
    old.clock = NOON
    const bad = await old.snapshot('data', { time: NOON, tags: ['mine'], ...late })
    old.clock = NOON + DAY - 1
    await rejection(resolve(old, 'data@mine'), 'not-found')
    old.clock += 5000
    for (const text of ['data', 'data@mine', 'data@2026-11-20Z']) expect(await resolve(old, text)).toBe(bad.id)

    const copied = new TestStore()
    copied.clock = NOON
    const { id } = await copied.snapshot('data', { time: NOON, ...late })
    await copied.config()
    expect(await resolve(copied, 'data')).toBe(id)
  })

  test('late and complete: offered', async () => {
    const store = new TestStore()
    store.clock = NOON
    await store.snapshot('data', { time: NOON })
    const copied = await store.snapshot('data', { time: NOON + 1, listed: 0, entries: [fileEntry('empty')] })
    expect(await resolve(store, 'data')).toBe(copied.id)
  })

  test('vanished since the listing: the one before', async () => {
    const store = new TestStore()
    const older = await store.snapshot('data', { time: NOON })
    const newer = await store.snapshot('data', { time: NOON + 1 })
    const source = await store.open()
    await store.memory.remove(newer.objectName)
    expect((await resolveVersion(source, source.view, parseVersion('data'))).id).toBe(older.id)
  })

  test('a damaged label is noted, and the others count', async () => {
    const store = new TestStore()
    const { id } = await store.snapshot('data', { time: NOON })
    await store.put(labelName(hexOf(1)), Buffer.from('{}'))
    await store.label(id, ['best'])
    const source = await store.open()
    expect((await resolveVersion(source, source.view, parseVersion('data@best'))).id).toBe(id)
    expect(source.view.problems.map(({ message }) => message)).toEqual([
      expect.stringContaining(`Label ${hexOf(1).slice(0, 12)} is damaged`),
    ])
  })
})
