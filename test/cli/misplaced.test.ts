import { copyFileSync, mkdirSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { expectError, Sandbox, withSandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'

const named = (sandbox: Sandbox, kind: string): string => readdirSync(sandbox.store).find(name => name.startsWith(kind))!

const MOVES: Record<string, (store: string, name: string) => void> = {
  'a link to it': (store, name) => {
    renameSync(join(store, name), join(store, '..', name))
    symlinkSync(join('..', name), join(store, name))
  },
  'a link to nothing': (store, name) => {
    renameSync(join(store, name), join(store, '..', name))
    symlinkSync('nowhere', join(store, name))
  },
  'a folder of that name with it': (store, name) => {
    renameSync(join(store, name), join(store, '..', name))
    mkdirSync(join(store, name))
    renameSync(join(store, '..', name), join(store, name, name))
  },
  'a copy in a folder': (store, name) => {
    mkdirSync(join(store, 'old'))
    renameSync(join(store, name), join(store, 'old', name))
  },
}

test.each(Object.keys(MOVES).flatMap(move => ['snapshot', 'label'].map(kind => [kind, move] as const)))(
  'a %s that became %s: named by check and log, and nothing is deleted',
  (kind, move) =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: 'first' })
      await sandbox.ok('push', 'data')
      await sandbox.ok('tag', 'data', 'best')
      makeTree(sandbox.in('data'), { a: 'second' })
      await sandbox.ok('push', 'data')
      const name = named(sandbox, kind)
      MOVES[move]!(sandbox.store, name)
      const before = readdirSync(sandbox.store).sort()
      const checked = await sandbox.run(['check'])
      expect(checked.code).toBe(7)
      expect(checked.stdout).toContain(`${name} looks like an object of this repository, but`)
      expect((await sandbox.run(['log'])).stderr).toContain(name)
      for (const args of [
        ['prune', '--now'],
        ['forget', 'data', '--keep-last', '1', '--keep-tag', 'best'],
      ])
        expect(expectError(await sandbox.run(args), 7, /looks like an object/).hint).toContain('Move the file itself')
      expect(readdirSync(sandbox.store).sort()).toEqual(before)
    }),
)

test('folders in a repository that hold copies or another repository are no damage', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { a: 'a' })
    await sandbox.ok('push', 'data')
    const name = named(sandbox, 'snapshot')
    mkdirSync(join(sandbox.store, 'snapshot-2026'))
    mkdirSync(join(sandbox.store, 'copies'))
    copyFileSync(join(sandbox.store, name), join(sandbox.store, 'copies', name))
    await new Sandbox(sandbox.path, join(sandbox.store, 'another')).ok('push', 'data', '--name', 'other')
    await sandbox.ok('check')
    await sandbox.ok('prune', '--now')
  }))

test('repair leaves the config.json of another program alone', () =>
  withSandbox(async sandbox => {
    const config = '{"architectures":["BertModel"]}'
    makeTree(sandbox.store, { 'config.json': config, 'model.safetensors': 'weights' })
    for (const args of [['repair'], ['repair', '--dry-run'], ['repair', '--give-up']])
      expectError(await sandbox.run(args), 5, /no object of a repository/)
    const { hint } = expectError(await sandbox.run(['check']), 7, /it has no format/)
    expect(hint).toContain('If another program made this folder')
    expect(readFileSync(join(sandbox.store, 'config.json'), 'utf8')).toBe(config)
    // beside objects of a repository a damaged config is ours
    makeTree(sandbox.in('data'), { a: 'a' })
    const other = new Sandbox(sandbox.path, sandbox.in('other'))
    await other.ok('push', 'data')
    writeFileSync(join(other.store, 'config.json'), '')
    expectError(await other.run(['check']), 7, /is not JSON/)
    await other.ok('repair')
    await other.ok('check')
  }))
