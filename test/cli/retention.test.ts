import { copyFileSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { expectError, Sandbox } from '../helpers/cli.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'

let sandbox: Sandbox
let ids: string[]

beforeEach(async () => {
  sandbox = new Sandbox(mkdtempSync(join(tmpdir(), 'colab-escape-test-')))
  ids = []
  for (let i = 0; i < 4; i++) {
    makeTree(sandbox.in('data'), { 'model.bin': seededNoise(i + 1, 400_000) })
    const tags = i === 1 ? ['--tag', 'best'] : []
    ids.push((await sandbox.json<{ version: string }>('push', 'data', ...tags)).version)
  }
})

afterEach(() => rmSync(sandbox.path, { recursive: true, force: true }))

interface Forgotten {
  names: { kept: { version: string; reasons: string[] }[]; forgotten: { version: string }[] }[]
  pruned: { waiting: { bytes: number; until: string | null } } | null
}

const storedBytes = (): number =>
  readdirSync(sandbox.store).reduce((sum, name) => sum + (name.startsWith('pack-') ? statSync(join(sandbox.store, name)).size : 0), 0)

test('forget keeps what a rule keeps and tells why; prune --now frees the rest for good', async () => {
  const before = storedBytes()
  const dry = await sandbox.json<Forgotten>('forget', 'data', '--keep-last', '1', '--keep-tag', 'best', '--dry-run')
  expect(dry.names[0]!.kept.map(({ version }) => version)).toEqual([ids[3], ids[1]])
  expect(dry.names[0]!.kept[0]!.reasons).toEqual(['newest', 'last'])
  expect(dry.names[0]!.kept[1]!.reasons).toEqual(['tag best'])
  expect((await sandbox.ok('log', 'data')).stdout).toContain(ids[0]!.slice(0, 8))

  const done = await sandbox.json<Forgotten>('forget', 'data', '--keep-last', '1', '--keep-tag', 'best')
  expect(done.names[0]!.forgotten.map(({ version }) => version)).toEqual([ids[2], ids[0]])
  expect(done.pruned!.waiting.bytes).toBeGreaterThan(700_000)
  expect(done.pruned!.waiting.until).not.toBeNull()
  expect(storedBytes()).toBeGreaterThanOrEqual(before)

  const { marked, unreachedBytes } = await sandbox.json<{ marked: { bytes: number; until: string }; unreachedBytes: number }>('du')
  expect(unreachedBytes).toBeGreaterThan(700_000)
  expect(marked).toMatchObject({ packs: 2, bytes: done.pruned!.waiting.bytes })
  // the tomb is made a little after the listing that forget tells the time from
  expect(Date.parse(marked.until)).toBeGreaterThanOrEqual(Date.parse(done.pruned!.waiting.until!))
  expect((await sandbox.ok('du')).stdout).toMatch(
    /80\d kB will be freed by `colab-escape prune` after \d{4}-.* \(safety delay; --now skips it\)/,
  )
  expectError(await sandbox.run(['du', '--by', 'kind']), 2, /--by needs a version to split/)

  const pruned = await sandbox.ok('prune', '--now')
  expect(pruned.stdout).toMatch(/freed 80\d kB/)
  expect(storedBytes()).toBeLessThan(before - 700_000)
  await sandbox.ok('check', '--read-data')
  for (const [id, seed] of [
    [ids[3], 4],
    [ids[1], 2],
  ] as const) {
    await sandbox.ok('pull', `data@${id!}`, `out${seed}`)
    expect(readFileSync(sandbox.in(`out${seed}`, 'model.bin')).equals(seededNoise(seed, 400_000))).toBe(true)
  }
})

test('a good copy stays where the other is damaged, and prune says so with its exit status', async () => {
  makeTree(sandbox.in('shared'), { 'model.bin': seededNoise(50, 300_000) })
  const [one, two] = ['one', 'two'].map(name => sandbox.in(name)) as [string, string]
  const at = (store: string): Sandbox => new Sandbox(sandbox.path, store)
  await at(one).ok('push', 'shared', '--name', 'a')
  await at(two).ok('push', 'shared', '--name', 'b')
  const packsOf = (store: string): string[] => readdirSync(store).filter(name => name.startsWith('pack-'))
  const codes: (number | null)[] = []
  for (const rotten of ['one', 'two']) {
    const both = sandbox.in(`both-${rotten}`)
    mkdirSync(both)
    for (const store of [one, two]) {
      for (const name of readdirSync(store)) copyFileSync(join(store, name), join(both, name))
      // the same one of both indexes must be the newer one in both turns, or it is chance which pack prune keeps
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    for (const name of packsOf(sandbox.in(rotten))) {
      const bytes = readFileSync(join(both, name))
      bytes[1000]! ^= 1
      writeFileSync(join(both, name), bytes)
    }
    const { code, stderr } = await at(both).run(['prune', '--now'])
    codes.push(code)
    if (packsOf(sandbox.in(rotten)).some(name => readdirSync(both).includes(name))) expect(code).toBe(7)
    if (code !== 0) expect(stderr).toMatch(/Pack \w{12} is damaged: chunk \w{12} in it can't be read/)
    for (const name of ['a', 'b']) {
      await at(both).ok('pull', name, `out-${rotten}-${name}`)
      expect(readFileSync(sandbox.in(`out-${rotten}-${name}`, 'model.bin')).equals(seededNoise(50, 300_000))).toBe(true)
    }
  }
  expect(codes).toContain(7)
})

test('push with rules forgets at once what they do not keep, and keeps the new version whatever they say', async () => {
  makeTree(sandbox.in('data'), { 'model.bin': seededNoise(9, 400_000) })
  const receipt = await sandbox.json<{ version: string; forgotten: number; pruned: { waiting: { bytes: number } } }>(
    ...['push', 'data', '--keep-last', '2', '--keep-tag', 'best'],
  )
  expect(receipt.forgotten).toBe(2)
  expect(receipt.pruned.waiting.bytes).toBeGreaterThan(700_000)
  const { versions } = await sandbox.json<{ versions: { version: string }[] }>('log', 'data')
  expect(versions.map(({ version }) => version)).toEqual([receipt.version, ids[3], ids[1]])
  expect((await sandbox.ok('push', 'data', '--keep-last', '1')).stdout).toMatch(/Nothing changed[^]*forgot 2 older versions/)
  expectError(await sandbox.run(['push', 'data', '--keep-last', 'few']), 2, /isn't a number of versions/)
  await sandbox.ok('pull', 'data', 'out9')
  expect(readFileSync(sandbox.in('out9', 'model.bin')).equals(seededNoise(9, 400_000))).toBe(true)
})

test('without --all the newest version stays; with it the whole name goes', async () => {
  expectError(await sandbox.run(['forget', 'data']), 2, /which versions to keep/)
  expectError(await sandbox.run(['forget', 'absent', '--all']), 5, /There is no "absent"/)
  expectError(await sandbox.run(['forget', 'data', '--keep-last', '0']), 2, /isn't a number of versions/)
  const none = await sandbox.json<Forgotten>('forget', 'data', '--keep-tag', 'nothing')
  expect(none.names[0]!.kept.map(({ version }) => version)).toEqual([ids[3]])
  await sandbox.ok('forget', 'data', '--all')
  await sandbox.ok('prune', '--now')
  expect(storedBytes()).toBe(0)
  writeFileSync(sandbox.in('data', 'model.bin'), 'again')
  await sandbox.ok('push', 'data')
  await sandbox.ok('check', '--read-data')
})

test('of a table that is mostly gone, what is left takes no more than it needs', async () => {
  const rows = (from: number, count: number): string =>
    Array.from({ length: count }, (_, i) => `${from + i},${((from + i) * 7919) % 99_991},${Math.sin(from + i).toFixed(6)}\n`).join('')
  const kept = rows(0, 8000)
  makeTree(sandbox.in('tables'), { 'orders.csv': kept + rows(8000, 60_000) })
  await sandbox.ok('push', 'tables')
  makeTree(sandbox.in('tables'), { 'orders.csv': kept })
  await sandbox.ok('push', 'tables')
  const before = storedBytes()
  await sandbox.ok('forget', 'tables', '--keep-last', '1')
  await sandbox.ok('prune', '--now')
  const { names } = await sandbox.json<{ names: { name: string; storedBytes: number }[] }>('du')
  const { storedBytes: needed } = names.find(({ name }) => name === 'tables')!
  expect(before - storedBytes()).toBeGreaterThan(6 * needed)
  await sandbox.ok('check', '--read-data')
  await sandbox.ok('pull', 'tables', 'out')
  expect(readFileSync(sandbox.in('out', 'orders.csv'), 'utf8')).toBe(kept)
})
