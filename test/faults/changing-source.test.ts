import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, readdirSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { PushResult } from '../../src/repository/push/push.ts'
import { silentReporter, type ProgressUpdate } from '../../src/util/reporter.ts'
import { withSandbox } from '../helpers/cli.ts'
import { rejection } from '../helpers/failures.ts'
import { withFolder } from '../helpers/folders.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
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

test('a source that is deleted before it is read is told as such, and makes no version', () =>
  withFolder(async folder => {
    const data = join(folder, 'data')
    makeTree(data, { a: 'a', 'sub/b': 'b' })
    const error = await rejection(
      pushWhile(data, listed, () => rmSync(data, { recursive: true })),
      'not-found',
    )
    expect(error.message).toBe(`${data} was moved or deleted while it was being pushed, so no version was made.`)
  }))

test('logs that a program appends to all the time are saved as far as they went', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('runs'), {
      'train.log': { file: seededText(1, 8_000_000) },
      'events.out.tfevents.1764.host': { file: seededNoise(2, 8_000_000) },
      'kept.txt': 'kept',
    })
    // every millisecond, so that no reading is quick enough
    const program = `
      const { appendFileSync } = require('node:fs')
      for (let i = 0; ; i++) {
        appendFileSync('runs/train.log', 'step ' + i + '\\n')
        appendFileSync('runs/events.out.tfevents.1764.host', 'record')
        if (i === 0) console.log('began')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
      }`
    const writer = spawn(process.execPath, ['-e', program], { cwd: sandbox.in(''), stdio: ['ignore', 'pipe', 'inherit'] })
    try {
      await once(writer.stdout, 'data')
      const { stdout, stderr } = await sandbox.ok('push', 'runs')
      expect(stderr).not.toMatch(/not saved|could not/)
      expect(stdout).toMatch(/^ {2}train\.log was still being written: its first \S+ MB are in this version$/m)
      expect(stdout).toMatch(/^ {2}events\.out\.tfevents\.1764\.host was still being written: its first \S+ MB are in this version$/m)
      const again = await sandbox.json<{ growingFiles: string[]; failed: number }>('push', 'runs')
      expect(again).toMatchObject({ outcome: 'stored', failed: 0, growingFiles: ['events.out.tfevents.1764.host', 'train.log'] })
    } finally {
      writer.kill()
      await once(writer, 'exit')
    }
    const log = readFileSync(sandbox.in('runs', 'train.log'))
    const saved: number[] = []
    for (const version of ['runs~1', 'runs']) {
      await sandbox.ok('pull', version, sandbox.in(`of ${version}`))
      const content = readFileSync(sandbox.in(`of ${version}`, 'train.log'))
      expect(log.subarray(0, content.length).equals(content)).toBe(true)
      saved.push(content.length)
    }
    expect(saved[1]).toBeGreaterThan(saved[0]!)
    expect(await sandbox.json('push', 'runs')).toMatchObject({ outcome: 'stored', growingFiles: [], failed: 0 })
    expect(await sandbox.json('push', 'runs')).toMatchObject({ outcome: 'unchanged' })
  }))
