import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { DriveSandbox } from '../drive/drive-cli.ts'
import { runCli } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { CAN_MOUNT_RCLONE, withRemoteMounted } from '../helpers/mounts.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { startRcloneWorld } from './rclone.ts'
import type { RcloneWorld } from './rclone.ts'

/** Gives `use` a folder in which rclone has mounted the Drive of `world`. Ends when rclone has uploaded what it got. */
function withMountOf<T>(world: RcloneWorld, use: (path: string) => Promise<T>): Promise<T> {
  // rclone waits 5 s unless told otherwise; its version 1.60 can lose a rename that comes while it uploads the file
  const options = ['--vfs-cache-mode', 'writes', '--vfs-write-back', '2s', '--dir-cache-time', '0s', '--allow-non-empty']
  return withRemoteMounted('gdrive:', options, { ...process.env, ...world.env, PATH: process.env.PATH }, async path => {
    const result = await use(path)
    // not in a call that blocks: this process answers rclone
    for (const name of await readdir(join(path, 'colab-escape')))
      await vi.waitFor(() => expect(world.emulator.fileAt(`colab-escape/${name}`), name).toBeDefined(), { timeout: 30_000 })
    return result
  })
}

async function withWorld(use: (world: RcloneWorld, sandbox: DriveSandbox) => Promise<void>): Promise<void> {
  const world = await startRcloneWorld(3_600_000)
  try {
    await withFolder(async folder => {
      const sandbox = new DriveSandbox(world.emulator, folder)
      makeTree(sandbox.in('data'), { 'a.txt': 'first', 'deep/noise.bin': seededNoise(1, 3_000_000) })
      await use(world, sandbox)
    })
  } finally {
    await world.close()
  }
}

describe.skipIf(!CAN_MOUNT_RCLONE)('one repository, through a mount of Drive and through its API', () => {
  test('what is pushed into the mount is read through the API', () =>
    withWorld(async (world, sandbox) => {
      await withMountOf(world, async path => {
        const pushed = await runCli(['push', sandbox.in('data'), '--store', join(path, 'colab-escape')])
        expect(pushed.code, pushed.stderr).toBe(0)
      })
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
      expect(await sandbox.json('check', '--read-data')).toMatchObject({ damaged: false })
    }))

  test('what is pushed through the API is read in the mount, and both add to it', () =>
    withWorld(async (world, sandbox) => {
      await sandbox.ok('push', 'data')
      await withMountOf(world, async path => {
        const store = ['--store', join(path, 'colab-escape')]
        const pulled = await runCli(['pull', 'data', sandbox.in('out'), ...store])
        expect(pulled.code, pulled.stderr).toBe(0)
        expectSameTree(sandbox.in('out'), sandbox.in('data'))
        makeTree(sandbox.in('data'), { 'b.txt': 'second' })
        const pushed = await runCli(['push', sandbox.in('data'), ...store])
        expect(pushed.code, pushed.stderr).toBe(0)
      })
      makeTree(sandbox.in('data'), { 'c.txt': 'third' })
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'last')
      expectSameTree(sandbox.in('last'), sandbox.in('data'))
      expect(await sandbox.json('check', '--read-data')).toMatchObject({ damaged: false })
    }))
})
