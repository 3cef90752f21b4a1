import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { isAppError } from '../../src/util/errors.ts'
import type { CallKind } from '../drive-emulator/call.ts'
import type { DriveEmulator } from '../drive-emulator/emulator.ts'
import type { FaultAction } from '../drive-emulator/faults.ts'
import { quietDriveOnly } from '../helpers/drive.ts'
import { pushFolder } from '../helpers/in-process.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { pictureOf } from '../helpers/trees.ts'
import { machineWithLargePacks } from './large-packs.ts'
import type { MachineOptions } from './machine.ts'
import { bytesOn, copyOf, objectsOf, Scene } from './scene.ts'

const BIG_BYTES = 6_000_000
const GRANULE = 256 * 1024

const status = (code: number): FaultAction => ({ status: code, reason: 'notFound' })

/** Does something before each request that it concerns, as the world does while an upload runs. */
function meddling(concerns: (url: URL, init: RequestInit) => boolean, act: (nth: number) => void): typeof fetch {
  let seen = 0
  return async (input, init = {}) => {
    if (concerns(new URL(input instanceof Request ? input.url : input), init)) act(++seen)
    return fetch(input, init)
  }
}

const isPiece = (url: URL): boolean => url.searchParams.has('upload_id')

const piecesOf = (emulator: DriveEmulator): { sent: number; status: number }[] =>
  emulator.requests.filter(({ kind }) => kind === 'upload.piece').map(({ requestBytes, status }) => ({ sent: requestBytes, status }))

describe('a pack in a resumable upload', () => {
  let scene: Scene
  beforeAll(() => {
    scene = new Scene({ 'big.bin': seededNoise(1, BIG_BYTES) })
  })
  afterAll(() => scene.remove())

  /** A push that must end well, with each object on the Drive once. */
  async function expectStored(emulator: DriveEmulator, options: MachineOptions = {}): Promise<void> {
    const { outcome } = await pushFolder(machineWithLargePacks(emulator, options), scene.source, 'data')
    expect(outcome).toBe('stored')
    expect(objectsOf(emulator)).toHaveLength(4)
    await scene.expectSound(await copyOf(emulator), [pictureOf(scene.source)])
  }

  const after = (faults: [CallKind, number, FaultAction][], use: (emulator: DriveEmulator) => Promise<void>): Promise<void> =>
    scene.withDrive(async emulator => {
      for (const [on, nth, what] of faults) emulator.faults.add({ on, nth, do: what })
      await use(emulator)
    })

  quietDriveOnly('goes up in one piece', () =>
    after([], async emulator => {
      await expectStored(emulator)
      expect(emulator.counts).toMatchObject({ 'upload.start': 1, 'upload.piece': 1 })
      expect(emulator.counts['upload.status']).toBeUndefined()
    }),
  )

  quietDriveOnly('goes on from what was accepted, whatever was sent', () =>
    after(
      [
        ['upload.piece', 1, { acceptOnlyBytes: 10 * GRANULE + 5 }],
        ['upload.piece', 2, { acceptOnlyBytes: GRANULE }],
      ],
      async emulator => {
        await expectStored(emulator)
        const [first, second, third] = piecesOf(emulator)
        expect([second!.sent - first!.sent, third!.sent - second!.sent]).toEqual([-10 * GRANULE, -GRANULE])
        expect(piecesOf(emulator).map(({ status }) => status)).toEqual([308, 308, 200])
      },
    ),
  )

  quietDriveOnly('begins anew in the same session when nothing was accepted (308 without Range)', () =>
    after([['upload.piece', 1, { acceptOnlyBytes: 5 }]], async emulator => {
      await expectStored(emulator)
      const [first, second] = piecesOf(emulator)
      expect(second!.sent).toBe(first!.sent)
      expect(emulator.counts['upload.start']).toBe(1)
    }),
  )

  quietDriveOnly('asks what arrived when the connection breaks, and sends only the rest', () =>
    scene.withDrive(async emulator => {
      emulator.faults.add({ on: 'upload.piece', nth: 1, do: { acceptOnlyBytes: 4 * GRANULE } })
      emulator.faults.add({ on: 'upload.piece', nth: 2, do: 'reset-before' })
      await expectStored(emulator)
      const [first, , third] = piecesOf(emulator)
      expect(third!.sent).toBe(first!.sent - 4 * GRANULE)
      // after the 308 and after the reset
      expect(emulator.counts).toMatchObject({ 'upload.start': 1, 'upload.status': 2 })
    }),
  )

  quietDriveOnly.each([404, 410])('starts another session when its own is over (%i), with the same id', code =>
    after([['upload.piece', 1, status(code)]], async emulator => {
      await expectStored(emulator)
      expect(emulator.counts).toMatchObject({ 'upload.start': 2, 'files.generateIds': 1 })
    }),
  )

  quietDriveOnly('starts another session when its own was forgotten in the middle', () =>
    after([['upload.piece', 1, { acceptOnlyBytes: 8 * GRANULE }]], async emulator => {
      await expectStored(emulator, { fetch: meddling(isPiece, nth => nth === 3 && emulator.uploads.sessions.forgetAll()) })
      expect(piecesOf(emulator).map(({ status }) => status)).toEqual([308, 404, 200])
    }),
  )

  quietDriveOnly('is not sent again when only the answer was lost', () =>
    after([['upload.piece', 1, 'reset-after-commit']], async emulator => {
      await expectStored(emulator)
      expect(emulator.counts).toMatchObject({ 'upload.start': 1, 'upload.piece': 1, 'upload.status': 1 })
    }),
  )

  quietDriveOnly('is found by its id when the answer was lost and the session forgotten', () =>
    after([['upload.piece', 1, 'reset-after-commit']], async emulator => {
      await expectStored(emulator, { fetch: meddling(isPiece, nth => nth === 2 && emulator.uploads.sessions.forgetAll()) })
      expect(emulator.counts).toMatchObject({ 'upload.start': 2, 'upload.piece': 1, 'files.get': 1 })
    }),
  )

  test('outlives its access token: it is renewed once', () =>
    after([['upload.piece', 1, { acceptOnlyBytes: 8 * GRANULE }]], async emulator => {
      await expectStored(emulator, { fetch: meddling(isPiece, nth => nth === 3 && emulator.accounts.expireAccessTokens()) })
      expect(emulator.counts['oauth.token']).toBe(1)
    }))

  quietDriveOnly('takes a new token when a piece is refused with 401', () =>
    after([['upload.piece', 1, { status: 401, reason: 'authError' }]], async emulator => {
      await expectStored(emulator)
      expect(emulator.counts).toMatchObject({ 'oauth.token': 1, 'upload.start': 1, 'upload.piece': 2 })
    }),
  )

  test('is given up with a hint when Drive keeps accepting nothing', () =>
    scene.withDrive(async emulator => {
      emulator.faults.add({ on: 'upload.piece', nth: 1, times: Infinity, do: { acceptOnlyBytes: 0 } })
      const error: unknown = await pushFolder(machineWithLargePacks(emulator), scene.source, 'data').catch((reason: unknown) => reason)
      expect(isAppError(error, 'unavailable')).toBe(true)
      expect(error).toMatchObject({ hint: expect.stringMatching(/^Run the same command again/) as string })
      // ten minutes of waits, up to 32 s each
      expect(piecesOf(emulator).length).toBeLessThanOrEqual(80)
      emulator.faults.clear()
      const { outcome } = await pushFolder(machineWithLargePacks(emulator), scene.source, 'data')
      expect(outcome).toBe('stored')
      // the index that had gone up side by side with the pack is superseded, and names nothing that is missing
      await scene.expectSound(await copyOf(emulator), [pictureOf(scene.source)])
    }))

  describe('that arrives damaged', () => {
    // what is deleted then is only ever ours: the id was made for it
    test.each(['reset-before', 'reset-after-commit', { status: 503, reason: 'backendError' }] as FaultAction[])(
      'is taken away although deleting it fails at first: %j',
      fault =>
        after(
          [
            ['upload.piece', 1, 'wrong-bytes'],
            ['files.delete', 1, fault],
          ],
          async emulator => {
            await expectStored(emulator)
            expect(bytesOn(emulator)).toBeLessThan(BIG_BYTES + 10_000)
          },
        ),
    )

    test('is taken away when only looking at it had failed', () =>
      after(
        [
          ['upload.piece', 1, 'wrong-bytes'],
          ['upload.piece', 2, 'wrong-bytes'],
          ['files.delete', 2, 'cut-body'],
        ],
        async emulator => {
          await expectStored(emulator)
          expect(emulator.counts['upload.piece']).toBe(3)
        },
      ))
  })
})

