import { execFileSync } from 'node:child_process'
import {
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { eventsOf, expectError, withSandbox, type CliResult, type Sandbox } from '../helpers/cli.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree, pictureOf } from '../helpers/trees.ts'

interface PullEvent {
  written: number
  writtenBytes: number
  resumedBytes: number
  unchanged: number
  deleted: number
  toWrite: number
  toDelete: number
}

const pulled = (sandbox: Sandbox, ...args: string[]): Promise<PullEvent> => sandbox.json<PullEvent>('pull', ...args)

/** Everything below a folder, sorted. */
const paths = (folder: string): string[] => (existsSync(folder) ? (readdirSync(folder, { recursive: true }) as string[]).sort() : [])

/** Two versions of `data`: the first is `data~1`, the second what lies there now. */
async function twoVersions(sandbox: Sandbox): Promise<void> {
  makeTree(sandbox.in('data'), {
    'a.txt': 'one',
    'b.txt': 'same',
    'old/gone.txt': 'gone',
    swap: 'a file',
    'dir/x': 'x',
    link: { link: 'a.txt' },
  })
  await sandbox.ok('push', 'data')
  rmSync(sandbox.in('data', 'old'), { recursive: true })
  rmSync(sandbox.in('data', 'swap'))
  rmSync(sandbox.in('data', 'dir'), { recursive: true })
  rmSync(sandbox.in('data', 'link'))
  makeTree(sandbox.in('data'), { 'a.txt': 'two', 'new.txt': 'new', 'swap/inside': 'in', dir: 'now a file', link: { link: 'b.txt' } })
  await sandbox.ok('push', 'data')
}

/** Expects exit 8 with exactly these files, and that nothing was touched. */
async function expectRefusal(sandbox: Sandbox, out: string, files: string[], ...args: string[]): Promise<CliResult> {
  const before = pictureOf(sandbox.in(out))
  const run = await sandbox.run(['pull', ...args])
  const { list, hint } = expectError(run, 8, /content that is in no version of the repository/)
  expect(list.sort()).toEqual(files.map(file => sandbox.in(out, file)).sort())
  expect(hint).toMatch(/--force/)
  expectSameTree(sandbox.in(out), before)
  return run
}

describe('what pull may overwrite', () => {
  test('content of any version of that path, in both directions', () =>
    withSandbox(async sandbox => {
      await twoVersions(sandbox)
      const second = pictureOf(sandbox.in('data'))
      await sandbox.ok('pull', 'data~1', 'out')
      const first = pictureOf(sandbox.in('out'))
      expect(await pulled(sandbox, 'data', 'out', '--delete')).toMatchObject({ deleted: 3 })
      expectSameTree(sandbox.in('out'), second)
      await sandbox.ok('pull', 'data~1', 'out', '--delete')
      expectSameTree(sandbox.in('out'), first)
    }))

  test('not content that no version holds, nor content of another path', () =>
    withSandbox(async sandbox => {
      await twoVersions(sandbox)
      await sandbox.ok('pull', 'data', 'out')
      writeFileSync(sandbox.in('out', 'a.txt'), 'hours of work')
      writeFileSync(sandbox.in('out', 'b.txt'), 'two') // known, but as another path
      await expectRefusal(sandbox, 'out', ['a.txt', 'b.txt'], 'data', 'out')
      const json = await sandbox.run(['--json', 'pull', 'data', 'out'])
      expect(json.code).toBe(8)
      expect(eventsOf(json).at(-1)).toMatchObject({
        event: 'error',
        code: 'would-overwrite',
        list: [sandbox.in('out', 'a.txt'), sandbox.in('out', 'b.txt')],
      })
      expect(await pulled(sandbox, 'data', 'out', '--force')).toMatchObject({ written: 2 })
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('not a symlink that no version holds, and never what it leads to', () =>
    withSandbox(async sandbox => {
      await twoVersions(sandbox)
      makeTree(sandbox.path, { 'precious/x': 'precious', 'victim.txt': 'victim' })
      await sandbox.ok('pull', 'data~1', 'out')
      rmSync(sandbox.in('out', 'dir'), { recursive: true })
      rmSync(sandbox.in('out', 'a.txt'))
      symlinkSync(sandbox.in('precious'), sandbox.in('out', 'dir'))
      symlinkSync(sandbox.in('victim.txt'), sandbox.in('out', 'a.txt'))
      await expectRefusal(sandbox, 'out', ['dir', 'a.txt'], 'data~1', 'out')
      await sandbox.ok('pull', 'data~1', 'out', '--force')
      expect(lstatSync(sandbox.in('out', 'dir')).isDirectory()).toBe(true)
      expect(lstatSync(sandbox.in('out', 'a.txt')).isFile()).toBe(true)
      expect(readFileSync(sandbox.in('precious', 'x'), 'utf8')).toBe('precious')
      expect(readFileSync(sandbox.in('victim.txt'), 'utf8')).toBe('victim')
    }))

  test('not a folder with unknown content that stands where a file belongs, nor a pipe', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { thing: 'a file', pipe: 'a file too' })
      await sandbox.ok('push', 'data')
      makeTree(sandbox.in('out'), { 'thing/deep/precious': 'p', 'thing/empty': { folder: true } })
      execFileSync('mkfifo', [sandbox.in('out', 'pipe')])
      await expectRefusal(sandbox, 'out', ['thing/deep/precious', 'pipe'], 'data', 'out')
      await sandbox.ok('pull', 'data', 'out', '--force')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('never a pipe or a device that the command names, also with --force', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { file: 'a file' })
      await sandbox.ok('push', 'data')
      execFileSync('mkfifo', [sandbox.in('pipe')])
      symlinkSync('pipe', sandbox.in('link'))
      for (const name of ['pipe', 'link'])
        expectError(await sandbox.run(['pull', 'data:file', name, '--force']), 1, /is a pipe, a socket or a device, not a file/)
      expect(lstatSync(sandbox.in('pipe')).isFIFO()).toBe(true)
      expect(lstatSync(sandbox.in('link')).isSymbolicLink()).toBe(true)
    }))

  test('what an ignore file in such a folder leaves out is precious too', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { thing: 'a file' })
      await sandbox.ok('push', 'data')
      makeTree(sandbox.in('out'), { 'thing/.colab-escape-ignore': 'secret\n', 'thing/secret': 'p' })
      await expectRefusal(sandbox, 'out', ['thing/.colab-escape-ignore', 'thing/secret'], 'data', 'out')
      await sandbox.ok('pull', 'data', 'out', '--force')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('parts of an interrupted pull in such a folder go without asking', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { thing: 'a file' })
      await sandbox.ok('push', 'data')
      makeTree(sandbox.in('out'), { [`thing/.colab-escape-${'0'.repeat(24)}.part`]: 'left by a killed pull' })
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('such a folder may have any name', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'odd\xff': 'a file' })
      await sandbox.ok('push', 'data')
      makeTree(sandbox.in('out'), { 'odd\xff/inside\xfe': 'p' })
      expectError(await sandbox.run(['pull', 'data', 'out']), 8, /1 local file/)
      await sandbox.ok('pull', 'data', 'out', '--force')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('empty folders and folders of known content give way without --force', () =>
    withSandbox(async sandbox => {
      await twoVersions(sandbox)
      await sandbox.ok('pull', 'data~1', 'out')
      mkdirSync(sandbox.in('out', 'new.txt', 'empty', 'folders'), { recursive: true })
      await sandbox.ok('pull', 'data', 'out')
      expect(lstatSync(sandbox.in('out', 'swap')).isDirectory()).toBe(true)
      expect(readFileSync(sandbox.in('out', 'dir'), 'utf8')).toBe('now a file')
      expect(readFileSync(sandbox.in('out', 'new.txt'), 'utf8')).toBe('new')
    }))
})

