/*
 * Runs the program on Node for Windows, which sees this machine's files as those of its drives. Folders of a test are
 * prepared and looked at from outside.
 */

import { rmSync, symlinkSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect } from 'vitest'
import { resultOf, runCli, type CliResult, type Sandbox } from '../helpers/cli.ts'
import { pictureOf } from '../helpers/trees.ts'

const { PROGRAM_NODE, PROGRAM_WINE_PREFIX } = process.env
if (PROGRAM_NODE === undefined || PROGRAM_WINE_PREFIX === undefined) throw new Error('These tests need `npm run test:windows`.')

export const windowsNode = PROGRAM_NODE

/** Runs a command of the same store on this machine's own Node. It must end with 0. */
export async function onLinux(sandbox: Sandbox, ...args: string[]): Promise<Record<string, unknown>> {
  const options = { cwd: sandbox.path, node: process.execPath, env: { COLAB_ESCAPE_CACHE: sandbox.in('cache-of-linux') } }
  const run = await runCli([...args, '--json', '--store', sandbox.store], options)
  expect(run.code, run.stderr + run.stdout).toBe(0)
  return resultOf(run)
}

/** Makes a folder a drive (`g:`), or a share on the network (`unc/server/share`), while `use` runs. */
export async function withPlace<T>(place: string, folder: string, use: () => Promise<T>): Promise<T> {
  const link = join(PROGRAM_WINE_PREFIX!, 'dosdevices', place)
  await mkdir(dirname(link), { recursive: true })
  rmSync(link, { force: true })
  symlinkSync(folder, link)
  try {
    return await use()
  } finally {
    rmSync(link)
  }
}

/** Expects a code, and returns what was printed. */
export function expectCode(run: CliResult, code: number): string {
  expect(run.code, run.stderr + run.stdout).toBe(code)
  return run.stdout + run.stderr
}

/** Type, size and content of all that is below a folder: what every file system can hold. */
export function contentOf(folder: string): Record<string, string> {
  return Object.fromEntries([...pictureOf(folder)].map(([path, line]) => [path, line.replace(/mode=\d+ mtime=-?\d+µs ?/, '')]))
}