describe('several packs at once', () => {
  let scene: Scene
  beforeAll(() => {
    scene = new Scene({ 'big.bin': seededNoise(5, 19_000_000), 'small.txt': 'small' })
  })
  afterAll(() => scene.remove())

  // [what strikes, at which request of its kind]
  const STRIKES: [FaultAction, CallKind, number][] = [
    [{ status: 503, reason: 'backendError', retryAfter: 1 }, 'upload.start', 2],
    ['reset-after-commit', 'upload.piece', 1],
    ['reset-before', 'upload.piece', 2],
    [{ acceptOnlyBytes: 3_000_000 }, 'upload.piece', 2],
    ['wrong-bytes', 'upload.piece', 1],
  ]

  test.each(STRIKES)('%j at %s %i', (what, on, nth) =>
    scene.withDrive(async emulator => {
      emulator.faults.add({ on, nth, do: what })
      const { outcome } = await pushFolder(machineWithLargePacks(emulator), scene.source, 'data')
      expect(outcome).toBe('stored')
      expect(emulator.requests.filter(({ fault }) => fault !== undefined)).toHaveLength(1)
      expect(emulator.counts['upload.start']).toBeGreaterThanOrEqual(2)
      const copy = await copyOf(emulator)
      await scene.expectSound(copy, [pictureOf(scene.source)])
      expect((await pushFolder(copy, scene.source, 'data')).newBytes).toBe(0)
    }),
  )

  quietDriveOnly('a push that fails at its last pack keeps the ones before, and the next run sends only the rest', () =>
    scene.withDrive(async emulator => {
      emulator.faults.add({ on: 'upload.piece', nth: 2, times: Infinity, do: { status: 503, reason: 'backendError' } })
      await expect(pushFolder(machineWithLargePacks(emulator), scene.source, 'data')).rejects.toMatchObject({ code: 'unavailable' })
      const kept = bytesOn(emulator)
      expect(kept).toBeGreaterThan(8_000_000)
      emulator.faults.clear()
      const { outcome, storedBytes } = await pushFolder(machineWithLargePacks(emulator), scene.source, 'data')
      expect(outcome).toBe('stored')
      expect(storedBytes).toBeLessThan(19_500_000 - 8_000_000)
      await scene.expectSound(await copyOf(emulator), [pictureOf(scene.source)])
    }),
  )
})
