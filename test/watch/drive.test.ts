import { expect, test } from 'vitest'
import type { DriveEmulator, EmulatorOptions } from '../drive-emulator/emulator.ts'
import { DriveSandbox, driveEnvironment } from '../drive/drive-cli.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree, pictureOf } from '../helpers/trees.ts'
import { until, whileWatching, type RunningWatch } from './running.ts'

const QUICK = ['runs', '--settle', '200ms', '--every', '100ms']
const LONG_MS = 120_000

/** A watch on Drive that has saved a first version, with a login that is renewed by its refresh token. */
function watchDrive(
  args: readonly string[],
  use: (emulator: DriveEmulator, sandbox: DriveSandbox, watch: RunningWatch) => Promise<void>,
  { quota, ...options }: EmulatorOptions & { quota?: number } = {},
): Promise<void> {
  return withDrive(options, emulator =>
    withFolder(async folder => {
      const user = quota === undefined ? undefined : emulator.addUser('nearly-full@example.com', { quota }).email
      const { refreshToken } = emulator.issueToken(user === undefined ? {} : { user })
      const sandbox = new DriveSandbox(emulator, folder, { refreshToken })
      makeTree(sandbox.in('runs'), { 'a.bin': seededNoise(1, 100_000) })
      await whileWatching(
        sandbox,
        [...QUICK, ...args],
        async watch => {
          await watch.saved('a.bin')
          await use(emulator, sandbox, watch)
          expect(await watch.stop('SIGTERM')).toBe(0)
        },
        driveEnvironment(emulator, folder, { refreshToken }),
      )
      emulator.faults.clear()
      await sandbox.ok('pull', 'runs', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('runs'))
    }),
  )
}

/** A watch that keeps trying uploads again after its pause, which a storm of Drive may lengthen. */
async function triedAgain(emulator: DriveEmulator): Promise<void> {
  const uploads = (): number => emulator.counts['upload.multipart'] ?? 0
  const tried = uploads()
  await until(() => uploads() > tried)
}

const troubles = (watch: RunningWatch): unknown[] =>
  watch.all('warning').filter(({ message }) => /watch keeps trying/.test(String(message)))

test(
  'Drive is full for a while: told once, and saved when there is room',
  () =>
    watchDrive([], async (emulator, sandbox, watch) => {
      emulator.faults.add({
        on: 'upload.multipart',
        nth: 1,
        times: Infinity,
        do: { status: 403, reason: 'storageQuotaExceeded', message: 'Full.' },
      })
      makeTree(sandbox.in('runs'), { 'b.bin': seededNoise(2, 100_000) })
      await watch.next('warning', ({ message }) => /Drive is full.*watch keeps trying/.test(String(message)))
      await triedAgain(emulator)
      emulator.faults.clear()
      await watch.next('recovered')
      expect((await watch.saved('b.bin')).files).toEqual(['b.bin'])
      expect(troubles(watch)).toHaveLength(1)
    }),
  LONG_MS,
)

test(
  'a Drive that is too small: what could be given up is told once, with the first refusal, and it goes on when that is done',
  () =>
    watchDrive(
      [],
      async (emulator, sandbox, watch) => {
        const save = (seed: number): void => makeTree(sandbox.in('runs'), { 'a.bin': seededNoise(seed, 300_000) })
        for (const seed of [2, 3]) {
          save(seed)
          await watch.saved('a.bin')
        }
        save(4)
        const told = await watch.next('warning', ({ message }) => /Drive is full/.test(String(message)))
        expect(told['message']).toMatch(/`colab-escape forget runs --keep-last 1` forgets 2 older versions \(about \d+ kB\)\./)
        await triedAgain(emulator)
        expect(troubles(watch)).toEqual([told])

        await sandbox.ok('forget', 'runs', '--keep-last', '1')
        await sandbox.ok('prune', '--now')
        await watch.next('recovered')
        await watch.saved('a.bin')
        expect(troubles(watch)).toEqual([told])
      },
      { quota: 900_000 },
    ),
  LONG_MS,
)

test(
  'a Drive that is too small for what waits to be freed: it is freed when it is due, though no version can be made before',
  () => {
    let ahead = 0
    return watchDrive(
      ['--keep-last', '1'],
      async (_, sandbox, watch) => {
        for (const seed of [2, 3, 4]) {
          makeTree(sandbox.in('runs'), { 'a.bin': seededNoise(seed, 300_000) })
          if (seed < 4) await watch.saved('a.bin')
        }
        const told = await watch.next('warning', ({ message }) => /Drive is full/.test(String(message)))
        expect(told['message']).toMatch(/\d+ kB will be freed by `colab-escape prune`/)
        ahead = 61 * 60_000
        await watch.next('recovered')
        await watch.saved('a.bin')
        expect(troubles(watch)).toEqual([told])
      },
      { quota: 900_000, surroundings: { now: () => Date.now() + ahead } },
    )
  },
  LONG_MS,
)

test(
  'a login that is refused in the middle is renewed, and limits of Drive are waited for, without a word',
  () =>
    watchDrive([], async (emulator, sandbox, watch) => {
      const limited = { status: 403, reason: 'userRateLimitExceeded', message: 'Too fast.' }
      emulator.faults.add({ on: 'upload.multipart', nth: 1, do: limited })
      emulator.faults.add({ on: 'files.list', nth: 1, do: { status: 401, reason: 'authError', message: 'Invalid Credentials' } })
      makeTree(sandbox.in('runs'), { 'b.bin': seededNoise(2, 100_000) })
      await watch.saved('b.bin')
      expect(troubles(watch)).toEqual([])
    }),
  LONG_MS,
)

test(
  'older versions are forgotten on Drive too',
  () =>
    watchDrive(['--keep-last', '2'], async (_, sandbox, watch) => {
      for (const name of ['b.bin', 'c.bin', 'd.bin']) {
        makeTree(sandbox.in('runs'), { [name]: seededNoise(name.charCodeAt(0), 50_000) })
        await watch.saved(name)
      }
      await watch.stop('SIGTERM')
      const { versions } = await sandbox.json<{ versions: unknown[] }>('log', 'runs')
      expect(versions).toHaveLength(2)
      await sandbox.ok('check', '--read-data')
    }),
  LONG_MS,
)

test(
  'a last version that Drive does not take ends with the time given for it: exit 130, and the version before is whole',
  () =>
    withDrive({}, emulator =>
      withFolder(async folder => {
        const login = emulator.issueToken()
        const sandbox = new DriveSandbox(emulator, folder, login)
        makeTree(sandbox.in('runs'), { 'a.bin': seededNoise(1, 100_000) })
        const environment = driveEnvironment(emulator, folder, login)
        await whileWatching(
          sandbox,
          [...QUICK, '--grace', '2s'],
          async watch => {
            await watch.saved('a.bin')
            emulator.faults.add({ on: 'upload.multipart', nth: 1, times: Infinity, do: 'stall' })
            makeTree(sandbox.in('runs'), { 'b.bin': seededNoise(2, 100_000) })
            const began = performance.now()
            expect(await watch.stop('SIGTERM')).toBe(130)
            expect(performance.now() - began).toBeLessThan(20_000)
          },
          environment,
        )
        emulator.faults.clear()
        await sandbox.ok('pull', 'runs', 'out')
        expect([...pictureOf(sandbox.in('out')).keys()]).toEqual(['a.bin'])
        await sandbox.ok('check', '--read-data')
      }),
    ),
  LONG_MS,
)
