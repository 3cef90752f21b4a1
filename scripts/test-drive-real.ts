// Runs the tests of Drive on a Drive that behaves as badly as people have seen the real one do:
// `npm run test:drive-real [-- <behaviours of test/drive-emulator/behaviours.ts, or real> [<vitest arguments>]]`.
// Tests that count requests, or expect one certain failure, are not meant to pass there.
import { spawnSync } from 'node:child_process'

const SUITES = ['test/drive/', 'test/watch/drive.test.ts', 'test/cli/lost-store.test.ts']
// these have faults of their own at every request
const LEFT_OUT = ['--exclude', 'test/drive/{faults,outages,kill}.test.ts']
const [profile = 'real', ...rest] = process.argv.slice(2)
const suites = rest.length > 0 ? rest : SUITES
const { status, error } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', '--project', 'together', '--project', 'faults', ...suites, ...LEFT_OUT],
  {
    stdio: 'inherit',
    env: { ...process.env, DRIVE_PROFILE: profile },
  },
)
if (error !== undefined) console.error(`The tests could not be started: ${error.message}`)
process.exitCode = status ?? 1
