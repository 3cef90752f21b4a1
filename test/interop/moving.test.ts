import { cp, readdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { DriveSandbox } from '../drive/drive-cli.ts'
import { resultOf, Sandbox } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'
import { startRcloneWorld, type Run } from './rclone.ts'

const done = ({ code, stderr }: Run): void => expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' })

test('a repository that is copied file by file is the same one: to another disk, to Drive, and back', () =>
  withFolder(async folder => {
    const { emulator, rclone, close } = await startRcloneWorld(60_000)
    try {
      const first = new Sandbox(folder)
      makeTree(first.in('data'), { 'a.bin': seededNoise(1, 300_000), 'b.csv': 'x,y\n'.repeat(1000) })
      await first.ok('push', 'data', '--tag', 'before')
      makeTree(first.in('data'), { 'c.txt': 'new' })
      await first.ok('push', 'data', '--metric', 'acc=0.5')

      await cp(first.store, first.in('disk'), { recursive: true })
      done(await rclone('copy', first.in('disk'), 'gdrive:colab-escape'))
      done(await rclone('copy', 'gdrive:colab-escape', first.in('back')))
      expect((await readdir(first.in('back'))).sort()).toEqual((await readdir(first.store)).sort())

      const history = resultOf(await first.ok('log', '--json'))
      for (const copy of [
        new Sandbox(folder, first.in('disk')),
        new DriveSandbox(emulator, folder, emulator.issueToken()),
        new Sandbox(folder, first.in('back')),
      ]) {
        expect(resultOf(await copy.ok('log', '--json'))).toEqual(history)
        expect((await copy.ok('check', '--read-data')).stdout).toContain('No damage found.')
        expect((await copy.ok('push', 'data')).stdout).toContain('Nothing changed')
        const target = `out-${copy.store.replaceAll(/\W/g, '')}`
        await copy.ok('pull', 'data', target)
        expectSameTree(copy.in(target), copy.in('data'))
      }
    } finally {
      await close()
    }
  }))
