import { execFileSync } from 'node:child_process'
import { copyFileSync, lstatSync, readdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { NewBlock } from '../../src/repository/format/directory.ts'
import { sha256, sha256Hex } from '../../src/util/hash.ts'
import { withFolder } from '../helpers/folders.ts'
import { rawBlock } from '../helpers/encode.ts'
import { addPack, addVersion, ATTRIBUTES, craft, file, folder } from './crafted.ts'
import { python, RESCUE, rescue } from './rescue-runs.ts'

/* What a folder that a stranger has filled can make rescue.py do: nothing but to restore files. */

test('no module is imported from the folder of rescue.py', () =>
  withFolder(async path => {
    craft(join(path, 'repo'), [file('a')])
    copyFileSync(RESCUE, join(path, 'repo', 'rescue.py'))
    const imported = readFileSync(RESCUE, 'utf8').matchAll(/^import (.+)|^from (\w+)/gm)
    const modules = [...imported].flatMap(([, names, module]) => names?.split(', ') ?? [module!])
    expect(modules).toContain('argparse')
    for (const module of [...modules, 'zstandard', 'pyzstd', 'compression'])
      writeFileSync(join(path, 'repo', `${module}.py`), 'raise SystemExit("a stranger\'s code runs")')
    const run = await python([join(path, 'repo', 'rescue.py'), join(path, 'repo'), 'verify', 'crafted'])
    expect(run).toMatchObject({ code: 0, stderr: '' })
  }))

test('pipes, symlinks and folders with the names of objects are not opened', () =>
  withFolder(async path => {
    const repo = join(path, 'repo')
    const { objectName } = craft(repo, [file('a')])
    const id = '0'.repeat(64)
    for (const name of [`pack-${id}`, `index-${id}`, `label-${id}.json`, 'pipe']) execFileSync('mkfifo', [join(repo, name)])
    symlinkSync('/dev/zero', join(repo, `pack-${'1'.repeat(64)}`))
    execFileSync('mkdir', [join(repo, `pack-${'2'.repeat(64)}`)])
    const run = await rescue(repo, 'verify', 'crafted')
    expect(run.code, run.stderr).toBe(0)
    expect(run.stderr.match(/is left out: it is not a regular file/g)).toHaveLength(6)
    renameSync(join(repo, objectName), join(path, 'elsewhere'))
    symlinkSync('../elsewhere', join(repo, objectName))
    expect(await rescue(repo, 'list')).toMatchObject({ code: 0, stdout: '' })
  }))

const CONTROLS = '\u001b]0;title\u0007\n\u202e\u009b'
const RAW = /[\p{Cc}\p{Bidi_Control}]/u

test('control characters are escaped, wherever they come from', () =>
  withFolder(async path => {
    const repo = join(path, CONTROLS)
    const { objectName } = craft(repo, [file('a')])
    const lost = { path: `lost${CONTROLS}`, type: 'file', ...ATTRIBUTES, size: 7, chunks: ['0'.repeat(64)] }
    const { id } = addVersion(repo, [lost], { time: 2000, message: CONTROLS, tags: [CONTROLS] })
    addVersion(repo, [{ ...lost, type: CONTROLS }], { name: 'odd', time: 3000 })
    writeFileSync(join(repo, objectName.replace('-crafted', CONTROLS)), 'damaged')
    writeFileSync(join(repo, `pack-${'0'.repeat(64)}${CONTROLS}`), 'damaged')
    writeFileSync(join(repo, `copy${CONTROLS}`), readFileSync(join(repo, objectName)))
    renameSync(join(repo, objectName), join(repo, `${CONTROLS}${objectName}`))
    const runs = [['list'], ['verify', id], ['verify', 'odd'], ['verify', 'crafted'], ['verify', CONTROLS], ['restore', id, repo]]
    for (const run of await Promise.all(runs.map(args => rescue(repo, ...args)))) {
      const printed = run.stdout + run.stderr
      expect(printed).toContain('\\x1b')
      for (const line of printed.split('\n')) expect(line).not.toMatch(RAW)
    }
  }))

test('what would let other users act as this one is left out of modes, unless it is asked for', () =>
  withFolder(async path => {
    const rows = [{ ...folder('a'), mode: '2755' }, { ...file('b'), mode: '6755' }, { ...folder('c'), mode: '1777' }]
    craft(join(path, 'repo'), rows)
    const modesIn = (out: string): number[] => readdirSync(join(path, out)).map(name => lstatSync(join(path, out, name)).mode & 0o7777)
    const run = await rescue(join(path, 'repo'), 'restore', 'crafted', join(path, 'out'))
    expect(run.code).toBe(0)
    expect(run.stderr).toContain('3 files and folders lose special bits or permission for everybody to write')
    expect(modesIn('out')).toEqual([0o755, 0o755, 0o775 & ~process.umask()])
    expect((await rescue(join(path, 'repo'), 'restore', '--special-modes', 'crafted', join(path, 'all'))).stderr).toBe('')
    expect(modesIn('all')).toEqual([0o2755, 0o6755, 0o1777])
  }))

test('a lost base with many copies of everything above it is looked for once', () =>
  withFolder(async path => {
    const repo = join(path, 'repo')
    const COPIES = 40
    const chunk = (depth: number): Buffer => Buffer.alloc(16, depth)
    // each chunk is one more in every byte than its base
    const predicted = (depth: number): NewBlock => ({
      ...rawBlock(chunk(depth)),
      block: { ...rawBlock(Buffer.alloc(16, 2)).block, filter: 2, parameters: Uint8Array.of(1) },
      bases: new Map([[0, { depth, ids: [sha256(chunk(depth - 1))] }]]),
    })
    craft(repo, [file('a')])
    const blocks = Array.from({ length: 8 * COPIES }, (_, i) => predicted(1 + Math.floor(i / COPIES)))
    addPack(repo, [{ ...rawBlock(Buffer.alloc(16, 99)), chunkIds: sha256(chunk(0)) }, ...blocks])
    addVersion(repo, [{ ...file('a'), size: 16, chunks: [sha256Hex(chunk(8))] }], { time: 2000 })
    const started = Date.now()
    const run = await rescue(repo, 'verify', 'crafted')
    expect(run.code).toBe(1)
    expect(run.stderr).toContain('does not match its checksum')
    expect(Date.now() - started).toBeLessThan(20_000)
  }))
