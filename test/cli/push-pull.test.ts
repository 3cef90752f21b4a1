import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, lstatSync, mkdirSync, openSync, readdirSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import { describe, expect, test } from 'vitest'
import { Sandbox, withSandbox } from '../helpers/cli.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { bytesOf, expectSameTree, makeTree, pictureOf, type TreeNode } from '../helpers/trees.ts'

const KiB = 1024
const MiB = 1024 * KiB

async function roundTrip(sandbox: Sandbox, tree: Record<string, TreeNode>, ...options: string[]): Promise<void> {
  makeTree(sandbox.in('data'), tree)
  const before = pictureOf(sandbox.in('data'))
  await sandbox.ok('push', 'data')
  await sandbox.ok('pull', 'data', 'out', ...options)
  expectSameTree(sandbox.in('out'), before)
  expectSameTree(sandbox.in('data'), before)
}

const storedBytes = (sandbox: Sandbox): number =>
  readdirSync(sandbox.store).reduce((sum, name) => sum + statSync(`${sandbox.store}/${name}`).size, 0)

describe('what is pushed comes back exactly', () => {
  test('files of all sizes around the limits of chunks, blocks and packs', () =>
    withSandbox(async sandbox => {
      const sizes = [0, 1, 16 * KiB, 64 * KiB - 1, 64 * KiB, 64 * KiB + 1, 256 * KiB, 4 * MiB - 1, 4 * MiB, 4 * MiB + 1]
      const tree: Record<string, TreeNode> = { 'big.bin': seededNoise(7, 20 * MiB), 'big.txt': seededText(8, 5 * MiB) }
      for (const size of sizes) {
        tree[`noise/${size}.bin`] = seededNoise(size, size)
        tree[`text/${size}.csv`] = seededText(size, size)
        tree[`zeros/${size}`] = Buffer.alloc(size)
      }
      await roundTrip(sandbox, tree)
    }))

  test('empty folders, an empty source, and folders in folders', () =>
    withSandbox(async sandbox => {
      await roundTrip(sandbox, { 'a/b/c/d': { folder: true, mode: 0o711 }, 'a/b/e': { folder: true }, z: { folder: true } })
      await sandbox.folder('empty')
      await sandbox.ok('push', 'empty')
      await sandbox.ok('pull', 'empty', 'empty-out')
      expect(readdirSync(sandbox.in('empty-out'))).toEqual([])
    }))

  test('symlinks: dangling, to folders, absolute, upwards, in a circle, with their own times', () =>
    withSandbox(sandbox =>
      roundTrip(sandbox, {
        'folder/file': 'x',
        dangling: { link: 'nowhere/at all' },
        'to-folder': { link: 'folder', mtime: '1500000000.123456' },
        'folder/absolute': { link: '/etc/hostname' },
        'folder/up': { link: '../../..' },
        'folder/circle': { link: '../folder' },
        self: { link: 'self' },
        'emoji-🐈': { link: 'größe 🐈' },
      }),
    ))

  test('modes of files and folders', () =>
    withSandbox(async sandbox => {
      const tree: Record<string, TreeNode> = {}
      for (const mode of [0, 0o400, 0o600, 0o644, 0o755, 0o777, 0o2755, 0o4755, 0o1777]) {
        tree[`file-${mode.toString(8)}`] = { file: `mode ${mode}`, mode }
        tree[`folder-${mode.toString(8)}`] = { folder: true, mode }
        tree[`folder-${mode.toString(8)}/inside`] = 'inside'
      }
      await roundTrip(sandbox, tree, '--special-modes')
    }))

  test('times to the microsecond, before 1970 and far ahead, of files, folders and symlinks', () =>
    withSandbox(async sandbox => {
      const times = [
        '0',
        '0.000001',
        '0.999999999',
        '-0.000001',
        '-1',
        '-1.5',
        '-12345678.654321',
        '-2000000000.000001',
        '1700000000.123456789',
      ]
      const tree: Record<string, TreeNode> = { later: { file: 'x', mtime: '4102444800.000007' } }
      for (const [i, mtime] of times.entries()) {
        tree[`file${i}`] = { file: `file ${i}`, mtime }
        tree[`folder${i}`] = { folder: true, mtime }
        tree[`folder${i}/inside`] = { file: 'inside', mtime }
        tree[`link${i}`] = { link: 'file0', mtime }
      }
      await roundTrip(sandbox, tree)
    }))

  test('names of any bytes', () =>
    withSandbox(async sandbox => {
      const names = [
        ' leading and trailing ',
        'new\nline',
        'tab\tbell\x07',
        '-rf',
        '--help',
        '..foo',
        '...',
        'back\\slash',
        'quote"\'`$(x)',
        '*?[a]',
        'a:b@c~1',
        '%41',
        'x'.repeat(255),
        bytesOf('emoji 🐈‍⬛'),
        bytesOf('ü'.normalize('NFC')),
        bytesOf('ü'.normalize('NFD')),
        bytesOf('日本語'.repeat(28)),
        'latin1-\xe9',
        '\xff\xfe',
        '\xed\xa0\x80',
        '\xc3',
        `${bytesOf('ä')}\x80`,
      ]
      const tree: Record<string, TreeNode> = {}
      for (const name of names) {
        tree[`files/${name}`] = `content of ${name}`
        tree[`folders/${name}/inside/${name}`] = 'inside'
        tree[`links/${name}`] = { link: '../files/-rf' }
      }
      tree['deep'] = { folder: true }
      tree[Array.from({ length: 60 }, (_, i) => `level${i}`).join('/')] = 'deep'
      await roundTrip(sandbox, tree)
    }))

  test('a sparse file is restored sparse', () =>
    withSandbox(async sandbox => {
      mkdirSync(sandbox.in('data'))
      const file = openSync(sandbox.in('data', 'sparse'), 'w')
      ftruncateSync(file, 64 * MiB)
      writeSync(file, 'island', 30 * MiB)
      closeSync(file)
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
      expect(statSync(sandbox.in('out', 'sparse')).blocks * 512).toBeLessThan(MiB)
      expect(storedBytes(sandbox)).toBeLessThan(100 * KiB)
    }))
})

