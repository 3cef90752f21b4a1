import { writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Surroundings } from '../../src/util/clock.ts'
import { isAppError } from '../../src/util/errors.ts'
import type { DriveEmulator, EmulatorOptions } from '../drive-emulator/emulator.ts'
import type { FaultAction } from '../drive-emulator/faults.ts'
import { expectError, type CliResult } from '../helpers/cli.ts'
import { quietDriveOnly, withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { pullVersion, pushFolder } from '../helpers/in-process.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree, pictureOf } from '../helpers/trees.ts'
import { DriveSandbox, type Login } from './drive-cli.ts'
import { machine } from './machine.ts'
import { objectsOf, Scene } from './scene.ts'

/** A Drive, and a folder with one version of `data` pushed to it and a change of `data` that is not. */
function withStart(use: (emulator: DriveEmulator, sandbox: DriveSandbox) => Promise<void>, options: EmulatorOptions = {}): Promise<void> {
  return withDrive(options, emulator =>
    withFolder(async folder => {
      const sandbox = new DriveSandbox(emulator, folder)
      makeTree(sandbox.in('data'), { 'a.txt': 'first' })
      await pushFolder(machine(emulator), sandbox.in('data'), 'data')
      makeTree(sandbox.in('before'), { 'a.txt': 'first' })
      makeTree(sandbox.in('data'), { 'a.txt': 'second', 'noise.bin': seededNoise(1, 1_000_000) })
      await use(emulator, sandbox)
    }),
  )
}

const contentsOf = (folder: string): string[] => [...pictureOf(folder)].map(([path, line]) => `${path} ${line.split(' ').at(-1)}`)

/** From some request on all of that kind fail. */
const always = (status: number, reason: string): FaultAction => ({ status, reason, message: `This is ${reason}.` })

describe('a Drive that is full', () => {
  test('exit 6; what is there can be pulled, and after space is freed the same command completes', () =>
    withStart(async (emulator, sandbox) => {
      emulator.faults.add({ on: 'upload.multipart', nth: 1, times: Infinity, do: always(403, 'storageQuotaExceeded') })
      const { hint } = expectError(await sandbox.run(['push', 'data']), 6, /Drive is full/)
      expect(hint).toMatch(/Free space/)
      await sandbox.ok('pull', 'data', 'old')
      expect(contentsOf(sandbox.in('old'))).toEqual(contentsOf(sandbox.in('before')))
      emulator.faults.clear()
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  // [what does not get through, bytes that there is room for, bytes to store beside 3 MB, the message's numbers]
  test.each([
    ['a pack in one request', 5_000_000, 6_000_000, /[0-9.]+ MB more are needed; [34]\.\d\d MB of 5\.00 MB are used\./],
    ['a session', 20_000_000, 22_000_000, /[0-9.]+ MB more are needed; \d+\.\d MB of 20\.0 MB are used\./],
  ])('by its real limit: %s', (_, quota, bytes, numbers) =>
    withDrive({}, emulator =>
      withFolder(async folder => {
        const user = emulator.addUser('full@example.com', { quota })
        const sandbox = new DriveSandbox(emulator, folder, emulator.issueToken({ user: user.email }))
        makeTree(sandbox.in('small'), { 'a.bin': seededNoise(2, 3_000_000) })
        makeTree(sandbox.in('data'), { 'b.bin': seededNoise(3, bytes) })
        await sandbox.ok('push', 'small')
        const { message } = expectError(await sandbox.run(['push', 'data']), 6, /Drive is full/)
        expect(message).toMatch(numbers)
        expect(await sandbox.json('check', '--read-data')).toMatchObject({ damaged: false })
        await sandbox.ok('pull', 'small', 'out')
        expectSameTree(sandbox.in('out'), sandbox.in('small'))
      }),
    ),
  )
})

describe('a push is compared with the free space before anything is sent', () => {
  /** Pushes a file to a Drive that has 20 MB free. */
  const pushFile = (content: Buffer, use: (run: CliResult, emulator: DriveEmulator) => void): Promise<void> =>
    withDrive({}, emulator =>
      withFolder(async folder => {
        const user = emulator.addUser('nearly-full@example.com', { quota: 20_000_000 })
        const sandbox = new DriveSandbox(emulator, folder, emulator.issueToken({ user: user.email }))
        makeTree(sandbox.in('data'), { 'a.bin': content })
        use(await sandbox.run(['push', 'data']), emulator)
      }),
    )

  test('noise does not fit: exit 6 with the numbers, and not one upload', () =>
    pushFile(seededNoise(6, 40_000_000), (run, emulator) => {
      expectError(run, 6, /This push needs 40.0 MB, but drive:colab-escape has only 20.0 MB free; nothing was stored/)
      expect(objectsOf(emulator)).toEqual([])
      expect(Object.keys(emulator.counts).filter(kind => kind.startsWith('upload'))).toEqual([])
    }))

  test('a file that shrinks enough fits', () =>
    pushFile(Buffer.from('column,'.repeat(6_000_000)), (run, emulator) => {
      expect(run.code, run.stderr).toBe(0)
      expect(objectsOf(emulator).map(({ name }) => name.split('-')[0])).toContain('snapshot')
    }))
})

// [what Drive says, at which requests, how the program ends, what it says]
const REFUSALS = [
  ['insufficientPermissions', 'upload.multipart', 403, 4, /insufficientPermissions/, /auth login/],
  ['accessNotConfigured', 'files.list', 403, 1, /accessNotConfigured/, /console\.cloud\.google\.com\/apis\/library\/drive/],
  ['insufficientFilePermissions', 'upload.multipart', 403, 1, /insufficientFilePermissions/, /auth status/],
  ['dailyLimitExceeded', 'files.list', 403, 1, /dailyLimitExceeded/, /tomorrow/],
  ['numChildrenInNonRootLimitExceeded', 'upload.multipart', 403, 6, /folder is full/, /another folder/],
] as const

describe('what Drive refuses for good is told at once, and breaks nothing', () => {
  test.each(REFUSALS)('%s at %s', (reason, on, status, code, message, hint) =>
    withStart(async (emulator, sandbox) => {
      emulator.faults.add({ on, nth: 1, times: Infinity, do: always(status, reason) })
      emulator.resetRecords()
      const error = expectError(await sandbox.run(['push', 'data']), code, message)
      expect(error.hint).toMatch(hint)
      // nothing is tried again: one refusal for each of the uploads that go side by side
      expect(emulator.counts[on]).toBeLessThanOrEqual(3)
      emulator.faults.clear()
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }),
  )

  test('a token that may only read', () =>
    withStart(async (emulator, sandbox) => {
      const { accessToken } = emulator.issueToken({ scope: 'https://www.googleapis.com/auth/drive.readonly' })
      const env = { COLAB_ESCAPE_TOKEN: accessToken }
      expectError(await sandbox.run(['push', 'data'], { env }), 4, /insufficient/i)
      const pulled = await sandbox.run(['pull', 'data', 'old'], { env })
      expect(pulled.code, pulled.stderr).toBe(0)
      expect(contentsOf(sandbox.in('old'))).toEqual(contentsOf(sandbox.in('before')))
    }))
})

describe('a login that is over: exit 4', () => {
  const LOGINS: [string, (emulator: DriveEmulator) => Login, RegExp][] = [
    ['an access token', emulator => emulator.issueToken({ expiresInMs: -1 }), /COLAB_ESCAPE_TOKEN/],
    [
      'a revoked refresh token (invalid_grant)',
      emulator => {
        const { refreshToken } = emulator.issueToken()
        emulator.accounts.revoke(refreshToken)
        return { refreshToken }
      },
      /invalid_grant/,
    ],
  ]

  test.each(LOGINS)('%s', (_, loginOf, message) =>
    withStart(async (emulator, { path }) => {
      const sandbox = new DriveSandbox(emulator, path, loginOf(emulator))
      const before = objectsOf(emulator).length
      for (const args of [
        ['push', 'data'],
        ['pull', 'data', 'out'],
      ]) {
        const { hint } = expectError(await sandbox.run(args), 4, message)
        expect(hint).toMatch(/auth (login|export)/)
      }
      expect(objectsOf(emulator)).toHaveLength(before)
    }),
  )

  test('every request is answered with 401, whatever token it carries: one new token is tried', () =>
    withStart(async (emulator, { path }) => {
      const sandbox = new DriveSandbox(emulator, path, { refreshToken: emulator.issueToken().refreshToken })
      emulator.resetRecords()
      emulator.faults.add({ on: 'files.list', nth: 1, times: Infinity, do: { status: 401, reason: 'authError' } })
      expectError(await sandbox.run(['push', 'data']), 4, /login/)
      expect(emulator.counts).toEqual({ 'oauth.token': 2, 'files.list': 2 })
    }))

  test('in the middle of a push: what had arrived stays, and a new login completes it', () =>
    withStart(async (emulator, sandbox) => {
      makeTree(sandbox.in('data'), { 'big.bin': seededNoise(4, 9_000_000) })
      emulator.faults.add({ on: 'upload.multipart', nth: 3, times: Infinity, do: { status: 401, reason: 'authError' } })
      expectError(await sandbox.run(['push', 'data']), 4, /COLAB_ESCAPE_TOKEN/)
      emulator.faults.clear()
      const { newBytes } = await sandbox.json<{ newBytes: number }>('push', 'data')
      expect(newBytes).toBeLessThan(3_000_000)
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))
})

describe('a Drive that is down for good', () => {
  /** Of a push that adds a large file: it lists, and stores a pack in pieces, an index and a snapshot. */
  const LEAST_REQUESTS = 5

  /** Waits pass on this clock only. */
  function waitingClock(): { surroundings: Surroundings; sleep: (ms: number) => Promise<void>; waited: () => number } {
    let now = 0
    const surroundings = { now: () => Date.now(), monotonic: () => now, random: (length: number) => seededNoise(7, length) }
    return { surroundings, sleep: async ms => void (now += ms), waited: () => now }
  }

  const OUTAGES: [string, FaultAction][] = [
    ['503', { status: 503, reason: 'backendError' }],
    ['503 with a long Retry-After', { status: 503, reason: 'backendError', retryAfter: 200 }],
    ['403 userRateLimitExceeded', { status: 403, reason: 'userRateLimitExceeded' }],
    ['429 with a long Retry-After', { status: 429, reason: 'rateLimitExceeded', retryAfter: 200 }],
    ['resets', 'reset-before'],
    ['HTML', 'html-error'],
  ]

  quietDriveOnly.each(OUTAGES)(
    '%s, from any request of a push on: it ends within minutes, with a hint, and nothing is damaged',
    async (_, what) => {
      const scene = new Scene({ 'a.txt': 'first' })
      try {
        await scene.publish({ 'big.bin': seededNoise(5, 4_700_000) })
        const requests = await scene.withDrive(async emulator => {
          await pushFolder(machine(emulator), scene.source, 'data')
          return emulator.requests.length
        })
        expect(requests).toBeGreaterThanOrEqual(LEAST_REQUESTS)
        for (let nth = 1; nth <= requests; nth += 2) {
          await scene.withDrive(async emulator => {
            const { surroundings, sleep, waited } = waitingClock()
            emulator.faults.add({ nth, times: Infinity, do: what })
            const error: unknown = await pushFolder(machine(emulator, { surroundings, sleep }), scene.source, 'data').catch(
              (reason: unknown) => reason,
            )
            expect(isAppError(error, 'unavailable', 'throttled'), String(error)).toBe(true)
            expect(error).toMatchObject({ hint: expect.stringMatching(/run the same command again/) as string })
            // what goes on side by side waits side by side, but adds up here
            expect(waited()).toBeLessThan(11 * 60_000)
            expect(emulator.requests.length).toBeLessThan(requests + 250)
            emulator.faults.clear()
            // the last request only reads the new version back
            const out = scene.out()
            await pullVersion(machine(emulator), 'data', out)
            expectSameTree(out, nth === requests ? pictureOf(scene.source) : scene.old[0]!)
          })
        }
      } finally {
        scene.remove()
      }
    },
  )
})

test('a folder that its owner moved to the trash is named, and no other one is made until it is back', () =>
  withStart(async (emulator, sandbox) => {
    const folder = emulator.fileAt('colab-escape')!
    folder.trashed = true
    writeFileSync(sandbox.in('data', 'a.txt'), 'third')
    const files = emulator.files.size
    for (const args of [['pull', 'data', 'out'], ['log'], ['push', 'data'], ['prune'], ['check'], ['forget', 'data', '--keep-last', '1']])
      expectError(await sandbox.run(args), 5, /The folder of drive:colab-escape lies in Drive's trash/)
    expect((await sandbox.run(['doctor'])).stdout).toMatch(/problem +store +The folder of drive:colab-escape lies in Drive's trash/)
    expect(emulator.files.size).toBe(files)
    folder.trashed = false
    await sandbox.ok('push', 'data')
    await sandbox.ok('pull', 'data', 'out')
    expectSameTree(sandbox.in('out'), sandbox.in('data'))
  }))
