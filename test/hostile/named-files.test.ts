import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { expectError, withSandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'

const fifo = (path: string): void => void execFileSync('mkfifo', [path])

describe('No ignore file makes a push fail or wait', () => {
  test.each<[string, (path: string) => void, RegExp | undefined]>([
    ['a fifo', fifo, undefined],
    ['a folder', path => mkdirSync(path), undefined],
    ['a link to an endless device', path => symlinkSync('/dev/zero', path), undefined],
    ['a link to itself', path => symlinkSync('.colab-escape-ignore', path), undefined],
    ['a file of 200 MB', path => writeFileSync(path, Buffer.alloc(200_000_000, '*\n')), /larger than 1048576 bytes. Nothing is left out/],
  ])('%s', (_, make, warned) =>
    withSandbox(async sandbox => {
      makeTree(sandbox.path, { 'data/a.txt': 'a', 'data/sub/b.txt': 'b' })
      make(sandbox.in('data', 'sub', '.colab-escape-ignore'))
      const pushed = await sandbox.ok('push', 'data/sub')
      if (warned !== undefined) expect(pushed.stderr).toMatch(warned)
      expect((await sandbox.ok('cat', 'sub:b.txt')).stdout).toBe('b')
    }),
  )
})

describe('No file of metrics makes a watch fail or wait', () => {
  test.each<[string, (path: string) => void]>([
    ['a fifo', fifo],
    ['a folder', path => mkdirSync(path)],
    ['a link to an endless device', path => symlinkSync('/dev/zero', path)],
    ['a text without an end', path => writeFileSync(path, '{"a": "' + '\\"'.repeat(4_000_000))],
    ['many texts without an end', path => writeFileSync(path, '"\\'.repeat(120_000))],
  ])('%s', (_, make) =>
    withSandbox(async sandbox => {
      makeTree(sandbox.path, { 'data/a.txt': 'a' })
      make(sandbox.in('metrics'))
      await sandbox.ok('watch', 'data', '--until-exit', '999999999', '--settle', '200ms', '--metrics-from', 'metrics')
      expect((await sandbox.ok('cat', 'data:a.txt')).stdout).toBe('a')
    }),
  )
})

describe('A file of credentials that is none is refused at once', () => {
  test.each<[string, (path: string) => void, RegExp]>([
    ['a fifo', fifo, /not a regular file/],
    ['a link to an endless device', path => symlinkSync('/dev/zero', path), /not a regular file/],
    ['a large file', path => writeFileSync(path, '{'.repeat(100_000)), /larger than 65536 bytes/],
  ])('%s', (_, make, why) =>
    withSandbox(async sandbox => {
      make(sandbox.in('key.json'))
      const env = {
        GOOGLE_APPLICATION_CREDENTIALS: sandbox.in('key.json'),
        COLAB_ESCAPE_TOKEN: undefined,
        COLAB_ESCAPE_CREDENTIALS: undefined,
      }
      expectError(await sandbox.run(['auth', 'status'], { env }), 4, why)
    }),
  )
})