describe('push', () => {
  test('stores equal content once, also across names and versions', () =>
    withSandbox(async sandbox => {
      const content = seededNoise(1, 3 * MiB)
      makeTree(sandbox.in('a'), { 'one.bin': content, 'copies/two.bin': content, 'copies/three': content })
      makeTree(sandbox.in('b'), { 'four.dat': content })
      await sandbox.ok('push', 'a')
      expect(storedBytes(sandbox)).toBeLessThan(3.05 * MiB)
      await sandbox.ok('push', 'b')
      makeTree(sandbox.in('a'), { 'five.bin': Buffer.concat([Buffer.from('a few bytes before'), content]) })
      const { newBytes, storedBytes: added } = await sandbox.json<{ newBytes: number; storedBytes: number }>('push', 'a')
      expect(newBytes).toBeLessThan(0.6 * MiB)
      expect(added).toBeLessThan(0.6 * MiB)
      expect(storedBytes(sandbox)).toBeLessThan(3.6 * MiB)
    }))

  test('of a single file comes back as that file', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.path, { 'model.bin': { file: seededNoise(3, 300_000), mode: 0o640, mtime: '1600000000.5' } })
      const expected = pictureOf(sandbox.path).get('model.bin')
      await sandbox.ok('push', 'model.bin')
      await sandbox.folder('here')
      await sandbox.ok('pull', 'model.bin', 'here')
      await sandbox.ok('pull', 'model.bin', 'renamed')
      await sandbox.ok('pull', 'model.bin', 'new-folder/')
      const picture = pictureOf(sandbox.path)
      for (const path of ['here/model.bin', 'renamed', 'new-folder/model.bin']) expect(picture.get(path)).toBe(expected)
      const run = await sandbox.run(['pull', 'model.bin'], { cwd: await sandbox.folder('cwd') })
      expect(run.code).toBe(0)
      expect(pictureOf(sandbox.in('cwd')).get('model.bin')).toBe(expected)
    }))

  test('skips sockets, pipes and devices with a note, and goes on', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { file: 'x' })
      execFileSync('mkfifo', [sandbox.in('data', 'pipe')])
      execFileSync('mknod', [sandbox.in('data', 'device'), 'c', '1', '3'])
      const server = createServer().listen(sandbox.in('data', 'socket'))
      await new Promise(resolve => server.once('listening', resolve))
      const run = await sandbox.ok('push', 'data')
      server.close()
      for (const name of ['pipe', 'device', 'socket']) expect(run.stderr).toMatch(new RegExp(`^note: skipped .*/data/${name}: `, 'm'))
      await sandbox.ok('pull', 'data', 'out')
      expect(readdirSync(sandbox.in('out'))).toEqual(['file'])
    }))

  test('of a source that holds the store leaves the store out, and says so', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { file: 'x', 'sub/other': 'y', 'sub/repo': { folder: true } })
      const inside = new Sandbox(sandbox.path, sandbox.in('data', 'sub', 'repo'))
      await inside.ok('push', 'data')
      const again = await inside.ok('push', 'data')
      expect(again.stderr).toMatch(/^note: skipped .*\/data\/sub\/repo: it is the store itself/m)
      expect(again.stdout).toMatch(/^Nothing changed/)
      await inside.ok('pull', 'data', 'out')
      expect(readdirSync(sandbox.in('out'), { recursive: true }).sort()).toEqual(['file', 'sub', 'sub/other'])
    }))

  test('of several paths says only after the last one that all is stored', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('a'), { x: '1' })
      makeTree(sandbox.in('b'), { x: '2' })
      makeTree(sandbox.in('c'), { x: '3' })
      const { stdout } = await sandbox.ok('push', 'a', 'b', 'c')
      expect(stdout.match(/Not done yet: .*|Synced to the disk/g)).toEqual([
        'Not done yet: b, c are next.',
        'Not done yet: c is next.',
        'Synced to the disk',
      ])
      expect(stdout.indexOf('Synced')).toBeGreaterThan(stdout.indexOf('Pushed c@'))
    }))

  test('of an empty folder says that the version is empty', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('a'), { x: { folder: true } })
      expect((await sandbox.ok('push', 'a')).stderr).not.toContain('empty')
      rmSync(sandbox.in('a/x'), { recursive: true })
      expect((await sandbox.ok('push', 'a')).stderr).toContain('warning: a is empty, so this version of a has no files')
    }))

  test('of several paths makes a version of each', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.path, { 'one/a': '1', 'two/b': '2', three: '3' })
      const run = await sandbox.ok('push', 'one', 'two/', './three')
      expect(run.stdout.match(/^Pushed /gm)).toHaveLength(3)
      for (const name of ['one', 'two']) {
        await sandbox.ok('pull', name, `out-${name}`)
        expectSameTree(sandbox.in(`out-${name}`), sandbox.in(name))
      }
      await sandbox.folder('out-three')
      await sandbox.ok('pull', 'three', 'out-three')
      expect(readdirSync(sandbox.in('out-three'))).toEqual(['three'])
    }))

  test('follows a symlink that is itself the source, and takes its name', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.path, { 'real/a': '1', alias: { link: 'real' } })
      await sandbox.ok('push', 'alias')
      await sandbox.ok('pull', 'alias', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('real'))
    }))

  test('never leaves its own temporary files in a version', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { file: 'x', [`sub/.colab-escape-${'0'.repeat(24)}.part`]: 'left by a killed pull' })
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      expect(readdirSync(sandbox.in('out'), { recursive: true }).sort()).toEqual(['file', 'sub'])
    }))
})

test('a large file with holes at both ends keeps its length', () =>
  withSandbox(async sandbox => {
    mkdirSync(sandbox.in('data'))
    writeFileSync(sandbox.in('data', 'holes'), seededNoise(5, 100_000))
    spawnSync('truncate', ['-s', '9999999', sandbox.in('data', 'holes')])
    await sandbox.ok('push', 'data')
    await sandbox.ok('pull', 'data', 'out')
    expectSameTree(sandbox.in('out'), sandbox.in('data'))
    expect(lstatSync(sandbox.in('out', 'holes')).blocks * 512).toBeLessThan(2 * MiB)
  }))
