import { describe, expect, test } from 'vitest'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { driveStorage, withDrive } from '../helpers/drive.ts'
import { rejection } from '../helpers/failures.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { objectsOf } from './scene.ts'

const BYTES = seededNoise(1, 300_000)
const NAME = 'pack-ab'

/** So long after an upload Drive tells no sums: shorter than the program waits for them, and for good. */
const MISSING: [string, number][] = [
  ['for 20 s', 20_000],
  ['at all', Number.MAX_SAFE_INTEGER],
]
const without = (ms: number) => ({ behaviours: { sumsAreMissingMs: ms } })

function expectOnce(emulator: DriveEmulator): void {
  expect(objectsOf(emulator)).toHaveLength(1)
  expect(objectsOf(emulator)[0]!.content!.bytes.equals(BYTES)).toBe(true)
  expect(emulator.counts['files.delete'] ?? 0).toBe(0)
}

/** Leaves fields out of the first answers about a file. */
function leavingOut(fields: readonly string[], answers: number): typeof fetch {
  let left = answers
  return async (input, init) => {
    const response = await fetch(input, init)
    if (!(response.headers.get('content-type') ?? '').includes('json')) return response
    const file = (await response.json()) as Record<string, unknown>
    if ('md5Checksum' in file && left-- > 0) for (const field of fields) delete file[field]
    return Response.json(file, { status: response.status, headers: { date: response.headers.get('date') ?? '' } })
  }
}

describe.each(MISSING)('when Drive tells no sums %s', (_, ms) => {
  test('an object is sent once, confirmed, and known to be there', () =>
    withDrive(without(ms), async emulator => {
      const store = driveStorage(emulator)
      const { created } = await store.put(NAME, BYTES)
      await store.confirm(NAME, BYTES)
      expectOnce(emulator)
      const another = driveStorage(emulator)
      await another.list()
      expect(await another.put(NAME, BYTES)).toEqual({ created })
      await another.confirm(NAME, BYTES)
      expectOnce(emulator)
    }))

  test('an object that was damaged on its way is deleted', () =>
    withDrive(without(ms), async emulator => {
      emulator.faults.add({ on: 'upload.multipart', nth: 1, do: 'wrong-bytes' })
      const store = driveStorage(emulator)
      await rejection(store.put(NAME, BYTES), 'unavailable')
      expect(objectsOf(emulator)).toEqual([])
      await store.put(NAME, BYTES)
      expect(objectsOf(emulator)).toHaveLength(1)
    }))

  test('other bytes under the name are a conflict', () =>
    withDrive(without(ms), async emulator => {
      await driveStorage(emulator).put(NAME, BYTES)
      const another = driveStorage(emulator)
      await another.list()
      await rejection(another.put(NAME, BYTES.subarray(1)), ms === 20_000 ? 'conflict' : 'unavailable')
      expectOnce(emulator)
    }))

  test('an ordinary file replaces the one before it only when it is known to be whole', () =>
    withDrive(without(ms), async emulator => {
      const written = async (bytes: Buffer): Promise<void> => {
        const file = driveStorage(emulator).ordinaryFile('data.bin')
        const writer = await file.create(await file.existing())
        await writer.write(bytes)
        await writer.finish()
      }
      await written(BYTES.subarray(5))
      await written(BYTES)
      expect(objectsOf(emulator).map(({ content }) => content!.bytes.equals(BYTES))).toEqual([true])
      expect(emulator.counts['files.delete']).toBe(1)
      emulator.faults.add({ on: 'upload.piece', nth: 1, do: 'wrong-bytes' })
      await rejection(written(BYTES), 'unavailable')
      expect(objectsOf(emulator).map(({ content }) => content!.bytes.equals(BYTES))).toEqual([true])
    }))
})

const SUMS = ['md5Checksum', 'sha256Checksum']

test.each([
  [['size'], 1],
  [['size', ...SUMS], 1],
  [['size', ...SUMS], 3],
  [['sha256Checksum'], 9],
] as const)('an answer without %j (%i times) is no reason to send an object again', (fields, answers) =>
  withDrive({ behaviours: {} }, async emulator => {
    const store = driveStorage(emulator, { fetch: leavingOut(fields, answers) })
    await store.put(NAME, BYTES)
    expectOnce(emulator)
  }),
)

test('an object of which Drive never tells a size or a sum is neither taken for stored nor deleted', () =>
  withDrive({ behaviours: {} }, async emulator => {
    const store = driveStorage(emulator, { fetch: leavingOut(['size', ...SUMS], Infinity) })
    const error = await rejection(store.put(NAME, BYTES), 'unavailable')
    expect(error.message).toContain('does not tell yet')
    await rejection(store.put(NAME, BYTES), 'unavailable')
    expectOnce(emulator)
    expect(emulator.counts['upload.multipart']).toBe(2)
    await driveStorage(emulator).put(NAME, BYTES)
  }))
