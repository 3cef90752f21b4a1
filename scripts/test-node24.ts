// Runs on Node 24 the suites whose outcome depends on Node's own zstd, and those of hostile files:
// `npm run test:node24 [-- <vitest arguments>]`.
import { spawnSync } from 'node:child_process'

const ALL = ['test/compression', 'test/golden/golden.test.ts', 'test/hostile', 'test/fuzz']
const suites = process.argv.length > 2 ? process.argv.slice(2) : ALL
const command = ['-y', '-p', 'node@24', 'node', 'node_modules/vitest/vitest.mjs', 'run', ...suites]
const { status, error } = spawnSync('npx', command, { stdio: 'inherit', shell: process.platform === 'win32' })
if (error !== undefined) console.error(`npx could not be started: ${error.message}`)
process.exitCode = status ?? 1
