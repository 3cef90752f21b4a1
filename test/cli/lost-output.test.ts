import { spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { expect, test } from 'vitest'
import { PROGRAM, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'

/** Runs a command whose output goes to a full disk, and gives its exit code and what it said on stderr. */
function onFullDisk(sandbox: Sandbox, ...args: string[]): [code: number | null, errors: string] {
  const full = openSync('/dev/full', 'w')
  try {
    const { status, stderr } = spawnSync(process.execPath, [PROGRAM, ...args, '--store', sandbox.store], {
      cwd: sandbox.path,
      env: { ...process.env, COLAB_ESCAPE_CACHE: sandbox.in('cache') },
      encoding: 'utf8',
      stdio: ['ignore', full, 'pipe'],
    })
    return [status, stderr]
  } finally {
    closeSync(full)
  }
}

const LOST = [
  "error: The output can't be written: no space left on device.",
  '  -> Free some space there, or write to another place, and run the same command again.',
  '',
].join('\n')
const GOES_ON = "warning: the output can't be written: no space left on device. The command goes on without it\n"

test.skipIf(process.platform !== 'linux')('what was asked for and can not be written is an error, a receipt is not', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { a: 'x' })
    expect(onFullDisk(sandbox, 'push', 'data')).toEqual([0, GOES_ON])
    expect(onFullDisk(sandbox, 'push', 'data', '--json')).toEqual([0, GOES_ON])
    expect(onFullDisk(sandbox, 'push', 'nowhere', '--json')).toMatchObject([5, expect.stringMatching(/^error: .*does not exist/m)])
    expect(onFullDisk(sandbox, 'watch', 'data', '--until-exit', '4194304')[0]).toBe(0)
    for (const args of [['cat', 'data:a'], ['log'], ['--help'], ['--version']])
      expect(onFullDisk(sandbox, ...args), args.join(' ')).toEqual([6, LOST])
    const [code, errors] = onFullDisk(sandbox, 'ls', 'data', '--json')
    expect([code, errors.endsWith(LOST)]).toEqual([6, true])
    expect((await sandbox.ok('cat', 'data:a')).stdout).toBe('x')
  }),
)
