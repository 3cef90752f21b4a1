import { spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { realFileSystem } from '../../src/util/file-system.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { rescue } from '../golden/rescue-runs.ts'
import { expectError, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { contextOf, pullVersion } from '../helpers/in-process.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import { withTmpfs } from '../helpers/mounts.ts'
import { plantedObjects, writeObjects, type Planted } from '../helpers/plant.ts'
import { intercepted } from '../helpers/file-system/intercepted.ts'

const CHUNK = Buffer.from('evil')
const ZEROS = Buffer.alloc(1 << 20)
const id = (bytes: Uint8Array): string => sha256Hex(bytes)

type Row = Record<string, unknown>
const rows = (...all: Row[]): string => all.map(row => `${JSON.stringify(row)}\n`).join('')
const file = (path: string, more: Row = {}): Row => ({ path, type: 'file', mode: '644', mtime: '0', size: 4, chunks: [id(CHUNK)], ...more })
const folder = (path: string, mode = '755'): Row => ({ path, type: 'directory', mode, mtime: '0' })

function plant(sandbox: Sandbox, planted: Planted): void {
  writeObjects(sandbox.store, plantedObjects({ chunks: [CHUNK], ...planted }))
}

const modeOf = (path: string): string => (lstatSync(path).mode & 0o7777).toString(8)

describe('No pull restores permissions that let others act as the person who pulls, unless it is asked to', () => {
  const manifest = rows(
    folder('shared', '2777'),
    file('shared/root-shell', { mode: '4755' }),
    file('shared/writable', { mode: '666' }),
    file('sticky', { mode: '1644' }),
    file('usual', { mode: '640' }),
  )
  const SAFE = ['755', '755', '644', '644', '640']
  const modesIn = (out: string): string[] =>
    ['shared', 'shared/root-shell', 'shared/writable', 'sticky', 'usual'].map(path => modeOf(join(out, path)))

  test('set-user-id, set-group-id, sticky and world-write bits are left out, and a note says so', () =>
    withSandbox(async sandbox => {
      plant(sandbox, { manifest })
      const run = await sandbox.ok('pull', 'data', 'out')
      expect(modesIn(sandbox.in('out'))).toEqual(SAFE)
      expect(run.stderr).toMatch(/^note: 4 .*--special-modes/m)
      // and nothing is to be done by the next pull
      expect((await sandbox.ok('pull', 'data', 'out')).stdout).toMatch(/^ {2}0 files written .*4 already up to date/m)
      expect(modesIn(sandbox.in('out'))).toEqual(SAFE)
    }))

  test('ls shows them as they are in the version', () =>
    withSandbox(async sandbox => {
      plant(sandbox, { manifest })
      const stdout = (await sandbox.ok('ls', 'data')).stdout + (await sandbox.ok('ls', 'data', 'shared')).stdout
      for (const text of ['-rwsr-xr-x', '-rw-rw-rw-', '-rw-r--r-T']) expect(stdout).toContain(text)
      expect(stdout).toMatch(/drwxrwsrwx/)
    }))

  test('--special-modes restores them', () =>
    withSandbox(async sandbox => {
      plant(sandbox, { manifest })
      await sandbox.ok('pull', 'data', 'out', '--special-modes')
      expect(modesIn(sandbox.in('out'))).toEqual(['2777', '4755', '666', '1644', '640'])
    }))

  test('rescue.py does the same', () =>
    withSandbox(async sandbox => {
      plant(sandbox, { manifest })
      const run = await rescue(sandbox.store, 'restore', 'data', sandbox.in('out'))
      expect([run.code, modesIn(sandbox.in('out'))]).toEqual([0, SAFE])
      expect(run.stderr).toContain('--special-modes')
      await rescue(sandbox.store, 'restore', 'data', sandbox.in('special'), '--special-modes')
      expect(modesIn(sandbox.in('special'))).toEqual(['2777', '4755', '666', '1644', '640'])
    }))
})

describe('The file of a version goes only where its name says that it goes', () => {
  const single = (name: string, source: string): Planted => ({
    manifest: rows(file(name)),
    snapshot: { name: 'data', source: { type: 'file', path: source } },
  })

  test.each([
    ['a hidden file', '.bashrc', '/home/somebody/.bashrc', /which is hidden/],
    ['a file with another name than the source has', 'setup.py', '/home/somebody/data.bin', /its source was called "data.bin"/],
  ])('%s is written to no folder that the command did not name it in', (_, name, source, why) =>
    withSandbox(async sandbox => {
      plant(sandbox, single(name, source))
      mkdirSync(sandbox.in('home'))
      const { hint } = expectError(await sandbox.run(['pull', 'data'], { cwd: sandbox.in('home') }), 1, why)
      expect(hint).toContain('Name the file that it should become')
      expect(readdirSync(sandbox.in('home'))).toEqual([])
      await sandbox.ok('pull', 'data', 'named')
      expect(readFileSync(sandbox.in('named'), 'utf8')).toBe('evil')
    }),
  )

  test('an existing file of another name than the version is not overwritten because the repository knows its content', () =>
    withSandbox(async sandbox => {
      const before = single('setup.py', '/x/setup.py')
      writeObjects(
        sandbox.store,
        plantedObjects({ chunks: [CHUNK], ...before, snapshot: { ...before.snapshot, time: Date.now() - 60_000 } }),
      )
      const evil = Buffer.from('import os; os.system("evil")')
      plant(sandbox, {
        chunks: [evil],
        manifest: rows({ ...file('setup.py'), size: evil.length, chunks: [id(evil)] }),
        snapshot: { name: 'data', source: { type: 'file', path: '/x/setup.py' } },
      })
      writeFileSync(sandbox.in('setup.py'), 'evil') // the stock content, which anybody can know
      expect((await sandbox.run(['pull', 'data'])).code).toBe(8)
      expect(readFileSync(sandbox.in('setup.py'), 'utf8')).toBe('evil')
    }))

  test('the receipt names the file', () =>
    withSandbox(async sandbox => {
      plant(sandbox, single('data.bin', '/x/data.bin'))
      expect((await sandbox.ok('pull', 'data')).stdout).toContain('data.bin')
    }))
})

describe('A pull never leaves its destination, whoever exchanges folders and files there while it runs', () => {
  /** Pulls 30 files in two folders; `swap` is called once, before the nth call of a kind below the destination. */
  async function pullWith(sandbox: Sandbox, call: string, nth: number, swap: (out: string) => void): Promise<void> {
    const out = sandbox.in('out')
    let seen = 0
    const fileSystem = intercepted({
      before: ({ name }) => {
        if (name === call && ++seen === nth) swap(out)
      },
    })
    const context = { ...contextOf(new FolderStorage(sandbox.store)), fileSystem }
    await pullVersion(context, 'data', out).catch(() => undefined)
    expect(seen).toBeGreaterThanOrEqual(nth)
  }

  const manifest = rows(
    folder('a'),
    ...Array.from({ length: 15 }, (_, i) => file(`a/${String(i).padStart(2, '0')}`)),
    folder('b'),
    file('b/x'),
  )

  test.each([
    ['open', 3],
    ['open', 12],
    ['rename', 1],
    ['rename', 9],
    ['mkdir', 2],
    ['fchmod', 4],
  ])('a folder becomes a symlink before %s call %i', (call, nth) =>
    withSandbox(async sandbox => {
      plant(sandbox, { manifest })
      mkdirSync(sandbox.in('precious'))
      writeFileSync(sandbox.in('precious', '00'), 'mine')
      chmodSync(sandbox.in('precious', '00'), 0o600)
      await pullWith(sandbox, call, nth, out => {
        if (existsSync(join(out, 'a'))) renameSync(join(out, 'a'), sandbox.in('away'))
        mkdirSync(out, { recursive: true })
        symlinkSync(sandbox.in('precious'), join(out, 'a'))
      })
      expect(readdirSync(sandbox.in('precious'))).toEqual(['00'])
      expect(readFileSync(sandbox.in('precious', '00'), 'utf8')).toBe('mine')
      expect(modeOf(sandbox.in('precious', '00'))).toBe('600')
      expect(realFileSystem.lstatSync(sandbox.in('precious', '00')).mtimeMs).toBeGreaterThan(1e12)
    }),
  )

  test('a file that needs only another mode becomes a symlink', () =>
    withSandbox(async sandbox => {
      plant(sandbox, { manifest: rows(file('a', { mode: '755' }), file('b')) })
      await sandbox.ok('pull', 'data', 'out')
      writeFileSync(sandbox.in('secret'), 'secret')
      chmodSync(sandbox.in('secret'), 0o600)
      chmodSync(sandbox.in('out', 'a'), 0o644)
      rmSync(sandbox.in('out', 'b'))
      await pullWith(sandbox, 'rename', 1, out => {
        rmSync(join(out, 'a'))
        symlinkSync(sandbox.in('secret'), join(out, 'a'))
      })
      expect(modeOf(sandbox.in('secret'))).toBe('600')
      expect(statSync(sandbox.in('secret')).mtimeMs).toBeGreaterThan(1e12)
    }))

  test('another process exchanges a folder all the time', () =>
    withSandbox(async sandbox => {
      const many = rows(folder('a'), ...Array.from({ length: 400 }, (_, i) => file(`a/${String(i).padStart(3, '0')}`)))
      plant(sandbox, { manifest: many })
      mkdirSync(sandbox.in('precious'))
      const script = `const fs = require('fs'); const [a, away, precious] = process.argv.slice(1)
        for (;;) { try { fs.renameSync(a, away); fs.symlinkSync(precious, a) } catch {} try { if (fs.existsSync(away)) { fs.unlinkSync(a); fs.renameSync(away, a) } } catch {} }`
      const attacker = spawn(process.execPath, ['-e', script, sandbox.in('out', 'a'), sandbox.in('out', 'away'), sandbox.in('precious')])
      try {
        for (let round = 0; round < 3; round++) {
          await sandbox.run(['pull', 'data', 'out', '--force'])
          expect(readdirSync(sandbox.in('precious'))).toEqual([])
        }
      } finally {
        attacker.kill('SIGKILL')
      }
    }))
})

describe('A version that is meant to fill the disk is refused before the first write', () => {
  /** Some files of 500 times the same chunk. */
  const grows = (files: number, chunk: Uint8Array): Planted => ({
    chunks: [chunk],
    manifest: rows(
      ...Array.from({ length: files }, (_, i) =>
        file(`big${i}`, { size: 500 * chunk.length, chunks: Array.from({ length: 500 }, () => id(chunk)) }),
      ),
    ),
  })
  /** No zeros, so it makes no holes. */
  const ones = Buffer.alloc(1 << 20, 1)

  test('a terabyte that the disk has no room for', () =>
    withSandbox(sandbox =>
      withTmpfs(40_000_000, async tmpfs => {
        plant(sandbox, grows(2, ones))
        expectError(await sandbox.run(['pull', 'data', join(tmpfs.path, 'out')]), 6, /./)
        expect(readdirSync(tmpfs.path)).toEqual([])
        const run = await rescue(sandbox.store, 'restore', 'data', join(tmpfs.path, 'out'))
        expect([run.code, readdirSync(tmpfs.path)]).toEqual([1, []])
      }),
    ))

  test('a thousand times what is stored, unless --allow-growth says that it is meant so', () =>
    withSandbox(async sandbox => {
      plant(sandbox, grows(3, ones))
      const { hint } = expectError(await sandbox.run(['pull', 'data', 'out']), 1, /more than 100 times/)
      expect(hint).toContain('--allow-growth')
      expect(existsSync(sandbox.in('out'))).toBe(false)
      const run = await rescue(sandbox.store, 'restore', 'data', sandbox.in('out'))
      expect([run.code, existsSync(sandbox.in('out'))]).toEqual([1, false])
      expect(run.stderr).toContain('--allow-growth')
      expect((await sandbox.run(['pull', 'data', 'out', '--allow-growth', '--dry-run'])).code).toBe(0)
    }))

  test('zeros are holes, take no room and are no reason to refuse', () =>
    withSandbox(async sandbox => {
      plant(sandbox, grows(6, ZEROS))
      await sandbox.ok('pull', 'data', 'out')
      const { size, blocks } = statSync(sandbox.in('out', 'big5'))
      expect(size).toBe(500 * ZEROS.length)
      expect(blocks).toBeLessThan(2000)
    }))
})

describe('rescue.py runs no code that lies in a folder with the repository', () => {
  test.each(['argparse.py', 'zstandard.py', 'json.py'])('a file %s beside it', name =>
    withSandbox(async sandbox => {
      plant(sandbox, { manifest: rows(file('a')) })
      const script = join(sandbox.store, 'rescue.py')
      writeFileSync(script, readFileSync(fileURLToPath(new URL('../../docs/rescue.py', import.meta.url))))
      writeFileSync(join(sandbox.store, name), `open(${JSON.stringify(sandbox.in('ran'))}, 'w')\n`)
      const child = spawn('python3', [script, sandbox.store, 'restore', 'data', sandbox.in('out')], { stdio: 'ignore', cwd: sandbox.store })
      expect(await new Promise(resolve => child.once('close', resolve))).toBe(0)
      expect(existsSync(sandbox.in('ran'))).toBe(false)
      expect(readFileSync(sandbox.in('out', 'a'), 'utf8')).toBe('evil')
    }),
  )

  test('objects that are pipes or links are no objects, and are not waited for', () =>
    withSandbox(async sandbox => {
      plant(sandbox, { manifest: rows(file('a')) })
      for (const name of readdirSync(sandbox.store).filter(each => each.startsWith('index-'))) {
        rmSync(join(sandbox.store, name))
        symlinkSync('/dev/zero', join(sandbox.store, name))
      }
      const run = await rescue(sandbox.store, 'restore', 'data', sandbox.in('out'))
      expect(run.code, run.stderr).toBe(0)
    }))
})
