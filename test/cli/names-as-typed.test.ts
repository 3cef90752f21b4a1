import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { expectError, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'

/** Two versions of `images`, one of `runs`. */
async function withVersions(use: (sandbox: Sandbox) => Promise<void>): Promise<void> {
  await withSandbox(async sandbox => {
    makeTree(sandbox.in('images'), { 'cats/a.png': 'a' })
    makeTree(sandbox.in('runs'), { log: 'x' })
    await sandbox.ok('push', 'images', 'runs')
    await use(sandbox)
  })
}

describe('names as a shell completes them', () => {
  test.each([['images/'], ['./images'], ['./images/'], ['images//']])('%s is the name', name =>
    withVersions(async sandbox => {
      await sandbox.ok('pull', name, sandbox.in('out'))
      expect(existsSync(sandbox.in('out/cats/a.png'))).toBe(true)
      await sandbox.ok('log', name)
      await sandbox.ok('ls', name)
      await sandbox.ok('forget', name, '--keep-last', '1', '--dry-run')
    }),
  )

  test('a path leads to the colon', () =>
    withVersions(async sandbox => {
      for (const command of ['pull', 'ls', 'tag'])
        expect(expectError(await sandbox.run([command, 'images/cats', 'x']), 2, /names have no slash/).hint).toMatch(/images:cats/)
      expectError(await sandbox.run(['pull', '../images', 'x']), 2, /can't be a name/)
      expectError(await sandbox.run(['pull', '/', 'x']), 2, /can't be a name/)
    }))

  test('a version leads to its name where only names make sense', () =>
    withVersions(async sandbox => {
      expect(expectError(await sandbox.run(['log', 'images~1']), 2, /is not a name/).hint).toBe('Give the name alone: images')
      expectError(await sandbox.run(['forget', 'images@best', '--all']), 2, /images@best is one version: rules and --all don't go with it/)
    }))

  test('a slip leads to the name that was meant', () =>
    withVersions(async sandbox => {
      for (const args of [
        ['pull', 'imges', 'x'],
        ['log', 'imags'],
        ['ls', 'image'],
        ['cat', 'imagse:a'],
      ])
        expect(expectError(await sandbox.run(args), 5, /There is no "/).hint).toMatch(/Did you mean images\? It holds: images, runs/)
      expect(expectError(await sandbox.run(['log', 'weights']), 5, /There is no "/).hint).toMatch(/^It holds: images, runs/)
    }))

  test('what looks like a date and is none is told so', () =>
    withVersions(async sandbox => {
      for (const date of ['2026-13-01', '2026-02-30', '2026-1-1', '2026-11-20T25:00'])
        expectError(await sandbox.run(['pull', `images@${date}`, 'x']), 5, /neither a date nor a tag/)
      expectError(await sandbox.run(['pull', 'images@1999-12-31', 'x']), 5, /No version of images matches/)
      await sandbox.ok('tag', 'images', '2026-sweep')
      await sandbox.ok('pull', 'images@2026-sweep', sandbox.in('out'))
    }))
})