describe('--delete', () => {
  test('deletes what the version lacks and some version knew, keeps all else', () =>
    withSandbox(async sandbox => {
      await twoVersions(sandbox)
      await sandbox.ok('pull', 'data~1', 'out')
      writeFileSync(sandbox.in('out', 'old', 'mine.txt'), 'mine')
      await expectRefusal(sandbox, 'out', ['old/mine.txt'], 'data', 'out', '--delete')
      await sandbox.ok('pull', 'data', 'out', '--delete', '--exclude', 'mine.txt')
      expect(paths(sandbox.in('out'))).toEqual(['a.txt', 'b.txt', 'dir', 'link', 'new.txt', 'old', 'old/mine.txt', 'swap', 'swap/inside'])
      await sandbox.ok('pull', 'data', 'out', '--delete', '--force')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('without it nothing extra is touched', () =>
    withSandbox(async sandbox => {
      await twoVersions(sandbox)
      makeTree(sandbox.in('out'), { 'extra/mine': 'mine', 'swap/other': 'other' })
      expect(await pulled(sandbox, 'data', 'out')).toMatchObject({ deleted: 0 })
      expect(readFileSync(sandbox.in('out', 'extra', 'mine'), 'utf8')).toBe('mine')
      expect(readFileSync(sandbox.in('out', 'swap', 'other'), 'utf8')).toBe('other')
    }))
})

describe('what pull restores', () => {
  test('a second pull writes nothing, and mends modes and times alone', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: { file: 'x', mode: 0o640 }, 'b/c': seededNoise(1, 2_000_000), l: { link: 'a' } })
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      const inode = lstatSync(sandbox.in('out', 'b', 'c')).ino
      expect(await pulled(sandbox, 'data', 'out')).toMatchObject({ written: 0, writtenBytes: 0, unchanged: 3 })
      execFileSync('chmod', ['777', sandbox.in('out', 'a')])
      utimesSync(sandbox.in('out', 'b', 'c'), 5, 5)
      lutimesSync(sandbox.in('out', 'l'), 6, 6)
      expect(await pulled(sandbox, 'data', 'out')).toMatchObject({ written: 0, writtenBytes: 0 })
      expect(lstatSync(sandbox.in('out', 'b', 'c')).ino).toBe(inode)
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('a pattern that matches nothing is an error, and nothing is made', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.csv': 'a', 'old.txt': 'b' })
      await sandbox.ok('push', 'data')
      expectError(await sandbox.run(['pull', 'data', 'out', '--only', '*.cvs']), 5, /Nothing in data@[0-9a-f]{8} matches "\*\.cvs"/)
      expectError(await sandbox.run(['pull', 'data', 'out', '--only', '*.csv', '--exclude', 'a*']), 5, /Nothing in /)
      expect(existsSync(sandbox.in('out'))).toBe(false)
      const run = await sandbox.ok('pull', 'data', 'out', '--only', '*.csv', '--only', '*.tyt', '--only', 'old*')
      expect(run.stderr).toMatch(/^warning: nothing in data@[0-9a-f]{8} matches --only "\*\.tyt"\n$/)
      rmSync(sandbox.in('data/old.txt'))
      await sandbox.ok('push', 'data')
      // what was deleted from the version is deleted
      await sandbox.ok('pull', 'data', 'out', '--only', '*.txt', '--delete')
      expect(existsSync(sandbox.in('out/old.txt'))).toBe(false)
    }))

  test('--only and --exclude choose, with the folders above', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), {
        'train/a.csv': '1',
        'train/b.bin': '2',
        'test/a.csv': '3',
        'models/best/w.bin': '4',
        'models/last/w.bin': '5',
        readme: '6',
      })
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'csv', '--only', '*.csv')
      expect(paths(sandbox.in('csv'))).toEqual(['test', 'test/a.csv', 'train', 'train/a.csv'])
      await sandbox.ok('pull', 'data', 'best', '--only', 'models/best', '--only', '/readme')
      expect(paths(sandbox.in('best'))).toEqual(['models', 'models/best', 'models/best/w.bin', 'readme'])
      await sandbox.ok('pull', 'data', 'rest', '--exclude', '*.bin', '--exclude', 'test/')
      expect(paths(sandbox.in('rest'))).toEqual(['models', 'models/best', 'models/last', 'readme', 'train', 'train/a.csv'])
      await sandbox.ok('pull', 'data', 'rest')
      expectSameTree(sandbox.in('rest'), sandbox.in('data'))
    }))

  test('--dry-run tells what it would do and does nothing', () =>
    withSandbox(async sandbox => {
      await twoVersions(sandbox)
      await sandbox.ok('pull', 'data~1', 'out')
      const before = pictureOf(sandbox.in('out'))
      const run = await sandbox.ok('pull', 'data', 'out', '--dry-run', '--delete')
      expect(run.stdout).toMatch(/would write 4 files and 1 symlink /)
      expect(run.stdout).toMatch(/^ {2}write a\.txt$/m)
      expect(run.stdout).toMatch(/^ {2}delete old\/gone\.txt$/m)
      expect(await pulled(sandbox, 'data', 'nowhere', '--dry-run')).toMatchObject({ toWrite: 6, written: 0 })
      expectSameTree(sandbox.in('out'), before)
      expect(existsSync(sandbox.in('nowhere'))).toBe(false)
    }))

  test('into a read-only folder of an earlier pull', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'locked/a': '1', locked: { folder: true, mode: 0o555 } })
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      rmSync(sandbox.in('out', 'locked', 'a'))
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('goes on from what an interrupted pull had written', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'sub/big.bin': seededNoise(1, 48_000_000), small: 'x' })
      await sandbox.ok('push', 'data')
      const isPart = (): boolean =>
        paths(sandbox.in('out')).some(path => /\.part$/.test(path) && lstatSync(sandbox.in('out', path)).blocks * 512 > 9_000_000)
      const killed = await sandbox.run(['pull', 'data', 'out'], { kill: { signal: 'SIGKILL', when: isPart } })
      expect(killed.signal).toBe('SIGKILL')
      expect(paths(sandbox.in('out'))).toContainEqual(expect.stringMatching(/^sub\/\.colab-escape-[0-9a-f]{24}\.part$/))
      const again = await pulled(sandbox, 'data', 'out')
      expect(again.resumedBytes).toBeGreaterThan(7_000_000)
      expect(again.resumedBytes).toBeLessThan(48_000_000)
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('does not trust a part file: wrong bytes in it are fetched again', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'big.bin': seededNoise(1, 12_000_000) })
      await sandbox.ok('push', 'data')
      const isPart = (): boolean => paths(sandbox.in('out')).some(path => /\.part$/.test(path))
      const killed = await sandbox.run(['pull', 'data', 'out'], { kill: { signal: 'SIGKILL', when: isPart } })
      expect(killed.signal).toBe('SIGKILL')
      const part = join(sandbox.in('out'), paths(sandbox.in('out'))[0]!)
      const bytes = seededNoise(1, 12_000_000)
      bytes[6_000_000]! ^= 1
      writeFileSync(part, bytes)
      const { resumedBytes } = await pulled(sandbox, 'data', 'out')
      expect(resumedBytes).toBeGreaterThan(11_000_000)
      expect(resumedBytes).toBeLessThan(12_000_000)
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))
})
