import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runCli, withSandbox, type CliResult, type Sandbox } from '../helpers/cli.ts'
import { linesOf } from '../helpers/json-output.ts'
import { makeTree } from '../helpers/trees.ts'

const BY_FILE = { reason: 'ignore-file', ignoreFile: 'ck/.colab-escape-ignore' }
const HIDDEN = { ...BY_FILE, files: 2, folders: 0, bytes: 1002, isAll: true }
const LINE = '  Left out: 2 files, 1.00 kB, by ck/.colab-escape-ignore\n'

/** A folder `data` with a data set that brings an ignore file, which hides a model. */
function makeData(sandbox: Sandbox): void {
  makeTree(sandbox.in('data'), { 'train.py': 'print(1)', 'ck/.colab-escape-ignore': '*\n', 'ck/model.pt': 'm'.repeat(1000) })
}

const leftOut = (run: CliResult): unknown => linesOf(run.stdout).at(-1)!.leftOut

describe('No receipt claims more than was saved: what is left out is told, with its files, its bytes and the rule', () => {
  test('an ignore file that came with a data set: push, dry run, unchanged push, status and diff', () =>
    withSandbox(async sandbox => {
      makeData(sandbox)
      expect((await sandbox.ok('push', 'data', '--dry-run')).stdout).toContain(LINE)
      const pushed = await sandbox.ok('push', 'data')
      expect(pushed.stdout).toContain(LINE)
      expect(pushed.stdout).not.toContain('everything')
      const again = await sandbox.ok('push', 'data')
      expect(again.stdout).toContain(LINE)
      expect(again.stdout).toContain('Nothing changed: data, without what is left out, is identical to')
      const status = await sandbox.ok('status', 'data')
      expect(status.stdout).toContain(LINE)
      expect(status.stdout).toContain(', without what is left out, is identical to the newest version.')
      const diff = await sandbox.ok('diff', 'data', './data')
      expect(diff.stdout).toMatch(/data, without what is left out, are equal\.\nLeft out of .*data: 2 files, 1\.00 kB, by ck/)
    }))

  test('the same with --json', () =>
    withSandbox(async sandbox => {
      makeData(sandbox)
      for (const args of [
        ['push', 'data', '--dry-run'],
        ['push', 'data'],
        ['push', 'data'],
        ['status', 'data'],
      ])
        expect(leftOut(await sandbox.ok('--json', ...args)), args.join(' ')).toEqual([HIDDEN])
      expect(leftOut(await sandbox.ok('--json', 'diff', 'data', './data'))).toEqual({ before: [], after: [HIDDEN] })
    }))

  test('an archive, and the estimate of one', () =>
    withSandbox(async sandbox => {
      makeData(sandbox)
      for (const args of [['--estimate'], ['-o', 'a.tar.zst'], ['-o', 'a.zip']])
        expect((await runCli(['compress', 'data', ...args], { cwd: sandbox.path })).stdout, args.join()).toContain(LINE)
      const piped = await runCli(['compress', 'data', '-o', '-'], { cwd: sandbox.path })
      expect(piped.stderr).toContain('Left out: 2 files')
      for (const args of [['--estimate'], ['-o', 'b.zip']])
        expect(leftOut(await runCli(['--json', 'compress', 'data', ...args], { cwd: sandbox.path }))).toEqual([HIDDEN])
    }))

  test('a watch: with the first version, and at its end', () =>
    withSandbox(async sandbox => {
      makeData(sandbox)
      const args = ['watch', 'data', '--every', '1s', '--settle', '0s']
      const kill = { signal: 'SIGINT' as const, when: (stdout: string) => /saved/.test(stdout) }
      const run = await sandbox.run(args, { kill })
      expect(run.stdout).toMatch(/saved data@.*\n +left out: 2 files, 1\.00 kB, by ck\/\.colab-escape-ignore\n/)
      expect(run.stdout).toContain(LINE)
      const json = linesOf((await sandbox.run(['--json', ...args], { kill: { ...kill, when: out => /unchanged/.test(out) } })).stdout)
      expect(json.filter(({ leftOut }) => leftOut !== undefined).map(({ event, leftOut }) => [event, leftOut])).toEqual([
        ['unchanged', [HIDDEN]],
        ['result', [HIDDEN]],
      ])
    }))

  test('whole folders, by their content: --exclude, several ignore files, a pipe, files of an unfinished pull', () =>
    withSandbox(async sandbox => {
      const part = `.colab-escape-${'0'.repeat(24)}.part`
      makeTree(sandbox.in('data'), {
        'node_modules/a/b/one.js': 'x'.repeat(2000),
        'node_modules/two.js': 'x'.repeat(500),
        'node_modules/link': { link: '/' },
        '.colab-escape-ignore': 'old\nempty\n',
        'old/deep/er': 'y'.repeat(30),
        'empty/of/files': { folder: true },
        'sub/.colab-escape-ignore': '*.tmp\n!keep.tmp\n',
        'sub/a.tmp': 'z'.repeat(7),
        'sub/keep.tmp': 'kept',
        [`sub/${part}`]: 'p'.repeat(9),
      })
      execFileSync('mkfifo', [join(sandbox.in('data'), 'pipe')])
      const run = await sandbox.run(['--json', 'push', 'data', '--exclude', 'node_modules'])
      expect(run.code, run.stderr).toBe(0)
      const parts = leftOut(run) as Record<string, unknown>[]
      expect(
        new Map(
          parts.map(({ reason, ignoreFile, files, folders, bytes, isAll }) => [ignoreFile ?? reason, [files, folders, bytes, isAll]]),
        ),
      ).toEqual(
        new Map<unknown, unknown>([
          ['exclude', [3, 3, 2500, true]],
          ['.colab-escape-ignore', [1, 5, 30, true]],
          ['sub/.colab-escape-ignore', [1, 0, 7, true]],
          ['unfinished-pull', [1, 0, 9, true]],
          ['special', [1, 0, 0, true]],
        ]),
      )
      expect((await sandbox.run(['status', 'data', '--exclude', 'node_modules'])).stdout).toContain(
        [
          '  Left out: 3 files, 2.50 kB, by --exclude; 1 file, 30 B, by',
          '    .colab-escape-ignore; 1 file, 9 B, of an interrupted pull; 1 file, 7 B, by',
          '    sub/.colab-escape-ignore; 1 special file (pipes, sockets, devices)',
        ].join('\n'),
      )
    }))

  test('the store and the cache inside the folder', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.txt': 'a' })
      const inside = { env: { COLAB_ESCAPE_CACHE: sandbox.in('data/cache') } }
      const run = await runCli(['--json', 'push', 'data', '--store', 'data/store'], { cwd: sandbox.path, ...inside })
      const again = await runCli(['--json', 'push', 'data', '--store', 'data/store'], { cwd: sandbox.path, ...inside })
      expect([run.code, again.code]).toEqual([0, 0])
      expect(leftOut(again)).toMatchObject([{ reason: 'own', isAll: true }])
      expect((leftOut(again) as { bytes: number }[])[0]!.bytes).toBeGreaterThan(1000)
    }))

  test('hundreds of ignore files: the largest are named, and the rest is summed up', () =>
    withSandbox(async sandbox => {
      const tree: Record<string, string> = {}
      for (let i = 0; i < 300; i++) Object.assign(tree, { [`d${i}/.colab-escape-ignore`]: 'x\n', [`d${i}/x`]: 'x'.repeat(i) })
      makeTree(sandbox.in('data'), tree)
      const { stdout } = await sandbox.ok('push', 'data')
      expect(stdout).toContain('Left out: 1 file, 299 B, by d299/.colab-escape-ignore;')
      expect(stdout.replace(/\s+/g, ' ')).toContain('; 295 files, 43.4 kB, by 295 other rules')
      expect(stdout.split('\n').length).toBeLessThan(15)
    }))

  test('nothing is left out: nothing is said', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.txt': 'a' })
      expect((await sandbox.ok('push', 'data')).stdout).not.toMatch(/left out/i)
      expect(leftOut(await sandbox.ok('--json', 'push', 'data'))).toEqual([])
    }))
})
