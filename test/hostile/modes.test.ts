import { chmodSync, lstatSync, mkdirSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sha256Hex } from '../../src/util/hash.ts'
import { python } from '../archive/archives.ts'
import { rescue } from '../golden/rescue-runs.ts'
import { resultOf, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { plantedObjects, writeObjects } from '../helpers/plant.ts'

const EVIL = Buffer.from('evil')
const row = (path: string, mode: string, type = 'file'): object => ({
  path,
  type,
  mode,
  mtime: '0',
  ...(type === 'file' ? { size: 4, chunks: [sha256Hex(EVIL)] } : {}),
})
const ROWS = [
  row('bin', '2777', 'directory'),
  row('bin/shell', '4755'),
  row('group', '664'),
  row('open', '666'),
  row('plain', '644'),
  row('sgid', '2755'),
  row('shared', '1777', 'directory'),
]
const AS_STORED = ['2777', '4755', '664', '666', '644', '2755', '1777']
/** With a umask of 022. */
const SAFE = ['755', '755', '664', '644', '644', '755', '755']

function plant(sandbox: Sandbox): void {
  const manifest = ROWS.map(each => `${JSON.stringify(each)}\n`).join('')
  writeObjects(sandbox.store, plantedObjects({ manifest, chunks: [EVIL] }))
}

const modesIn = (sandbox: Sandbox, out: string): string[] =>
  ['bin', 'bin/shell', 'group', 'open', 'plain', 'sgid', 'shared'].map(path => (lstatSync(sandbox.in(out, path)).mode & 0o7777).toString(8))

let umask: number
beforeAll(() => void (umask = process.umask(0o022)))
afterAll(() => void process.umask(umask))

describe('A pull never restores set-user-id, set-group-id and sticky bits or permission for everybody to write, unless it is asked to', () => {
  test('it leaves them out, says so once, and then all is up to date', () =>
    withSandbox(async sandbox => {
      plant(sandbox)
      const first = await sandbox.ok('pull', 'data', 'out')
      expect(modesIn(sandbox, 'out')).toEqual(SAFE)
      expect(first.stderr.match(/^note: .*--special-modes/gm)).toEqual([expect.stringMatching(/^note: 5 files and folders /)])
      const again = await sandbox.ok('pull', 'data', 'out')
      expect(again.stdout).toContain('0 files written (0 B), 5 already up to date')
      expect(again.stderr).not.toContain('--special-modes')
      expect(await sandbox.json('pull', 'data', 'out')).toMatchObject({ modesLeftOut: 0, toWrite: 0 })
    }))

  test('a push from there stores what is there, and then nothing has changed', () =>
    withSandbox(async sandbox => {
      plant(sandbox)
      await sandbox.ok('pull', 'data')
      await sandbox.ok('push', 'data')
      expect((await sandbox.ok('status', 'data')).stdout).toContain('Nothing to push')
      expect((await sandbox.ok('push', 'data')).stdout).toContain('Nothing changed')
    }))

  test('with --special-modes it restores all, also later, and a file of the same mode keeps its own', () =>
    withSandbox(async sandbox => {
      plant(sandbox)
      await sandbox.ok('pull', 'data', 'out')
      expect(resultOf(await sandbox.ok('--json', 'pull', 'data', 'out', '--special-modes'))).toMatchObject({ modesLeftOut: 0 })
      expect(modesIn(sandbox, 'out')).toEqual(AS_STORED)
      await sandbox.ok('pull', 'data', 'out')
      expect(modesIn(sandbox, 'out')).toEqual(AS_STORED)
    }))

  test('what a file had before gives a new content no bits', () =>
    withSandbox(async sandbox => {
      plant(sandbox)
      mkdirSync(sandbox.in('out', 'bin'), { recursive: true })
      python(sandbox.path, `open('out/bin/shell', 'w').write('own')`)
      chmodSync(sandbox.in('out', 'bin', 'shell'), 0o4755)
      await sandbox.ok('pull', 'data', 'out', '--force')
      expect(modesIn(sandbox, 'out')).toEqual(SAFE)
    }))

  test('rescue.py leaves out the same', () =>
    withSandbox(async sandbox => {
      plant(sandbox)
      expect((await rescue(sandbox.store, 'restore', 'data', sandbox.in('out'))).code).toBe(0)
      expect(modesIn(sandbox, 'out')).toEqual(SAFE)
      expect((await rescue(sandbox.store, 'restore', '--special-modes', 'data', sandbox.in('all'))).code).toBe(0)
      expect(modesIn(sandbox, 'all')).toEqual(AS_STORED)
    }))
})

test('A list of files shows special bits as ls does', () =>
  withSandbox(async sandbox => {
    const modes = ['4755', '4644', '2755', '2644', '1777', '1644']
    const manifest = modes.map((mode, i) => `${JSON.stringify(row(String(i), mode))}\n`).join('')
    writeObjects(sandbox.store, plantedObjects({ manifest, chunks: [EVIL] }))
    const { stdout } = await sandbox.ok('ls', 'data')
    expect(stdout.match(/^-[rwxsStT-]{9}/gm)).toEqual(['-rwsr-xr-x', '-rwSr--r--', '-rwxr-sr-x', '-rw-r-Sr--', '-rwxrwxrwt', '-rw-r--r-T'])
    const { entries } = await sandbox.json<{ entries: { mode: string }[] }>('ls', 'data')
    expect(entries.map(({ mode }) => mode)).toEqual(modes)
  }))

describe('An extraction heeds the umask, and never lets everybody write', () => {
  test.each([
    [0o022, ['755', '644', '755']],
    [0o002, ['775', '664', '755']],
    [0o000, ['775', '664', '755']],
    [0o077, ['700', '600', '700']],
  ])('with a umask of %o', (mask, modes) =>
    withSandbox(async sandbox => {
      python(
        sandbox.path,
        `
import io, tarfile
with tarfile.open('x.tar', 'w') as tar:
    for name, mode, kind in (('d', 0o3777, tarfile.DIRTYPE), ('f', 0o666, tarfile.REGTYPE), ('s', 0o6755, tarfile.REGTYPE)):
        info = tarfile.TarInfo(name)
        info.mode, info.type = mode, kind
        tar.addfile(info, io.BytesIO())
`,
      )
      const before = process.umask(mask)
      try {
        await sandbox.ok('extract', 'x.tar', 'out')
      } finally {
        process.umask(before)
      }
      expect(['d', 'f', 's'].map(name => (lstatSync(sandbox.in('out', name)).mode & 0o7777).toString(8))).toEqual(modes)
    }),
  )
})
