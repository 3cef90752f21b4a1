import { describe, expect } from 'vitest'
import { hashInName } from '../../src/repository/format/object-names.ts'
import type { DriveStorage } from '../../src/storage/drive/drive-storage.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { Content } from '../drive-emulator/content.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
// the store alone repeats nothing
import { driveStorage, quietDriveOnly as test, withDrive } from '../helpers/drive.ts'
import { rejection } from '../helpers/failures.ts'
import { seededNoise } from '../helpers/seeded.ts'

const GOOD = seededNoise(1, 1000)
const BAD = Buffer.from(GOOD.map((byte, at) => (at === 500 ? byte ^ 1 : byte)))
const HASH = sha256Hex(GOOD)
const NAMES = [
  `pack-${HASH}`,
  `index-${HASH}`,
  `label-${HASH}.json`,
  `tomb-${HASH}.json`,
  `snapshot-20261122T182401123Z-${HASH.slice(0, 16)}-data.json`,
]

/** Gives `use` a Drive with a copy of GOOD, and an older or newer copy with other bytes, under one name. */
function withCopies(name: string, badIsOlder: boolean, use: (storage: DriveStorage, emulator: DriveEmulator) => Promise<void>) {
  return withDrive({}, async emulator => {
    await driveStorage(emulator).put(name, GOOD)
    addCopy(emulator, name, BAD, badIsOlder ? -1000 : 1000)
    await use(driveStorage(emulator, { hashInName }), emulator)
  })
}

function addCopy(emulator: DriveEmulator, name: string, bytes: Buffer, laterMs: number): void {
  const file = emulator.fileAt(`colab-escape/${name}`)!
  const id = `copy-${emulator.files.size}`
  emulator.drive.store.add({ ...file, id, content: new Content(bytes), createdTime: file.createdTime + laterMs })
}

const contentsOf = (emulator: DriveEmulator, name: string): string[] =>
  [...emulator.files.values()].filter(file => file.name === name).map(({ content }) => sha256Hex(content!.bytes))

describe.each(NAMES)('of two files named %s', name => {
  test.each([true, false])('the one with the checksum in the name is listed and read, also if the other one is older: %s', badIsOlder =>
    withCopies(name, badIsOlder, async storage => {
      const { objects } = await storage.list()
      expect(objects).toMatchObject([{ name, size: GOOD.length, sha256: HASH }])
      expect(Buffer.compare(await storage.get(name), GOOD)).toBe(0)
      expect(Buffer.compare(await storage.get(name, { offset: 400, length: 200 }), GOOD.subarray(400, 600))).toBe(0)
    }),
  )
})

const [NAME] = NAMES as [string]

test('of two good ones the oldest counts', () =>
  withDrive({}, async emulator => {
    const { created } = await driveStorage(emulator).put(NAME, GOOD)
    for (const later of [1000, -2000]) addCopy(emulator, NAME, GOOD, later)
    const { objects } = await driveStorage(emulator, { hashInName }).list()
    expect(objects).toMatchObject([{ created: created - 1000 }])
  }))

test('the next copy is read if one is gone or arrives damaged', () =>
  withDrive({}, async emulator => {
    await driveStorage(emulator).put(NAME, GOOD)
    addCopy(emulator, NAME, GOOD, 1000)
    const storage = driveStorage(emulator, { hashInName })
    await storage.list()
    emulator.faults.add({ on: 'media.get', nth: 1, do: 'wrong-bytes' })
    expect(Buffer.compare(await storage.get(NAME), GOOD)).toBe(0)
    emulator.drive.store.remove(emulator.fileAt(`colab-escape/${NAME}`)!)
    expect(Buffer.compare(await storage.get(NAME), GOOD)).toBe(0)
  }))

test('a damaged copy is no answer while a good one only arrives damaged: the caller tries again', () =>
  withCopies(NAME, false, async (storage, emulator) => {
    await storage.list()
    emulator.faults.add({ on: 'media.get', nth: 1, do: 'wrong-bytes' })
    await rejection(storage.get(NAME), 'unavailable')
    expect(Buffer.compare(await storage.get(NAME), GOOD)).toBe(0)
  }))

describe('good bytes under a name that a damaged file has', () => {
  const withDamaged = (use: (storage: DriveStorage, emulator: DriveEmulator) => Promise<void>) =>
    withCopies(NAME, true, async (storage, emulator) => {
      emulator.drive.store.remove([...emulator.files.values()].find(file => file.name === NAME && sha256Hex(file.content!.bytes) === HASH)!)
      await storage.list()
      await use(storage, emulator)
    })

  test('are stored beside it, and are the object from then on', () =>
    withDamaged(async (storage, emulator) => {
      await storage.put(NAME, GOOD)
      expect(contentsOf(emulator, NAME).sort()).toEqual([sha256Hex(BAD), HASH].sort())
      expect(Buffer.compare(await storage.get(NAME), GOOD)).toBe(0)
      await storage.put(NAME, GOOD)
      expect(contentsOf(emulator, NAME)).toHaveLength(2)
      expect((await storage.list()).objects).toMatchObject([{ sha256: HASH }])
    }))

  test('are the only ones that are: others are a conflict', () =>
    withDamaged(async (storage, emulator) => {
      await rejection(storage.put(NAME, seededNoise(2, 1000)), 'conflict')
      expect(contentsOf(emulator, NAME)).toEqual([sha256Hex(BAD)])
    }))
})

test('what lies in the trash is not there: it is stored again', () =>
  withDrive({}, async emulator => {
    const storage = driveStorage(emulator, { hashInName })
    await storage.put(NAME, GOOD)
    emulator.fileAt(`colab-escape/${NAME}`)!.trashed = true
    await storage.put(NAME, GOOD)
    expect(emulator.fileAt(`colab-escape/${NAME}`)).toBeDefined()
    expect(contentsOf(emulator, NAME)).toHaveLength(2)
  }))
