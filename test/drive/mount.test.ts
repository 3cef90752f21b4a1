import { readdirSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FolderStorage } from '../../src/storage/folder.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { expectError, runCli } from '../helpers/cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { expectSameTree, makeTree, pictureOf, type TreePicture } from '../helpers/trees.ts'
import { DriveSandbox } from './drive-cli.ts'
import { machine } from './machine.ts'
import { expectNothingTwice } from './scene.ts'

interface Place {
  emulator: DriveEmulator
  /** The program with `--store drive:`. */
  drive: DriveSandbox
  source: string
  in: (...parts: string[]) => string
}

function withPlace(use: (place: Place) => Promise<void>): Promise<void> {
  return withDrive({}, emulator =>
    withFolder(async folder => {
      const drive = new DriveSandbox(emulator, folder)
      const source = drive.in('data')
      makeTree(source, {
        'noise.bin': seededNoise(1, 5_000_000),
        'sub/table.csv': seededText(2, 100_000),
        'sub/link': { link: 'table.csv' },
        empty: '',
      })
      await use({ emulator, drive, source, in: (...parts) => drive.in(...parts) })
    }),
  )
}

const folderContext = (store: string) => contextOf(new FolderStorage(store))

async function expectClean(context: ReturnType<typeof folderContext>): Promise<void> {
  const { problems, affected, packs, packsRead } = await checkAll(context)
  expect([problems, affected, packsRead]).toEqual([[], [], packs])
}

/** Two versions of `data`, the newer one first. */
async function pushTwo(push: () => Promise<unknown>, source: string): Promise<TreePicture[]> {
  const old = pictureOf(source)
  await push()
  makeTree(source, { 'sub/table.csv': seededText(3, 120_000), 'new.txt': 'new' })
  await push()
  return [pictureOf(source), old]
}

describe('one repository, through the API and as a mounted folder', () => {
  test('pushed through the API, pulled and pushed in the folder, and back', () =>
    withPlace(async ({ emulator, drive, source, in: at }) => {
      const versions = await pushTwo(() => pushFolder(machine(emulator), source, 'data'), source)
      await emulator.exportTo(at('mounted'))
      const store = at('mounted', 'colab-escape')
      await expectClean(folderContext(store))
      for (const [back, expected] of versions.entries()) {
        const out = at(`out-${back}`)
        const run = await runCli(['pull', `data~${back}`, out, '--store', store], { env: { COLAB_ESCAPE_CACHE: at('cache') } })
        expect(run.code, run.stderr).toBe(0)
        expectSameTree(out, expected)
      }
      expect((await pushFolder(folderContext(store), source, 'data')).outcome).toBe('unchanged')

      // what is pushed there reaches Drive as files that no app of ours made
      makeTree(source, { 'new.txt': 'newer' })
      expect((await pushFolder(folderContext(store), source, 'data')).outcome).toBe('stored')
      const added = readdirSync(store).filter(name => emulator.fileAt(`colab-escape/${name}`) === undefined)
      expect(added.map(name => name.split('-')[0]).sort()).toEqual(['index', 'pack', 'snapshot'])
      emulator.drive.store.remove(emulator.fileAt('colab-escape')!)
      await emulator.importFrom(at('mounted'))
      expectNothingTwice(emulator)
      await expectClean(machine(emulator))
      await drive.ok('pull', 'data', 'back')
      expectSameTree(at('back'), source)
    }))

  test('pushed into the folder, pulled and pushed through the API', () =>
    withPlace(async ({ emulator, drive, source, in: at }) => {
      const store = at('mounted', 'colab-escape')
      const versions = await pushTwo(() => pushFolder(folderContext(store), source, 'data'), source)
      await emulator.importFrom(at('mounted'))
      await expectClean(machine(emulator))
      for (const [back, expected] of versions.entries()) {
        const out = at(`out-${back}`)
        await pullVersion(machine(emulator), `data~${back}`, out)
        expectSameTree(out, expected)
      }
      expect(await drive.json('push', 'data')).toMatchObject({ outcome: 'unchanged', newBytes: 0 })
      makeTree(source, { 'new.txt': 'newer' })
      expect(await drive.json('push', 'data')).toMatchObject({ outcome: 'stored' })
      expectNothingTwice(emulator)
      await expectClean(machine(emulator))
      await drive.ok('pull', 'data', 'back')
      expectSameTree(at('back'), source)
    }))

  test('a copy made much later: its versions count, whatever the times of its files', () =>
    withDrive({ surroundings: { now: () => Date.parse('2026-06-01T12:00:00Z') } }, emulator =>
      withFolder(async folder => {
        const source = join(folder, 'data')
        makeTree(source, { 'a.txt': 'kept' })
        await pushFolder(machine(emulator), source, 'data')
        await emulator.exportTo(join(folder, 'copy'))
        const store = join(folder, 'copy', 'colab-escape')
        for (const name of readdirSync(store)) utimesSync(join(store, name), 0, 0)
        await expectClean(folderContext(store))
        await pullVersion(folderContext(store), 'data', join(folder, 'out'))
        expectSameTree(join(folder, 'out'), source)
      }),
    ))

  test('in a folder of its own, and among the files of somebody', () =>
    withPlace(async ({ emulator, drive, source, in: at }) => {
      makeTree(at('mounted'), { 'Photos/a.jpg': 'a photo' })
      await emulator.importFrom(at('mounted'))
      expectError(
        await drive.withStore('drive:Photos').run(['push', 'data']),
        5,
        /drive:Photos is not a repository and contains 1 other file/,
      )
      await drive.withStore('drive:Other/Repository').ok('push', 'data')
      await emulator.exportTo(at('later'))
      const store = at('later', 'Other', 'Repository')
      await pullVersion(folderContext(store), 'data', at('out'))
      expectSameTree(at('out'), source)
      expect(readdirSync(at('later', 'Photos'))).toEqual(['a.jpg'])
    }))
})
