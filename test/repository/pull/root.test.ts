import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { FolderStorage } from '../../../src/storage/folder.ts'
import { openForReading } from '../../../src/repository/open/open.ts'
import { pull } from '../../../src/repository/pull/pull.ts'
import { newestSnapshot } from '../../../src/repository/versions/versions.ts'
import { withFolder } from '../../helpers/folders.ts'
import { contextOf, pullVersion, pushFolder } from '../../helpers/in-process.ts'

const TIME = 1_600_000_000
const RESCUE = fileURLToPath(new URL('../../../docs/rescue.py', import.meta.url))

const attributesOf = (path: string): [string, number] => {
  const { mode, mtimeMs } = statSync(path)
  return [(mode & 0o7777).toString(8), mtimeMs / 1000]
}

/** A folder of mode 700 in a store, with a folder `sub` of mode 750. */
async function withPushed(use: (folder: string, context: ReturnType<typeof contextOf>) => Promise<void>): Promise<void> {
  await withFolder(async folder => {
    mkdirSync(join(folder, 'store'))
    const context = contextOf(new FolderStorage(join(folder, 'store')))
    mkdirSync(join(folder, 'data/sub'), { recursive: true })
    writeFileSync(join(folder, 'data/sub/file'), 'x')
    chmodSync(join(folder, 'data/sub'), 0o750)
    chmodSync(join(folder, 'data'), 0o700)
    for (const path of ['data/sub', 'data']) utimesSync(join(folder, path), TIME, TIME)
    await pushFolder(context, join(folder, 'data'), 'data')
    await use(folder, context)
  })
}

describe('the folder that is pushed', () => {
  test('comes back with its mode and time, again and again, and from rescue.py', () =>
    withPushed(async (folder, context) => {
      for (let i = 0; i < 2; i++) {
        await pullVersion(context, 'data', join(folder, 'new/out'))
        expect(attributesOf(join(folder, 'new/out'))).toEqual(['700', TIME])
      }
      execFileSync('python3', [RESCUE, join(folder, 'store'), 'restore', 'data', join(folder, 'rescued')])
      expect(attributesOf(join(folder, 'rescued'))).toEqual(['700', TIME])
    }))

  test('keeps the mode of a destination that was there, and gives it the time, unless others work in it', () =>
    withPushed(async (folder, context) => {
      for (const [name, mode] of [
        ['mine', 0o755],
        ['ours', 0o1777],
      ] as const) {
        // prettier-ignore
        mkdirSync(join(folder, name))
        chmodSync(join(folder, name), mode)
        await pullVersion(context, 'data', join(folder, name))
      }
      expect(attributesOf(join(folder, 'mine'))).toEqual(['755', TIME])
      const rescued = join(folder, 'rescued')
      for (const cwd of [folder, rescued]) {
        rmSync(rescued, { recursive: true, force: true })
        mkdirSync(rescued)
        chmodSync(rescued, 0o755)
        execFileSync('python3', [RESCUE, join(folder, 'store'), 'restore', 'data', rescued], { cwd })
        const [mode, time] = attributesOf(rescued)
        expect([mode, time === TIME]).toEqual(['755', cwd === folder])
      }
      const [mode, time] = attributesOf(join(folder, 'ours'))
      expect(mode).toBe('1777')
      expect(time).toBeGreaterThan(TIME)
    }))

  test('a folder of it that is pulled alone has its own attributes', () =>
    withPushed(async (folder, context) => {
      const repository = await openForReading(context)
      const snapshot = await newestSnapshot(repository, repository.view, 'data')
      const none = { only: [], exclude: [], delete: false, force: false, dryRun: false, skip: undefined, openCache: () => Promise.resolve(undefined) } // prettier-ignore
      const selected = { path: 'sub', type: 'directory' } as const
      await pull(context, repository, { snapshot: snapshot!, selected, destination: join(folder, 'alone'), ...none })
      expect(attributesOf(join(folder, 'alone'))).toEqual(['750', TIME])
    }))

  test('makes a version if its mode changed, and none if only its time did', () =>
    withPushed(async (folder, context) => {
      utimesSync(join(folder, 'data'), TIME + 1, TIME + 1)
      expect((await pushFolder(context, join(folder, 'data'), 'data')).outcome).toBe('unchanged')
      chmodSync(join(folder, 'data'), 0o755)
      expect(await pushFolder(context, join(folder, 'data'), 'data')).toMatchObject({
        outcome: 'stored',
        snapshot: { root: { mode: 0o755 } },
      })
    }))
})
