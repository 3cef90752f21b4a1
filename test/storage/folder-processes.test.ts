import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { describe, expect, test } from 'vitest'
import { isTemporaryName } from '../../src/storage/folder-files.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import { isObjectName } from '../../src/storage/storage.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { withFolder } from '../helpers/folders.ts'

/** Runs `script` in a Node of its own, with `FolderStorage` and the `store`'s path at hand. */
async function startWriter(work: string, store: string, script: string): Promise<ChildProcess> {
  const bundle = join(work, 'folder.mjs')
  const entry = join(import.meta.dirname, '../../src/storage/folder.ts')
  await build({ entryPoints: [entry], outfile: bundle, bundle: true, platform: 'node', format: 'esm', logLevel: 'error' })
  const prelude = `
    import { createHash } from 'node:crypto'
    import { FolderStorage } from ${JSON.stringify(pathToFileURL(bundle).href)}
    const storage = new FolderStorage(${JSON.stringify(store)})
    const nameOf = bytes => 'pack-' + createHash('sha256').update(bytes).digest('hex')
  `
  return spawn(process.execPath, ['--input-type=module', '--eval', prelude + script], { stdio: ['ignore', 'ignore', 'inherit'] })
}

async function exitOf(child: ChildProcess): Promise<number | string | null> {
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  return signal ?? code
}

/** Resolves when the kernel has stopped all threads of a process. */
async function stopped(pid: number): Promise<void> {
  for (;;) {
    const tasks = await readdir(`/proc/${pid}/task`)
    const states = await Promise.all(tasks.map(task => readFile(`/proc/${pid}/task/${task}/stat`, 'utf8').catch(() => ') T')))
    if (states.every(stat => /\) [TtZX]/.test(stat))) return
  }
}

const isWhole = async (store: string, name: string) => `pack-${sha256Hex(await readFile(join(store, name)))}` === name

describe('FolderStorage between processes', () => {
  test('what a killed writer left is ignored, and removed when old', () =>
    withFolder(async work => {
      const store = join(work, 'store')
      const writer = await startWriter(
        work,
        store,
        `for (let i = 0; ; i++) { const bytes = Buffer.alloc(i % 2 ? 1000 : 32 << 20, i); await storage.put(nameOf(bytes), bytes) }`,
      )
      const exit = exitOf(writer)
      await mkdir(store, { recursive: true })
      const isMidway = async (): Promise<boolean> => {
        const entries = await readdir(store)
        return entries.some(isTemporaryName) && entries.some(isObjectName)
      }
      // a writer that stands still when it is looked at can not have ended its write before it is killed
      while (!(await isMidway())) {
        expect(writer.exitCode).toBe(null)
        writer.kill('SIGCONT')
        await new Promise(resolve => setTimeout(resolve, 1))
        writer.kill('SIGSTOP')
        await stopped(writer.pid!)
      }
      writer.kill('SIGKILL')
      expect(await exit).toBe('SIGKILL')

      const storage = new FolderStorage(store)
      const left = (await readdir(store)).filter(isTemporaryName)
      expect(left).toHaveLength(1)
      const { objects } = await storage.list()
      expect(objects.length).toBeGreaterThan(0)
      for (const { name } of objects) expect(await isWhole(store, name)).toBe(true)
      expect(await storage.removeStaleTemporaries()).toBe(0)
      await new Promise(resolve => setTimeout(resolve, 20))
      expect(await storage.removeStaleTemporaries(5)).toBe(1)
      expect((await readdir(store)).sort()).toEqual(objects.map(({ name }) => name).sort())
    }))

  test('writers that race for the same names all succeed', () =>
    withFolder(async work => {
      const store = join(work, 'store')
      const script = `for (let i = 0; i < 40; i++) { const bytes = Buffer.alloc(5000 * i, i); await storage.put(nameOf(bytes), bytes) }`
      const writers = [await startWriter(work, store, script), await startWriter(work, store, script)]
      expect(await Promise.all(writers.map(exitOf))).toEqual([0, 0])
      const entries = await readdir(store)
      expect(entries).toHaveLength(40)
      for (const name of entries) expect(await isWhole(store, name)).toBe(true)
    }))
})
