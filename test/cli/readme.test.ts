import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { expectError, withSandbox } from '../helpers/cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { DriveSandbox } from '../drive/drive-cli.ts'

const RESCUE = fileURLToPath(new URL('../../docs/rescue.py', import.meta.url))
const README = 'README.txt'

test('a new store says what it is: one page, which every command and rescue.py leave alone', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { 'a.txt': 'first' })
    await sandbox.ok('push', 'data', '--dry-run')
    expect(existsSync(sandbox.store)).toBe(false)
    await sandbox.ok('push', 'data')
    const text = readFileSync(join(sandbox.store, README), 'utf8')
    const lines = text.split('\n')
    expect(lines.length).toBeLessThan(50)
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80)
    expect(text).toMatch(/^[\n\x20-\x7e]+$/)
    // what it tells people to type
    for (const words of ['log --store', 'pull <name> --store', 'rescue.py <this folder> list', 'rescue.py <this folder> restore'])
      expect(text).toContain(words)

    writeFileSync(sandbox.in('data/a.txt'), 'second')
    await sandbox.ok('push', 'data', '--keep-last', '1')
    await sandbox.ok('prune', '--now')
    await sandbox.ok('repair')
    await sandbox.ok('check', '--read-data')
    const doctor = await sandbox.ok('doctor')
    expect(doctor.stdout).toMatch(/ok +store .*: a repository with 1 version of 1 name/)
    expect(readFileSync(join(sandbox.store, README), 'utf8')).toBe(text)
    const rescued = execFileSync('python3', [RESCUE, sandbox.store, 'restore', 'data', sandbox.in('back')], { encoding: 'utf8' })
    expect(rescued).not.toContain(README)
    expectSameTree(sandbox.in('back'), sandbox.in('data'))
    // nobody has to like it
    rmSync(join(sandbox.store, README))
    await sandbox.ok('push', 'data')
    expect(readdirSync(sandbox.store)).not.toContain(README)
  }))

describe('a README.txt', () => {
  test('of a person stays, and the folder may become a store', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.path, { 'data/a.txt': 'a', [`store/${README}`]: 'mine' })
      await sandbox.ok('push', 'data')
      expect(readFileSync(join(sandbox.store, README), 'utf8')).toBe('mine')
      await sandbox.ok('check')
    }))

  test('alone makes no repository', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.path, { [`store/${README}`]: 'mine' })
      expectError(await sandbox.run(['log']), 5, /holds no repository/)
    }))

  test('that cannot be written is no failure of the push', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.path, { 'data/a.txt': 'a' })
      mkdirSync(join(sandbox.store, README), { recursive: true })
      chmodSync(join(sandbox.store, README), 0o700)
      const run = await sandbox.ok('push', 'data', '--verbose')
      expect(run.stderr).toContain(`${README} was not written to ${sandbox.store}`)
      await sandbox.ok('check', '--read-data')
    }))

  test('is on Drive too, for one request more, and only once', () =>
    withDrive({}, emulator =>
      withFolder(async folder => {
        const sandbox = new DriveSandbox(emulator, folder)
        makeTree(sandbox.in('data'), { 'a.txt': 'a' })
        await sandbox.ok('push', 'data')
        const named = (): object[] => [...emulator.files.values()].filter(({ name }) => name === README)
        expect(named()).toHaveLength(1)
        writeFileSync(sandbox.in('data/a.txt'), 'b')
        await sandbox.ok('push', 'data')
        expect(named()).toHaveLength(1)
        await sandbox.ok('check', '--read-data')
        await sandbox.ok('prune', '--now')
        expect(named()).toHaveLength(1)
      }),
    ))
})
