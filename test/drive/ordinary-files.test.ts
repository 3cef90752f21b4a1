import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { OrdinaryDriveFile } from '../../src/storage/drive/drive-file.ts'
import type { DriveStorageOptions } from '../../src/storage/drive/drive-storage.ts'
import type { CallKind } from '../drive-emulator/call.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import type { FaultAction } from '../drive-emulator/faults.ts'
import { GRANULE } from '../drive-emulator/resumable.ts'
import { driveStorage, quietDriveOnly, withDrive } from '../helpers/drive.ts'
import { timelessPatience } from '../helpers/patience.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectNothingTwice, objectsOf } from './scene.ts'

const SMALL = seededNoise(1, 70_000)
const PIECES = { sent: 2 * GRANULE, fetched: GRANULE }
/** Goes up in three requests, comes in five. */
const BIG = seededNoise(2, 1_200_000)
/** Silence that ends a stalled request, ms. */
const IDLE_MS = 200

interface Waits {
  total: number
}

/** `drive:Shared/data.bin` as a machine of its own sees it; waits take no time and are added up. */
function fileOn(emulator: DriveEmulator, options: Partial<DriveStorageOptions> = {}, waits: Waits = { total: 0 }): OrdinaryDriveFile {
  const wait = (ms: number): void => {
    waits.total += ms
    emulator.pass(ms)
  }
  const patience = timelessPatience(wait, { random: () => 0.5 })
  const drive = driveStorage(emulator, {
    ...{ path: ['Shared'], pieces: PIECES, idleMs: IDLE_MS, sleep: async (ms: number) => wait(ms), patience },
    ...options,
  })
  return drive.ordinaryFile('data.bin')
}

async function upload(file: OrdinaryDriveFile, bytes: Buffer): Promise<void> {
  const writer = await file.create(await file.existing())
  // pieces of no round length, as compressors make them
  for (let at = 0; at < bytes.length; at += 123_457) await writer.write(bytes.subarray(at, at + 123_457))
  await writer.finish()
  expect(writer.kept).toEqual([])
}

async function download(file: OrdinaryDriveFile): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  for await (const piece of file.read(await file.newest())) pieces.push(piece)
  return Buffer.concat(pieces)
}

/** There is one such file, whole. */
function expectStored(emulator: DriveEmulator, bytes: Buffer): void {
  expectNothingTwice(emulator)
  const stored = objectsOf(emulator)
  expect(stored.map(({ name }) => name)).toEqual(['data.bin'])
  expect(stored[0]!.content!.bytes.equals(bytes)).toBe(true)
}

const PASSING: FaultAction[] = [
  { status: 500, reason: 'internalError' },
  { status: 500, reason: 'internalError', afterCommit: true },
  { status: 503, reason: 'backendError', retryAfter: 90 },
  { status: 403, reason: 'userRateLimitExceeded' },
  { status: 429, reason: 'rateLimitExceeded', retryAfter: 40 },
  'reset-before',
  'reset-after-commit',
  'cut-body',
  'stall',
  'html-error',
]

function withFault(fault: FaultAction, on: CallKind, nth: number, use: (emulator: DriveEmulator) => Promise<void>): Promise<void> {
  return withDrive({}, async emulator => {
    emulator.faults.add({ on, nth, do: fault })
    await use(emulator)
    expect(emulator.requests.filter(request => request.fault !== undefined)).toHaveLength(1)
  })
}

describe('writing goes on after one fault', () => {
  const KINDS: CallKind[] = ['files.list', 'files.generateIds', 'files.create', 'upload.start', 'upload.piece']

  test.each(KINDS.flatMap(on => PASSING.map(fault => [on, fault] as const)))('at %s: %j', (on, fault) =>
    withFault(fault, on, 1, async emulator => {
      await upload(fileOn(emulator), SMALL)
      expectStored(emulator, SMALL)
    }),
  )

  quietDriveOnly.each([...PASSING, { acceptOnlyBytes: 300_000 }, { acceptOnlyBytes: 0 }])('at the second of three pieces: %j', fault =>
    withFault(fault, 'upload.piece', 2, async emulator => {
      await upload(fileOn(emulator), BIG)
      expectStored(emulator, BIG)
      // what had arrived is not sent again
      expect(emulator.counts['upload.start']).toBe(1)
      expect(emulator.counts['upload.piece']).toBeLessThanOrEqual(4)
    }),
  )

  test.each(PASSING)('at the deletion of what it replaces: %j', fault =>
    withFault(fault, 'files.delete', 1, async emulator => {
      await upload(fileOn(emulator), SMALL)
      const other = seededNoise(3, 10_000)
      await upload(fileOn(emulator), other)
      expectStored(emulator, other)
    }),
  )

  test.each([1, 3])('at the question what has arrived, when piece %i broke', nth =>
    withDrive({}, async emulator => {
      emulator.faults.add({ on: 'upload.piece', nth, do: 'reset-before' })
      emulator.faults.add({ on: 'upload.status', nth: 1, times: 2, do: { status: 503, reason: 'backendError' } })
      await upload(fileOn(emulator), BIG)
      expectStored(emulator, BIG)
    }),
  )

  test('of some minutes', () =>
    withDrive({}, async emulator => {
      emulator.faults.add({ on: 'upload.piece', nth: 2, times: 9, do: 'reset-before' })
      emulator.faults.add({ on: 'upload.status', nth: 1, times: 9, do: 'reset-before' })
      const waits = { total: 0 }
      await upload(fileOn(emulator, {}, waits), BIG)
      expectStored(emulator, BIG)
      expect(waits.total).toBeGreaterThan(60_000)
    }))
})

