import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LARGE_PACKS } from '../drive/large-packs.ts'
import { withDrive } from '../helpers/drive.ts'
import { withFolder } from '../helpers/folders.ts'
import { DayClock } from './day-clock.ts'
import { dayInFolder, dayOnDrive } from './day-stores.ts'
import { trainForADay } from './day.ts'

const LONG_MS = 90_000

/** The newest five, the two best, which may be among them; and machines were lost in both kinds of work. */
function expectRules({ versions, losses }: Awaited<ReturnType<typeof trainForADay>>): void {
  expect(versions).toBeGreaterThanOrEqual(5)
  expect(versions).toBeLessThanOrEqual(7)
  expect(losses.whilePushing).toBeGreaterThan(1)
  expect(losses.whileForgetting).toBeGreaterThan(0)
}

test(
  'three days of training in small, with the machine lost twelve times: the right versions stay, each comes back, nothing leaks',
  () =>
    withFolder(async folder => {
      const store = dayInFolder(join(folder, 'store'), 1, new DayClock(0), LARGE_PACKS)
      const day = await trainForADay({
        folder,
        store,
        seed: 1,
        checkpoints: 40,
        bytes: 100_000,
        kills: 6,
        restorePerStep: 7,
      })
      expectRules(day)
    }),
  LONG_MS,
)

test(
  'a day on Drive, as slow as Colab sees it, in a time that runs faster: larger packs go up in pieces, and the machine is lost eight times',
  () => {
    const clock = new DayClock(60)
    return withDrive({ surroundings: { now: clock.now, sleep: clock.sleep }, profile: 'colab' }, emulator =>
      withFolder(async folder => {
        const store = dayOnDrive(emulator, 1, clock, async ms => clock.pass(ms), LARGE_PACKS)
        const day = await trainForADay({
          folder,
          store,
          seed: 1,
          checkpoints: 16,
          bytes: 8_000_000,
          kills: 8,
          restorePerStep: 2,
        })
        expectRules(day)
        expect(emulator.counts['upload.piece']).toBeGreaterThan(0)
        expect(emulator.counts['oauth.token']).toBeGreaterThan(0)
        expect([...emulator.files.values()].filter(({ trashed }) => trashed)).toEqual([])
      }),
    )
  },
  LONG_MS,
)
