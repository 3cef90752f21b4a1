import { copyFileSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { expectError, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'

interface Listed {
  name: string
  version: string
  time: string
  tags: string[]
  metrics: object
  message: string | null
  parent: string | null
}

const log = async (sandbox: Sandbox, ...args: string[]): Promise<Listed[]> =>
  (await sandbox.json<{ versions: Listed[] }>('log', ...args)).versions

const snapshotsIn = (sandbox: Sandbox): string[] => readdirSync(sandbox.store).filter(name => name.startsWith('snapshot-'))

/** Three versions of `data`, with all that a version can bear, and one of `other`. */
function withVersions(use: (sandbox: Sandbox) => Promise<void>): Promise<void> {
  return withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { 'a.txt': '1', 'sub/b.txt': 'b'.repeat(5000) })
    await sandbox.ok('push', 'data', '--tag', 'first', '--metric', 'acc=0.5', '-m', 'begun')
    makeTree(sandbox.in('data'), { 'a.txt': '2' })
    await sandbox.ok('push', 'data')
    await sandbox.ok('tag', 'data', 'later')
    await sandbox.ok('note', 'data', '--metric', 'loss=2', '-m', 'noted')
    makeTree(sandbox.in('data'), { 'a.txt': '3' })
    await sandbox.ok('push', 'data')
    makeTree(sandbox.in('other'), { 'c.txt': 'c' })
    await sandbox.ok('push', 'other')
    await use(sandbox)
  })
}

const known = ({ time, tags, metrics, message }: Listed): object => ({ time, tags, metrics, message })

test('versions keep their times, order, tags, metrics, messages and content', () =>
  withVersions(async sandbox => {
    const before = await log(sandbox, 'data')
    await sandbox.ok('pull', 'data~1', 'was')
    expect(await sandbox.json('rename', 'data', 'renamed')).toMatchObject({ from: 'data', name: 'renamed', versions: 3 })
    const after = await log(sandbox, 'renamed')
    expect(after.map(known)).toEqual(before.map(known))
    expect(after.map(({ parent }) => parent)).toEqual([after[1]!.version, after[2]!.version, null])
    expectError(await sandbox.run(['log', 'data']), 5, /There is no "data"/)
    expect(await log(sandbox, 'other')).toHaveLength(1)
    expect(await sandbox.json('check', '--read-data')).toMatchObject({ damaged: false, incomplete: 0 })
    await sandbox.ok('prune', '--now')
    await sandbox.ok('pull', 'renamed@best:loss', 'out')
    expectSameTree(sandbox.in('out'), sandbox.in('was'))
    expect(await sandbox.json('check', '--read-data')).toMatchObject({ damaged: false, incomplete: 0 })
  }))

test('the folder goes on under the new name, and its rules see the versions as their own', () =>
  withVersions(async sandbox => {
    await sandbox.ok('rename', 'data', 'renamed')
    expect(await sandbox.json('push', 'data', '--name', 'renamed')).toMatchObject({ outcome: 'unchanged' })
    makeTree(sandbox.in('data'), { 'a.txt': '4' })
    expect(await sandbox.json('push', 'data', '--name', 'renamed', '--keep-last', '2')).toMatchObject({ outcome: 'stored', forgotten: 2 })
    expect((await log(sandbox, 'renamed')).map(({ tags }) => tags)).toEqual([[], []])
  }))

test('there and back again is what was', () =>
  withVersions(async sandbox => {
    const before = await log(sandbox, 'data')
    await sandbox.ok('rename', 'data', 'renamed')
    expect(await sandbox.json('status', 'data')).toMatchObject({ version: null })
    await sandbox.ok('rename', 'renamed', 'data')
    expect((await log(sandbox, 'data')).map(known)).toEqual(before.map(known))
    expect(snapshotsIn(sandbox)).toHaveLength(4)
  }))

test('after an interruption at any deletion, the same command goes on', () =>
  withVersions(async sandbox => {
    const before = await log(sandbox, 'data')
    const old = snapshotsIn(sandbox).filter(name => name.endsWith('-data.json'))
    const kept = await sandbox.folder('kept')
    for (const name of old) copyFileSync(join(sandbox.store, name), join(kept, name))
    await sandbox.ok('rename', 'data', 'renamed')
    // as if it had ended before the last one, two or all of them were deleted
    for (const left of [1, 2, 3]) {
      for (const name of old.slice(0, left)) copyFileSync(join(kept, name), join(sandbox.store, name))
      await sandbox.ok('rename', 'data', 'renamed')
      expect((await log(sandbox, 'renamed')).map(known)).toEqual(before.map(known))
      expectError(await sandbox.run(['log', 'data']), 5, /There is no "data"/)
    }
  }))

test('nothing is renamed onto something else, without all its data, or to what is no name', () =>
  withVersions(async sandbox => {
    const before = snapshotsIn(sandbox)
    expect(expectError(await sandbox.run(['rename', 'data', 'other']), 1, /other has versions already/).hint).toContain('log other')
    expectError(await sandbox.run(['rename', 'dat', 'new']), 5, /There is no "dat"/)
    expectError(await sandbox.run(['rename', 'data', 'a/b']), 2, /can't be a name/)
    expectError(await sandbox.run(['rename', 'data', 'data']), 2, /has this name already/)
    expectError(await sandbox.run(['rename', 'data']), 2, /needs a new name/)
    const packs = readdirSync(sandbox.store).filter(name => name.startsWith('pack-'))
    for (const pack of packs) renameSync(join(sandbox.store, pack), sandbox.in(pack))
    expect((await sandbox.run(['rename', 'data', 'new'])).code).toBe(7)
    for (const pack of packs) renameSync(sandbox.in(pack), join(sandbox.store, pack))
    expect(snapshotsIn(sandbox)).toEqual(before)
    rmSync(sandbox.in('cache'), { recursive: true })
    await sandbox.ok('check', '--read-data')
  }))