describe('writing', () => {
  quietDriveOnly('is complete when only the last answer was lost, and the session with it', () =>
    withDrive({}, async emulator => {
      emulator.faults.add({ on: 'upload.piece', nth: 1, do: 'reset-after-commit' })
      const forgetful: typeof fetch = async (input, init) => {
        const answer = await fetch(input, init).catch((error: unknown) => {
          emulator.uploads.sessions.forgetAll()
          throw error
        })
        return answer
      }
      await upload(fileOn(emulator, { fetch: forgetful }), SMALL)
      expectStored(emulator, SMALL)
      expect(emulator.counts['upload.start']).toBe(1)
    }),
  )

  test('fails when the session is lost midway, leaves nothing to see, and what was there stays', () =>
    withDrive({}, async emulator => {
      await upload(fileOn(emulator), SMALL)
      const forgetting: typeof fetch = async (input, init) => {
        if (emulator.counts['upload.piece'] === 2) emulator.uploads.sessions.forgetAll()
        return fetch(input, init)
      }
      await expect(upload(fileOn(emulator, { fetch: forgetting }), BIG)).rejects.toMatchObject({
        code: 'unavailable',
        hint: expect.stringContaining('starts from the beginning') as string,
      })
      expectStored(emulator, SMALL)
    }))

  test('that arrives damaged is removed, and what was there stays', () =>
    withDrive({}, async emulator => {
      await upload(fileOn(emulator), SMALL)
      emulator.faults.add({ on: 'upload.piece', nth: 1, do: 'wrong-bytes' })
      emulator.faults.add({ on: 'files.delete', nth: 1, do: { status: 503, reason: 'backendError' } })
      await expect(upload(fileOn(emulator), BIG)).rejects.toMatchObject({ code: 'unavailable', message: /damaged on its way/ })
      expectStored(emulator, SMALL)
    }))

  test('is given up in the end when nothing arrives any more', () =>
    withDrive({}, async emulator => {
      emulator.faults.add({ on: 'upload.piece', nth: 2, times: Infinity, do: { status: 503, reason: 'backendError' } })
      await expect(upload(fileOn(emulator), BIG)).rejects.toMatchObject({ code: 'unavailable' })
      expect(objectsOf(emulator)).toEqual([])
      expect(emulator.counts['upload.piece']).toBeLessThan(60)
    }))

  test('tells that Drive is full', () =>
    withDrive({}, async emulator => {
      emulator.faults.add({ on: 'upload.start', nth: 1, do: { status: 403, reason: 'storageQuotaExceeded' } })
      await expect(upload(fileOn(emulator), SMALL)).rejects.toMatchObject({ code: 'quota' })
    }))

  test('of a whole number of pieces, and of nothing', () =>
    withDrive({}, async emulator => {
      const even = seededNoise(4, 2 * PIECES.sent)
      for (const bytes of [even, even.subarray(0, even.length / 2), Buffer.alloc(0)]) {
        await upload(fileOn(emulator), bytes)
        expectStored(emulator, bytes)
        expect((await download(fileOn(emulator))).equals(bytes)).toBe(true)
      }
    }))

  test('into My Drive itself', () =>
    withDrive({}, async emulator => {
      const file = fileOn(emulator, { path: [] })
      expect(file.location).toBe('drive:data.bin')
      await upload(file, SMALL)
      expect((await download(fileOn(emulator, { path: [] }))).equals(SMALL)).toBe(true)
      expect(emulator.counts['files.create']).toBeUndefined()
    }))
})

describe('reading', () => {
  const expectRead = (fault: FaultAction, on: CallKind, nth: number): Promise<void> =>
    withDrive({}, async emulator => {
      await upload(fileOn(emulator), BIG)
      emulator.faults.add({ on, nth, do: fault })
      expect((await download(fileOn(emulator))).equals(BIG)).toBe(true)
      expect(emulator.requests.filter(request => request.fault !== undefined)).toHaveLength(1)
    })

  test.each([...PASSING.map(fault => [2, fault] as const), [1, 'cut-body'], [5, 'cut-body']] as const)(
    'goes on after one fault at piece %i: %j',
    (nth, fault) => expectRead(fault, 'media.get', nth),
  )

  test.each(PASSING)('goes on after one fault at the listing: %j', fault => expectRead(fault, 'files.list', 1))

  test('finds what was damaged on its way', () =>
    withDrive({}, async emulator => {
      await upload(fileOn(emulator), BIG)
      emulator.faults.add({ on: 'media.get', nth: 3, do: 'wrong-bytes' })
      await expect(download(fileOn(emulator))).rejects.toMatchObject({ code: 'unavailable', message: /damaged on its way from Drive/ })
    }))

  test('takes the newest of several of one name', () =>
    withDrive({}, async emulator => {
      await upload(fileOn(emulator), SMALL)
      const writer = await fileOn(emulator).create([])
      await writer.write(BIG.subarray(0, 1000))
      await writer.finish()
      const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
      expect(hash(await download(fileOn(emulator)))).toBe(hash(BIG.subarray(0, 1000)))
    }))

  test('of what is not there is an error that says how to write it', () =>
    withDrive({}, async emulator => {
      await expect(download(fileOn(emulator))).rejects.toMatchObject({ code: 'not-found', message: /drive:Shared\/data\.bin/ })
    }))
})
