// Runs the tests of Drive on a Drive that behaves as badly as people have seen the real one do:
// `npm run test:drive-real [-- <behaviours of test/drive-emulator/behaviours.ts, or real> [<vitest arguments>]]`.
// Tests that count requests, or expect one certain failure, are left out there: see quietDriveOnly.
import { spawnSync } from 'node:child_process'

const SUITES = ['test/drive/', 'test/watch/drive.test.ts', 'test/cli/lost-store.test.ts']
/** They have faults of their own at every request, or take minutes: name these to run them. */
const LEFT_OUT = ['--exclude', 'test/drive/{faults,outages,kill,others-files,share,trash}.test.ts']
const [profile = 'real', ...rest] = process.argv.slice(2)
const suites = rest.length > 0 ? rest : [...SUITES, ...LEFT_OUT]
const { status, error } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--project', 'together', '--project', 'faults', ...suites],
  {
    stdio: 'inherit',
    env: { ...process.env, DRIVE_PROFILE: profile },
  },
)
if (error !== undefined) console.error(`The tests could not be started: ${error.message}`)
process.exitCode = status ?? 1
