import { statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { Sandbox, withSandbox } from '../helpers/cli.ts'
import { CAN_MOUNT_RCLONE, withRcloneMount } from '../helpers/mounts.ts'
import { makeTree } from '../helpers/trees.ts'

const LONG_AGO = '1500000000'

/** Other content of the same length, with the times as they were: what `cp -p`, `rsync -t`, tar and unzip do. */
function rewrite(path: string, content: string): void {
  const { atime, mtime, size } = statSync(path)
  writeFileSync(path, content)
  utimesSync(path, atime, mtime)
  expect(statSync(path)).toMatchObject({ mtime, size })
}

async function stored(sandbox: Sandbox, path: string): Promise<string> {
  return (await sandbox.ok('cat', path)).stdout
}

describe('a file that was rewritten with the same size and time', () => {
  test.skipIf(!CAN_MOUNT_RCLONE)('on a mount without times of change: push stores it, status shows it, pull replaces it', () =>
    withRcloneMount(mount =>
      withSandbox(async sandbox => {
        const data = join(mount, 'data')
        makeTree(data, { 'a.txt': { file: 'before', mtime: LONG_AGO }, 'b.txt': { file: 'before', mtime: LONG_AGO } })
        const { mtimeMs, ctimeMs } = statSync(join(data, 'a.txt'))
        expect(ctimeMs).toBe(mtimeMs)
        await sandbox.ok('push', data)
        rewrite(join(data, 'a.txt'), 'after!')
        expect((await sandbox.ok('status', data)).stdout).toMatch(/^M .*a\.txt$/m)
        const push = await sandbox.ok('push', data)
        expect(push.stdout).toMatch(/^Pushed data@/)
        expect(push.stderr).toMatch(/^note: the files here are read by every push, changed or not/m)
        expect(await stored(sandbox, 'data:a.txt')).toBe('after!')
        expect((await sandbox.ok('push', data)).stdout).toMatch(/^Nothing changed/)
        rewrite(join(data, 'b.txt'), 'broken')
        expect(await sandbox.json('pull', 'data', data, '--force', '--dry-run')).toMatchObject({ toWrite: 1, unchanged: 1 })
      }),
    ),
  )

  test('is found with --reread, however its fingerprint came to be the same', () =>
    withSandbox(async sandbox => {
      const file = sandbox.in('data', 'a.txt')
      makeTree(sandbox.in('data'), { 'a.txt': { file: 'before', mtime: LONG_AGO } })
      // only after two seconds does the cache know a file
      await new Promise(resolve => setTimeout(resolve, 2100))
      const { bytes, readBytes } = await sandbox.json<{ bytes: number; readBytes: number }>('push', 'data')
      expect([bytes, readBytes]).toEqual([6, 6])
      expect(await sandbox.json('push', 'data')).toMatchObject({ outcome: 'unchanged', readBytes: 0 })
      expect(await sandbox.json('push', 'data', '--reread')).toMatchObject({ outcome: 'unchanged', readBytes: 6 })
      expect(await sandbox.json('push', 'data')).toMatchObject({ outcome: 'unchanged', readBytes: 0 })
      rewrite(file, 'after!')
      expect(await sandbox.json('push', 'data')).toMatchObject({ outcome: 'stored', readBytes: 6 })
    }))

  test('at once after a push, within one tick of the clock', () =>
    withSandbox(async sandbox => {
      const file = sandbox.in('data', 'a.txt')
      makeTree(sandbox.in('data'), { 'a.txt': 'before' })
      for (const content of ['after1', 'after2']) {
        await sandbox.ok('push', 'data')
        rewrite(file, content)
        await sandbox.ok('push', 'data')
        expect(await stored(sandbox, 'data:a.txt')).toBe(content)
      }
    }))
})
