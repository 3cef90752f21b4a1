import { describe, expect, test } from 'vitest'
import type { DriveStorage, DriveStorageOptions } from '../../src/storage/drive/drive-storage.ts'
import { RetryingStorage } from '../../src/storage/retrying.ts'
import { DriveClient, idOf } from '../drive-emulator/client.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { expectError } from '../helpers/cli.ts'
import { driveStorage, withDrive } from '../helpers/drive.ts'
import { rejection } from '../helpers/failures.ts'
import { withFolder } from '../helpers/folders.ts'
import { timelessPatience } from '../helpers/patience.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'
import { DriveSandbox } from './drive-cli.ts'
import { expectNothingTwice, objectsOf } from './scene.ts'

const BYTES = seededNoise(1, 1000)
const PATH = ['a', 'b', 'c']
const MINUTE = 60_000
/** Minutes of Drive, in which nothing can be done with a new folder. */
const YOUNG = { behaviours: { newFoldersAreMissingMs: MINUTE } }

/** With waits that take no time, for as long as it takes. */
function patient(emulator: DriveEmulator, drive: DriveStorage): RetryingStorage {
  return new RetryingStorage(
    drive,
    timelessPatience(ms => emulator.pass(ms)),
  )
}

const storeOf = (emulator: DriveEmulator, options: Partial<DriveStorageOptions> = {}): DriveStorage =>
  driveStorage(emulator, { path: PATH, ...options })

describe('a folder that was just made', () => {
  test('is written to, listed and read as soon as Drive knows it everywhere', () =>
    withDrive(YOUNG, async emulator => {
      const store = patient(emulator, storeOf(emulator))
      await store.put('x', BYTES)
      expect((await store.list()).objects.map(({ name }) => name)).toEqual(['x'])
      expect(BYTES.equals(await store.get('x'))).toBe(true)
      await store.confirm('x', BYTES)
      expectNothingTwice(emulator)
    }))

  test('by another machine, too', () =>
    withDrive(YOUNG, async emulator => {
      await storeOf(emulator)
        .put('x', BYTES)
        .catch(() => undefined)
      const error = await rejection(storeOf(emulator).list(), 'unavailable')
      expect(error.message).toContain('what was made there a moment ago')
      expect((await patient(emulator, storeOf(emulator)).list()).objects).toEqual([])
    }))

  test('by another machine, opened by its id', () =>
    withDrive(YOUNG, async emulator => {
      const made = await new DriveClient(emulator).create({ name: 'shared', mimeType: 'application/vnd.google-apps.folder' })
      const store = patient(emulator, storeOf(emulator, { start: { in: 'id', id: idOf(made) }, path: [] }))
      await store.list()
      await store.put('x', BYTES)
      expect((await store.list()).objects.map(({ name }) => name)).toEqual(['x'])
    }))

  test('holds an archive', () =>
    withDrive(YOUNG, async emulator => {
      const file = storeOf(emulator).ordinaryFile('data.bin')
      const writer = await file.create(await file.existing())
      await writer.write(BYTES)
      await writer.finish()
      expect(objectsOf(emulator).map(({ content }) => content!.bytes.equals(BYTES))).toEqual([true])
    }))

  test('and is not known for longer than Drive ever takes, is gone', () =>
    withDrive(YOUNG, async emulator => {
      let now = 0
      const store = storeOf(emulator, { now: () => now })
      await rejection(store.put('x', BYTES), 'unavailable')
      now += 6 * MINUTE
      expect((await rejection(store.put('x', BYTES), 'not-found')).hint).not.toContain('colab-escape log')
    }))

  test('is made although the answer to its creation was lost', () =>
    withDrive(YOUNG, async emulator => {
      emulator.faults.add({ on: 'files.create', nth: 1, do: 'reset-after-commit' })
      await patient(emulator, storeOf(emulator)).put('x', BYTES)
      expectNothingTwice(emulator)
    }))
})

describe('a file that was just stored', () => {
  const notFound = (times: number) => ({ on: 'files.get', nth: 1, times, do: { status: 404, reason: 'notFound' } }) as const

  test('is not taken for gone when Drive does not find it at once', () =>
    withDrive({ behaviours: {} }, async emulator => {
      const drive = storeOf(emulator)
      const store = patient(emulator, drive)
      await store.list()
      await store.put('x', BYTES)
      emulator.faults.add(notFound(4))
      await store.put('x', BYTES)
      expect(emulator.counts['upload.multipart']).toBe(1)
    }))

  test('is stored anew when Drive keeps saying that it is not there', () =>
    withDrive({ behaviours: {} }, async emulator => {
      const store = patient(emulator, storeOf(emulator))
      await store.put('x', BYTES)
      await new DriveClient(emulator).remove(objectsOf(emulator)[0]!.id)
      await store.put('x', BYTES)
      expect(objectsOf(emulator)).toHaveLength(1)
    }))
})

test('a folder that is not young and not there is not found, at once', () =>
  withDrive({ behaviours: {} }, emulator =>
    withFolder(async folder => {
      const sandbox = new DriveSandbox(emulator, folder)
      makeTree(sandbox.in('data'), { a: '1' })
      await sandbox.ok('push', 'data')
      emulator.faults.add({ on: 'files.list', nth: 2, times: Infinity, do: { status: 404, reason: 'notFound' } })
      const all = [...emulator.files.values()]
      for (const file of all) Object.assign(file, { createdTime: file.createdTime - 10 * MINUTE })
      const { hint } = expectError(await sandbox.run(['log']), 5, /did not list the folder/)
      expect(hint).not.toContain('colab-escape log')
    }),
  ))
