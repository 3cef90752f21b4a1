import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

/**
 * Tests that measure this process or its threads, or that make `/content/drive`, which every command looks at: they run
 * one after the other, when no other file runs.
 */
const ALONE = [
  'test/helpers/storage/virtual-clock.test.ts',
  'test/compression/codecs.test.ts',
  'test/storage/drive/drive-http.test.ts',
  'test/drive/mounted.test.ts',
]

/**
 * Long suites that break things at every call, every byte or at random: `npm run test:faults`, a command of its own so
 * that `npm test` stays below 10 minutes.
 */
const FAULTS = [
  'test/faults/**/*.test.ts',
  'test/model/**/*.test.ts',
  'test/simulation/**/*.test.ts',
  'test/interop/rescue-random.test.ts',
  'test/drive/{faults,outages,kill,patience,others-files,share,listing-lag}.test.ts',
  'test/drive/{trash,retention}.test.ts',
  'test/watch/{kill,day,together}.test.ts',
  'test/cli/interrupt.test.ts',
  'test/repository/prune/{keep-rules,plan/standalone-chunks-trouble}.test.ts',
]

/** Attacks: `npm run test:hostile`. They run on Node 24 too. */
const HOSTILE = ['test/hostile/**/*.test.ts']

/** What differs on Windows: `npm run test:windows`, with Node for Windows. */
const WINDOWS = ['test/windows/**/*.test.ts']

/** Programs and file systems that nobody here wrote: `npm run test:foreign`. */
const FOREIGN = ['test/foreign/**/*.test.ts']

/** A Drive that behaves as the real one has storms of minutes, which are seconds there. */
const testTimeout = process.env.DRIVE_PROFILE ? 180_000 : 60_000

/**
 * Tests wait too: for watches, for processes, and for a Drive on a bad day most of the time. By default vitest would
 * leave a core idle.
 */
const maxWorkers = process.env.DRIVE_PROFILE ? 2 * availableParallelism() : availableParallelism() + 1

const shared = { testTimeout, hookTimeout: 60_000, pool: 'forks' } as const

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: 'together',
          include: ['test/**/*.test.ts'],
          exclude: [...ALONE, ...FAULTS, ...HOSTILE, ...WINDOWS, ...FOREIGN],
          maxWorkers,
          sequence: { groupOrder: 0 },
        },
      },
      { test: { ...shared, name: 'faults', include: FAULTS, maxWorkers, sequence: { groupOrder: 0 } } },
      { test: { ...shared, name: 'hostile', include: HOSTILE, maxWorkers, sequence: { groupOrder: 0 } } },
      { test: { ...shared, name: 'foreign', include: FOREIGN, maxWorkers, sequence: { groupOrder: 0 } } },
      { test: { ...shared, testTimeout: 180_000, name: 'windows', include: WINDOWS, maxWorkers, sequence: { groupOrder: 0 } } },
      { test: { ...shared, name: 'alone', include: ALONE, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
  },
})
