import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { expectError, runCli, type CliResult } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { linesOf } from '../helpers/json-output.ts'
import { makeTree } from '../helpers/trees.ts'

/** Runs the program after `before`, the source of a module. */
function runAfter(before: string, args: readonly string[], folder: string): Promise<CliResult> {
  const preload = `data:text/javascript,${encodeURIComponent(before)}`
  return runCli(args, { cwd: folder, env: { NODE_OPTIONS: `--import ${preload}`, COLAB_ESCAPE_CACHE: join(folder, 'cache') } })
}

const STUCK = /waits for something that never comes/

const NEVER = 'new Promise(() => undefined)'
const STDIN = `import { Readable } from 'node:stream'
Object.defineProperty(process, 'stdin', { value: new Readable({ read() {} }) })`

describe('a command that waits for something that never comes fails, and says so', () => {
  it('in a stream without an end', () =>
    withFolder(async folder => {
      expectError(await runAfter(STDIN, ['extract', '-', 'out'], folder), 1, STUCK)
      const run = await runAfter(STDIN, ['extract', '-', 'out', '--json'], folder)
      expect([run.code, linesOf(run.stdout).at(-1)]).toMatchObject([1, { event: 'error', message: expect.stringMatching(STUCK) as string }])
    }))

  it('in a call of the system that is not answered', () =>
    withFolder(async folder => {
      makeTree(folder, { 'data/a': 'x' })
      const before = `import fs from 'node:fs'\nfs.promises.open = () => ${NEVER}`
      expectError(await runAfter(before, ['push', 'data', '--store', 'store'], folder), 1, STUCK)
    }))

  it('after its work, while everything is closed', () =>
    withFolder(async folder => {
      makeTree(folder, { 'data/a': 'x' })
      expect((await runCli(['push', 'data', '--store', 'store'], { cwd: folder, env: { HOME: folder } })).code).toBe(0)
      const before = `import fs from 'node:fs'\nfs.promises.rename = () => ${NEVER}`
      expectError(await runAfter(before, ['ls', 'data', '--store', 'store'], folder), 1, STUCK)
    }))

  it('while it is being loaded', () =>
    withFolder(async folder => {
      const root = fileURLToPath(new URL('../..', import.meta.url))
      for (const each of ['bin', 'dist']) cpSync(join(root, each), join(folder, each), { recursive: true })
      const chunk = /import\("\.\/([\w-]+\.js)"\);await runCommand/.exec(readFileSync(join(folder, 'dist/cli.js'), 'utf8'))?.[1]
      expect(readdirSync(join(folder, 'dist'))).toContain(chunk)
      writeFileSync(join(folder, 'dist', chunk!), `await ${NEVER}`)
      writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
      expectError(await runCli(['log'], { cwd: folder, program: join(folder, 'bin/colab-escape.cjs') }), 1, STUCK)
    }))

  it('which help, the version and completion never do', () =>
    withFolder(async folder => {
      for (const args of [['--help'], ['--version'], ['help', 'push'], ['completion', 'bash']])
        expect(await runCli(args, { cwd: folder })).toMatchObject({ code: 0, stderr: '' })
    }))
})

it('an error that nothing expects is shown as all others are', () =>
  withFolder(async folder => {
    makeTree(folder, { 'data/a': 'x' })
    const before = `import fs from 'node:fs'
fs.promises.open = () => new Promise(() => setTimeout(() => { throw new Error('odd') }))`
    expect(expectError(await runAfter(before, ['push', 'data', '--store', 'store'], folder), 1, /^error: odd$/).hint).toMatch(/a bug/)
  }))
