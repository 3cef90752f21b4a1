import { expect, test } from 'vitest'
import { withFolder } from '../helpers/folders.ts'
import { trainForADay } from './day.ts'

test(
  'a day of training in small, with the machine lost six times: the right versions stay, each comes back, nothing leaks',
  () =>
    withFolder(async folder => {
      const { versions } = await trainForADay({ folder, seed: 1, checkpoints: 40, bytes: 100_000, kills: 6, restorePerStep: 7 })
      expect(versions).toBeGreaterThanOrEqual(5)
      expect(versions).toBeLessThanOrEqual(7)
    }),
  90_000,
)
