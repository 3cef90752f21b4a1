import { spawn } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import pLimit from 'p-limit'
import { expect, vi } from 'vitest'
import { withFolder } from '../helpers/folders.ts'
import type { GoldenRepository } from './repositories.ts'
import type { ExpectedVersion } from './stage.ts'
import { describeTree } from './trees.ts'

export const RESCUE = fileURLToPath(new URL('../../docs/rescue.py', import.meta.url))

export interface Run {
  code: number | null
  stdout: string
  stderr: string
}

export async function python(args: readonly string[], env: Record<string, string> = {}, command = 'python3'): Promise<Run> {
  const child = spawn(command, args, { env: { ...process.env, ...env, PYTHONIOENCODING: 'utf-8' }, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, stdout, stderr }
}

export const rescue = (...args: string[]): Promise<Run> => python([RESCUE, ...args])

/** Gives `use` a folder with a copy of a golden repository in `repo`. */
export function withCopy<T>(golden: GoldenRepository, use: (folder: string, repo: string) => Promise<T>): Promise<T> {
  return withFolder(folder => {
    golden.copyTo(join(folder, 'repo'))
    vi.stubEnv('COLAB_ESCAPE_PASSWORD', golden.expected.password)
    return use(folder, join(folder, 'repo'))
  })
}

export function removeObjects(repo: string, prefix: string): void {
  for (const name of readdirSync(repo)) if (name.startsWith(prefix)) rmSync(join(repo, name))
}

/** Restores all of `versions` into folders named by their ids, and compares. */
export async function restoreAll(folder: string, repo: string, versions: readonly ExpectedVersion[]): Promise<void> {
  const limit = pLimit(2)
  const restore = async ({ name, id, entries }: ExpectedVersion): Promise<void> => {
    const run = await rescue(repo, 'restore', '--special-modes', `${name}@${id}`, join(folder, id))
    expect(run.code, run.stderr).toBe(0)
    expect(describeTree(join(folder, id)), `${name}@${id}`).toEqual(entries)
  }
  await Promise.all(versions.map(version => limit(restore, version)))
}
