import { appendFileSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { PushResult } from '../../src/repository/push/push.ts'
import { silentReporter, type ProgressUpdate } from '../../src/util/reporter.ts'
import { withFolder } from '../helpers/folders.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { MemoryStorage } from '../helpers/storage/memory.ts'
import { expectSameTree, makeTree } from '../helpers/trees.ts'

/**
 * Pushes `folder`, with `act` done once at the first progress that fits: what the push reports on is what it has just
 * done.
 */
async function pushWhile(
  folder: string,
  fits: (update: ProgressUpdate) => boolean,
  act: () => void,
): Promise<{ storage: MemoryStorage; warnings: string[]; result: PushResult }> {
  const storage = new MemoryStorage()
  const warnings: string[] = []
  let done = false
  const progress = (update: ProgressUpdate): void => {
    if (done || !fits(update)) return
    done = true
    act()
  }
  const reporter = { ...silentReporter, progress, warn: (message: string) => void warnings.push(message) }
  const result = await pushFolder(contextOf(storage, { reporter }), folder, 'data')
  expect(done).toBe(true)
  expect(await checkAll(contextOf(storage))).toMatchObject({ problems: [], affected: [] })
  return { storage, warnings, result }
}

const listed = ({ phase }: ProgressUpdate): boolean => phase === 'listing'
const oneFileRead = ({ phase, doneFiles }: ProgressUpdate): boolean => phase === 'storing' && doneFiles === 1

test('files that vanish or change their type before they are read are left out and told, all others are saved', () =>
  withFolder(async folder => {
    const data = join(folder, 'data')
    makeTree(data, { 'first.aaa': 'read first', 'gone.zzz': 'g', 'symlink.zzz': 's', 'folder.zzz': 'f', 'kept.zzz': 'kept' })
    const { storage, warnings, result } = await pushWhile(data, oneFileRead, () => {
      for (const name of ['gone', 'symlink', 'folder']) unlinkSync(join(data, `${name}.zzz`))
      symlinkSync('/etc/hostname', join(data, 'symlink.zzz'))
      mkdirSync(join(data, 'folder.zzz'))
    })
    expect(result.reading.failedFiles.sort()).toEqual(['folder', 'gone', 'symlink'].map(name => join(data, `${name}.zzz`)))
    expect(warnings.sort()).toEqual([
      expect.stringMatching(/folder\.zzz was not saved: it has become a folder$/),
      expect.stringMatching(/gone\.zzz was not saved: it vanished while it was being read/),
      expect.stringMatching(/symlink\.zzz was not saved: it has become a symlink$/),
    ])
    await pullVersion(contextOf(storage), 'data', join(folder, 'out'))
    expect(readdirSync(join(folder, 'out')).sort()).toEqual(['first.aaa', 'kept.zzz'])
  }))

test('files that were written to since they were listed are saved as they then are', () =>
  withFolder(async folder => {
    const data = join(folder, 'data')
    makeTree(data, { grown: 'grown', shrunk: seededNoise(1, 3_000_000), replaced: 'before', emptied: 'something', quiet: 'quiet' })
    const { storage, warnings, result } = await pushWhile(data, listed, () => {
      appendFileSync(join(data, 'grown'), ' a lot'.repeat(1000))
      truncateSync(join(data, 'shrunk'), 2_000_000)
      rmSync(join(data, 'replaced'))
      writeFileSync(join(data, 'replaced'), 'after')
      truncateSync(join(data, 'emptied'), 0)
    })
    expect([warnings, result.reading.failedFiles]).toEqual([[], []])
    await pullVersion(contextOf(storage), 'data', join(folder, 'out'))
    // the folder itself is as it was when it was listed
    for (const name of readdirSync(data))
      expect(readFileSync(join(folder, 'out', name)).equals(readFileSync(join(data, name))), name).toBe(true)
    expectSameTree(join(folder, 'out'), data)
  }))

test('a folder that is gone by then fails all its files, and nothing else', () =>
  withFolder(async folder => {
    const data = join(folder, 'data')
    makeTree(data, { 'sub/a': 'a', 'sub/b': 'b', kept: 'kept' })
    const { result } = await pushWhile(data, listed, () => rmSync(join(data, 'sub'), { recursive: true }))
    expect(result.reading.failedFiles).toHaveLength(2)
    expect(result.reading.files).toBe(1)
  }))
