import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { withSandbox, type Sandbox } from '../helpers/cli.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'

/** What a new virtual machine has: the same paths, an empty disk, no cache. */
function freshMachine(sandbox: Sandbox): void {
  for (const name of ['runs', 'cache']) rmSync(sandbox.in(name), { recursive: true, force: true })
}

const versions = async (sandbox: Sandbox): Promise<string[]> => {
  const { versions } = await sandbox.json<{ versions: { version: string }[] }>('log', 'runs')
  return versions.map(({ version }) => version).reverse()
}

let seed = 0

/** The folder gets a new checkpoint of its own content, and the last `keep` checkpoints stay. */
function train(sandbox: Sandbox, epoch: number, keep = 2): void {
  makeTree(sandbox.in('runs'), { [`epoch${epoch}.pt`]: seededNoise(++seed, 20_000) })
  const checkpoints = readdirSync(sandbox.in('runs')).sort()
  for (const old of checkpoints.slice(0, -keep)) rmSync(sandbox.in(`runs/${old}`))
}

async function push(sandbox: Sandbox, ...args: string[]): Promise<string> {
  return (await sandbox.ok('push', 'runs', ...args)).stdout
}

describe('what a push forgets by its rules', () => {
  test('is told, and never what another machine saved under the same path and name', () =>
    withSandbox(async sandbox => {
      for (const epoch of [1, 2]) {
        train(sandbox, epoch)
        await push(sandbox)
      }
      const first = await versions(sandbox)
      freshMachine(sandbox)
      for (const epoch of [1, 2]) {
        train(sandbox, epoch)
        expect(await push(sandbox, '--keep-last', '2')).toMatch(/\n {2}2 versions that this folder does not continue stay/)
      }
      train(sandbox, 3)
      const [, , third] = await versions(sandbox)
      expect(await push(sandbox, '--keep-last', '2')).toContain(`\n  forgot 1 older version: ${third!.slice(0, 8)}\n`)
      expect((await versions(sandbox)).slice(0, 2)).toEqual(first)
      expect(await versions(sandbox)).toHaveLength(4)
      // who says so gives them up
      await sandbox.ok('forget', 'runs', '--keep-last', '1')
      expect(await versions(sandbox)).toHaveLength(1)
    }))

  test('are the versions that the folder was pulled from', () =>
    withSandbox(async sandbox => {
      for (const epoch of [1, 2]) {
        train(sandbox, epoch)
        await push(sandbox)
      }
      freshMachine(sandbox)
      await sandbox.ok('pull', 'runs')
      // all files are new: only the pull tells what it continues
      train(sandbox, 3, 1)
      const receipt = await push(sandbox, '--keep-last', '1')
      expect(receipt).toMatch(/forgot 2 older versions/)
      expect(receipt).not.toContain('does not continue')
      expect(await versions(sandbox)).toHaveLength(1)
    }))

  test.each([['--only', 'epoch1.pt'], ['--exclude', 'epoch2.pt'], []])('are not those of which the folder has only a part: %j', (...args) =>
    withSandbox(async sandbox => {
      for (const epoch of [1, 2, 3]) train(sandbox, epoch, 9)
      await push(sandbox)
      const [before] = await versions(sandbox)
      freshMachine(sandbox)
      await sandbox.ok('pull', args.length === 0 ? 'runs:epoch1*' : 'runs', 'runs', ...args)
      for (const epoch of [4, 5, 6, 7]) train(sandbox, epoch, 9)
      if (args[0] === '--exclude') rmSync(sandbox.in('runs/epoch3.pt'))
      expect(await push(sandbox, '--keep-last', '1')).toContain('does not continue')
      expect((await versions(sandbox))[0]).toBe(before)
    }),
  )

  test('are the versions whose files the folder still has, however it came there', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('runs'), { 'a.bin': seededNoise(101, 9000), 'b.bin': seededNoise(102, 9000), 'c.bin': seededNoise(103, 9000) })
      await push(sandbox)
      rmSync(sandbox.in('cache'), { recursive: true, force: true })
      writeFileSync(sandbox.in('runs/c.bin'), 'new')
      expect(await push(sandbox, '--keep-last', '1')).toMatch(/forgot 1 older version/)
    }))

  test.each([
    ['empty', {}],
    ['much smaller', { 'log.txt': 'begun' }],
  ])('are not the versions of a folder that has become %s', (_, files) =>
    withSandbox(async sandbox => {
      for (const epoch of [1, 2, 3, 4, 5]) train(sandbox, epoch, 9)
      await push(sandbox)
      const before = await versions(sandbox)
      rmSync(sandbox.in('runs'), { recursive: true })
      makeTree(sandbox.in('runs'), { '.': { folder: true }, ...files })
      await push(sandbox, '--keep-last', '1')
      expect(await versions(sandbox)).toEqual([...before, expect.any(String)])
      // and never later
      train(sandbox, 1)
      await push(sandbox, '--keep-last', '1')
      expect((await versions(sandbox))[0]).toBe(before[0])
    }),
  )

  test('is found without reading all the versions that other folders have saved under the name', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('a/runs'), { x: '0' })
      for (let i = 0; i < 12; i++) {
        writeFileSync(sandbox.in('a/runs/x'), String(i))
        await sandbox.ok('push', 'a/runs')
      }
      const reads = async (...args: string[]): Promise<number> => {
        const { requests } = await sandbox.json<{ requests: { get: number } }>('push', 'b/runs', ...args)
        return requests.get
      }
      makeTree(sandbox.in('b/runs'), { y: 'b' })
      expect(await reads()).toBeLessThan(12)
      await sandbox.ok('push', 'a/runs', '-m', 'between')
      writeFileSync(sandbox.in('a/runs/x'), 'more')
      await sandbox.ok('push', 'a/runs')
      makeTree(sandbox.in('b/runs'), { z: 'c' })
      // the own version is the one before the newest
      expect(await reads()).toBeLessThan(12)
    }))

  test('are not those of another machine that works at the same time', () =>
    withSandbox(async sandbox => {
      const push = async (machine: string, epoch: number): Promise<string> => {
        rmSync(sandbox.in('runs'), { recursive: true, force: true })
        makeTree(sandbox.in('runs'), { [`${machine}${epoch}.pt`]: seededNoise(++seed, 20_000) })
        const cache = { COLAB_ESCAPE_CACHE: sandbox.in(`cache-${machine}`) }
        const run = await sandbox.run(['push', 'runs', '--keep-last', '1', '--json'], { env: cache })
        expect(run.code, run.stderr).toBe(0)
        return (await versions(sandbox)).at(-1)!
      }
      await push('a', 1)
      await push('b', 1)
      const a = await push('a', 2)
      const b = await push('b', 2)
      expect(await versions(sandbox)).toEqual([a, b])
    }))
})
