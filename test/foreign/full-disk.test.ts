import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { expectError, PROGRAM, runCli, withSandbox, type CliResult } from '../helpers/cli.ts'
import { withTmpfs } from '../helpers/mounts.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'

const KiB = 1024

test('a command that finds no room ends with exit code 6, whatever it writes', () =>
  withSandbox(sandbox =>
    withTmpfs(256 * KiB, async ({ path: small }) => {
      makeTree(sandbox.in('data'), { a: 'x', 'b.bin': seededNoise(1, 500 * KiB) })
      await sandbox.ok('push', 'data')
      for (const archive of ['a.zip', 'a.tar.gz']) await sandbox.ok('compress', 'data', '-o', archive)
      const full = async (run: Promise<CliResult>): Promise<void> => {
        expectError(await run, 6, /space|room|only .* can be used/)
        rmSync(join(small, 'out'), { recursive: true, force: true })
      }
      const out = join(small, 'out')
      await full(sandbox.run(['pull', 'data', out]))
      await full(sandbox.run(['extract', 'a.zip', out]))
      await full(sandbox.run(['extract', '-', out], { input: readFileSync(sandbox.in('a.zip')) }))
      await full(sandbox.run(['extract', '-', out], { input: readFileSync(sandbox.in('a.tar.gz')) }))
      await full(sandbox.run(['compress', 'data', '-o', `${out}.zip`]))
      await full(runCli(['push', 'data', '--store', out], { cwd: sandbox.path, env: { COLAB_ESCAPE_CACHE: sandbox.in('cache') } }))
    }),
  ))

test('a disk that has room for a part of the output: exit code 6', () =>
  withSandbox(sandbox =>
    withTmpfs(256 * KiB, async ({ path: small }) => {
      // its last piece is the one that fits in part
      makeTree(sandbox.in('data'), { 'b.bin': seededNoise(1, 300 * KiB) })
      await sandbox.ok('push', 'data')
      const file = openSync(join(small, 'b.bin'), 'w')
      const { status, stderr } = spawnSync(process.execPath, [PROGRAM, 'cat', 'data:b.bin', '--store', sandbox.store], {
        stdio: ['ignore', file, 'pipe'],
        encoding: 'utf8',
      })
      closeSync(file)
      expect([status, stderr]).toEqual([
        6,
        expect.stringMatching(/^error: The output can't be written: no space left on device\.\n {2}-> /),
      ])
    }),
  ))

test('a cache and a log on a full disk cost nothing but themselves', () =>
  withSandbox(sandbox =>
    withTmpfs(64 * KiB, async ({ path: small }) => {
      makeTree(sandbox.in('data'), { a: 'x' })
      mkdirSync(join(small, 'cache'), { mode: 0o700 })
      const log = openSync(join(small, 'log'), 'w')
      // until the disk is full
      expect(() => writeFileSync(join(small, 'fill'), Buffer.alloc(128 * KiB))).toThrow()
      const { status, stderr } = spawnSync(
        process.execPath,
        [PROGRAM, 'watch', 'data', '--every', '1s', '--settle', '0s', '--until-exit', '4194304', '--store', sandbox.store],
        {
          cwd: sandbox.path,
          env: { ...process.env, COLAB_ESCAPE_CACHE: join(small, 'cache') },
          stdio: ['ignore', log, 'pipe'],
          encoding: 'utf8',
        },
      )
      closeSync(log)
      expect([status, stderr]).toMatchObject([0, expect.stringMatching(/warning: the output can't be written: no space left on device/)])
      expect((await sandbox.ok('cat', 'data:a')).stdout).toBe('x')
    }),
  ))
