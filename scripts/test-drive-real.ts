// Runs the tests of Drive on a Drive that behaves as badly as people have seen the real one do:
// `npm run test:drive-real [-- <behaviours of test/drive-emulator/behaviours.ts, or real> [<vitest arguments>]]`.
// Tests that count requests, or expect one certain failure, are left out there: see quietDriveOnly.
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'

const SUITES = ['test/drive/', 'test/watch/drive.test.ts', 'test/cli/lost-store.test.ts']
// these have faults of their own at every request
const LEFT_OUT = ['--exclude', 'test/drive/{faults,outages,kill}.test.ts']
// these tests mostly wait for Drive
const WORKERS = ['--maxWorkers', String(2 * availableParallelism())]
const [profile = 'real', ...rest] = process.argv.slice(2)
const suites = rest.length > 0 ? rest : SUITES
const { status, error } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--project', 'together', '--project', 'faults', ...WORKERS, ...suites, ...LEFT_OUT],
  {
    stdio: 'inherit',
    env: { ...process.env, DRIVE_PROFILE: profile },
  },
)
if (error !== undefined) console.error(`The tests could not be started: ${error.message}`)
process.exitCode = status ?? 1
