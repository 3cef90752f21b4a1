import { describe, expect, test } from 'vitest'
import { Pace } from '../../src/storage/drive/pace.ts'
import { RetryingStorage } from '../../src/storage/retrying.ts'
import { Patience } from '../../src/util/patience.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import { driveStorage, quietDriveOnly, withDrive } from '../helpers/drive.ts'
import { seededNoise, seededRandom } from '../helpers/seeded.ts'
import { VirtualClock } from '../helpers/storage/virtual-clock.ts'

const HOUR = 3_600_000

quietDriveOnly.each([-5, 5])("a listing is dated by Drive's clock, however wrong that of this machine is (%i h)", hours =>
  withDrive({ surroundings: { now: () => Date.now() + hours * HOUR } }, async emulator => {
    const storage = driveStorage(emulator)
    for (const objects of [0, 1]) {
      const { asOf, objects: listed } = await storage.list()
      expect(listed).toHaveLength(objects)
      expect(Math.abs(asOf - Date.now() - hours * HOUR)).toBeLessThan(HOUR)
      await storage.put('a', new Uint8Array(1))
    }
  }),
)

/** What each request asked for: its `Range`, and whether it spoke of shared drives. */
function watching(): { fetch: typeof fetch; ranges: (string | null)[]; withoutSharedDrives: string[] } {
  const ranges: (string | null)[] = []
  const withoutSharedDrives: string[] = []
  const watched: typeof fetch = (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    if (url.searchParams.get('alt') === 'media') ranges.push(new Headers(init?.headers).get('range'))
    // ids belong to nobody's drive, and an upload under way has said it already
    const concerned = /\/files(\/|$)/.test(url.pathname) && !url.pathname.endsWith('/generateIds') && !url.searchParams.has('upload_id')
    if (concerned && url.searchParams.get('supportsAllDrives') !== 'true') withoutSharedDrives.push(url.pathname)
    return fetch(input, init)
  }
  return { fetch: watched, ranges, withoutSharedDrives }
}

quietDriveOnly('every call about files speaks of shared drives, too', () =>
  withDrive({}, async emulator => {
    const { fetch, withoutSharedDrives } = watching()
    const storage = driveStorage(emulator, { fetch })
    await storage.put('small', new Uint8Array(10))
    await storage.put('large', seededNoise(1, 5_000_000))
    await storage.put('small', new Uint8Array(10))
    await storage.list()
    await storage.get('large')
    await storage.remove('small')
    expect(Object.keys(emulator.counts).sort()).toEqual(
      [
        ...['files.create', 'files.delete', 'files.generateIds', 'files.get', 'files.list', 'media.get'],
        ...['upload.multipart', 'upload.piece', 'upload.start'],
      ].sort(),
    )
    expect(withoutSharedDrives).toEqual([])
  }),
)

describe('a download that breaks off', () => {
  const BYTES = seededNoise(2, 1_000_000)

  quietDriveOnly.each([
    ['all of an object', undefined, BYTES, [null, 'bytes=500000-999999', 'bytes=750000-999999']],
    [
      'a part of it',
      { offset: 100_000, length: 800_000 },
      BYTES.subarray(100_000, 900_000),
      ['bytes=100000-899999', 'bytes=500000-899999', 'bytes=700000-899999'],
    ],
  ])('goes on where it broke: %s', (_, range, expected, asked) =>
    withDrive({}, async emulator => {
      const { fetch, ranges } = watching()
      const storage = driveStorage(emulator, { fetch, idleMs: 300 })
      await storage.put('a', BYTES)
      emulator.faults.add({ on: 'media.get', nth: 1, do: 'cut-body' })
      emulator.faults.add({ on: 'media.get', nth: 2, do: 'stall-in-body' })
      const got = await storage.get('a', range)
      expect(Buffer.compare(got, expected)).toBe(0)
      expect(ranges).toEqual(asked)
    }),
  )
})

quietDriveOnly('several files of one name are one object, which can be read as long as one of them is there', () =>
  withDrive({}, async emulator => {
    const storage = driveStorage(emulator)
    await storage.put('a', new Uint8Array([1, 2, 3]))
    const file = emulator.fileAt('colab-escape/a')!
    // what another machine stored at the same moment
    const duplicate = { ...file, id: 'duplicate', createdTime: file.createdTime + 1000 }
    emulator.drive.store.add(duplicate)
    const { objects } = await storage.list()
    expect(objects).toMatchObject([{ name: 'a', size: 3, created: file.createdTime }])
    emulator.drive.store.remove(file)
    expect([...(await storage.get('a'))]).toEqual([1, 2, 3])
    await storage.remove('a')
    expect(emulator.fileAt('colab-escape/a')).toBeUndefined()
  }),
)

describe('the pace of calls', () => {
  test('slows all of them after "too fast", more each time, waits as long as it is told to, and is free again after successes', async () => {
    let now = 0
    const waits: number[] = []
    const pace = new Pace(
      async ms => {
        waits.push(ms)
        now += ms
      },
      () => now,
    )
    const turn = async (): Promise<number> => {
      const before = now
      await pace.turn()
      return now - before
    }
    expect([await turn(), await turn(), await turn()]).toEqual([0, 0, 0])
    pace.throttled(now)
    expect([await turn(), await turn()]).toEqual([100, 100])
    pace.throttled(now)
    // of several calls that were under way together only the first one slows the others down
    pace.throttled(now - 50)
    expect([await turn(), await turn()]).toEqual([150, 150])
    for (let i = 0; i < 20; i++) {
      now++
      pace.throttled(now)
    }
    expect(await turn()).toBe(1000)
    pace.throttled(now, 30_000)
    expect(await turn()).toBe(30_000)
    for (let i = 0; i < 140; i++) pace.succeeded()
    now += 60_000
    expect([await turn(), await turn(), await turn()]).toEqual([0, 0, 0])
  })

  test('keeps many uploads going at the rate that Drive allows, with few refusals and none given up', async () => {
    const clock = new VirtualClock()
    const profile = { latencyMs: 120, creationMs: 350, creationsPerSecond: 3, burst: 10 }
    const surroundings = { now: clock.now, sleep: (ms: number) => clock.sleep(ms), random: seededRandom(5) }
    // the pace is that of the profile alone
    await withDrive({ profile, surroundings, behaviours: {} }, async (emulator: DriveEmulator) => {
      const { sleep, now } = clock
      const patience = new Patience({ sleep, now, random: seededRandom(6) })
      const drive = driveStorage(emulator, { sleep, monotonic: now, now, patience, idleMs: HOUR })
      const storage = new RetryingStorage(drive, patience)
      const names = Array.from({ length: 120 }, (_, i) => `object-${i}`)
      const began = clock.now()
      const worker = async (): Promise<void> => {
        for (let name = names.shift(); name !== undefined; name = names.shift()) await storage.put(name, new Uint8Array(100))
      }
      await Promise.all(Array.from({ length: 8 }, worker))
      const seconds = (clock.now() - began) / 1000
      const refused = emulator.requests.filter(({ status }) => status === 403).length
      expect((await storage.list()).objects).toHaveLength(120)
      // 110 beyond the burst, at 3 a second
      expect(seconds).toBeLessThan(2 * (110 / 3))
      expect(refused).toBeLessThan(60)
    })
  })
})
