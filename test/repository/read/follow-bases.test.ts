import { describe, expect, test } from 'vitest'
import { check, type CheckResult } from '../../../src/repository/check/check.ts'
import type { NewBlock } from '../../../src/repository/format/directory.ts'
import { packName } from '../../../src/repository/format/object-names.ts'
import { lackOf } from '../../../src/repository/read/block-source.ts'
import { isComplete } from '../../../src/repository/read/read-manifest.ts'
import { measureGroups } from '../../../src/repository/usage/usage-by-group.ts'
import { measureUsage } from '../../../src/repository/usage/usage.ts'
import { readSnapshots } from '../../../src/repository/versions/versions.ts'
import type { Storage } from '../../../src/storage/storage.ts'
import { sha256, toHex } from '../../../src/util/hash.ts'
import { silentReporter } from '../../../src/util/reporter.ts'
import { rawBlock } from '../../helpers/encode.ts'
import { flipBit, rawBlockOf } from '../../helpers/repository/arbitraries.ts'
import { predictedBlock } from '../../helpers/repository/predicted.ts'
import { surroundings, TestStore } from '../../helpers/repository/test-store.ts'
import { seededNoise } from '../../helpers/seeded.ts'

const short = (bytes: Uint8Array): string => toHex(sha256(bytes)).slice(0, 12)
const [base, other, middle, last] = [1, 2, 3, 4].map(i => seededNoise(i, 4000)) as [Buffer, Buffer, Buffer, Buffer]

/** A version of files `last` and `other`; `last` is predicted from `middle`, and that from `base`. */
async function makeStore(more: NewBlock[] = []) {
  const store = new TestStore()
  await store.config()
  const packs = [
    await store.pack([rawBlock(base)]),
    await store.pack([predictedBlock('delta', [{ plain: middle, depth: 1, bases: [base] }])]),
    await store.pack([predictedBlock('delta', [{ plain: last, depth: 2, bases: [middle] }])]),
    await store.pack([rawBlockOf([other])]),
  ]
  if (more.length > 0) packs.push(await store.pack(more))
  await store.index(packs)
  const file = (path: string, content: Buffer) =>
    ({ type: 'file', path, mode: 0o644, mtime: 0n, size: content.length, chunks: sha256(content) }) as const
  await store.snapshot('data', {
    entries: [file('last', last), file('other', other)],
    counts: { files: 2, directories: 0, symlinks: 0 },
    bytes: 8000,
  })
  return { store, packs: packs.map(({ id }) => id) }
}

function run(store: TestStore, readData: number, storage: Storage = store.memory): Promise<CheckResult> {
  return check({ storage, pool: store.pool, surroundings: surroundings(), reporter: silentReporter }, { readData })
}

test('du counts what a version is predicted from', async () => {
  const { store, packs } = await makeStore()
  const source = await store.open()
  const { names, unreachedBytes } = await measureUsage(source)
  const [snapshot] = await readSnapshots(source, source.view, source.view.inventory.snapshots)
  const manifest = snapshot!.manifest.bytes
  expect(names[0]).toMatchObject({
    plainBytes: 8000,
    distinctBytes: 8000 + manifest,
    storedBytes: 16_000 + manifest,
    ownBytes: 16_000 + manifest,
    saved: { compression: 0, filters: 0, deltas: -8000 },
  })
  expect(unreachedBytes).toBe(0)
  const sizes = { plainBytes: 4000, distinctBytes: 4000 }
  expect(await measureGroups(source, snapshot!, path => path)).toEqual([
    { group: 'last', files: 1, ...sizes, storedBytes: 12_000, saved: { compression: 0, filters: 0, deltas: -8000 } },
    { group: 'other', files: 1, ...sizes, storedBytes: 4000, saved: { compression: 0, filters: 0, deltas: 0 } },
  ])
  expect(packs).toHaveLength(4)
})

test('a late version counts only with all that it is predicted from', async () => {
  const { store, packs } = await makeStore()
  const source = await store.open()
  const [snapshot] = await readSnapshots(source, source.view, source.view.inventory.snapshots)
  expect(await isComplete(source, snapshot!)).toBe(true)
  await store.memory.remove(packName(packs[0]!))
  const less = await store.open()
  expect(await isComplete(less, snapshot!)).toBe(false)
  expect(less.index.whole.best(sha256(last))).toBe(-1)
  expect(less.index.find(sha256(last))).toBeGreaterThanOrEqual(0)
})

describe('check follows bases', () => {
  test('and reads each of their blocks no more than twice', async () => {
    const { store, packs } = await makeStore()
    expect(await run(store, 0)).toMatchObject({ files: 2, problems: [], affected: [] })
    const { storage, calls } = store.watched()
    expect(await run(store, 1, storage)).toMatchObject({ files: 2, packsRead: 5, problems: [], affected: [] })
    for (const id of packs) expect(calls.filter(call => call === `get ${packName(id)}`).length).toBeLessThanOrEqual(2)
  })

  test('and names one that is missing, without reading data', async () => {
    const { store, packs } = await makeStore()
    await store.memory.remove(packName(packs[0]!))
    const { affected } = await run(store, 0)
    const [, second, third] = packs.map(id => id.slice(0, 12))
    const why =
      `is predicted from chunk ${short(middle)} in pack ${second}, ` +
      `which is predicted from chunk ${short(base)}, and no pack holds a usable copy of it`
    expect(affected.map(({ path, why }) => `${path}: ${why}`)).toEqual([`last: chunk ${short(last)} in pack ${third} ${why}`])
    // as a pull says it, before it reads anything
    const { index } = await store.open()
    expect(lackOf(index, index.find(sha256(last)))).toBe(why)
  })

  test('and names one that is damaged', async () => {
    for (const [damaged, ending] of [
      [0, `which is predicted from chunk ${short(base)} in pack`],
      [1, 'which is damaged'],
    ] as const) {
      const { store, packs } = await makeStore()
      const name = packName(packs[damaged]!)
      await store.replace(name, flipBit(await store.memory.get(name), 100))
      const { affected, problems } = await run(store, 1)
      expect(affected).toHaveLength(1)
      expect(affected[0]!.path).toBe('last')
      expect(affected[0]!.why).toContain(ending)
      expect(problems.some(problem => problem.includes(packs[damaged]!.slice(0, 12)))).toBe(true)
    }
  })

  test('and takes another copy where there is one', async () => {
    const { store, packs } = await makeStore([rawBlock(middle)])
    await store.memory.remove(packName(packs[0]!))
    for (const readData of [0, 1]) expect((await run(store, readData)).affected).toEqual([])
  })
})
