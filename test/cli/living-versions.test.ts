import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PROGRAM } from '../drive/drive-cli.ts'
import { expectError, Sandbox, withSandbox } from '../helpers/cli.ts'
import { plantedObjects, writeObjects } from '../helpers/plant.ts'
import { runInPty } from '../helpers/pty.ts'
import { expectSameTree, makeTree, pictureOf } from '../helpers/trees.ts'

interface LogEntry {
  version: string
  tags: string[]
  metrics: Record<string, number>
  git: { commit: string; branch?: string; dirty?: boolean } | null
}

const METRICS = [
  { val_loss: 0.5, acc: 0.4 },
  { val_loss: 0.31, acc: 0.9 },
  { val_loss: 0.35, acc: 0.8 },
]

// a repository that tests of reading share
let sandbox: Sandbox

beforeAll(async () => {
  sandbox = new Sandbox(mkdtempSync(join(tmpdir(), 'colab-escape-test-')))
  makeTree(sandbox.in('code', 'runs'), {
    'exp1/best.pt': 'weights',
    'exp1/notes.txt': 'notes',
    'exp1/deep/x.json': '{}',
    'exp2/best.pt': 'others',
    link: { link: 'exp1/best.pt' },
  })
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@example.com', ...args], { cwd: sandbox.in('code'), encoding: 'utf8' })
  git('init', '--quiet', '--initial-branch', 'main')
  git('add', '.')
  git('commit', '--quiet', '-m', 'first')
  for (const [i, metrics] of METRICS.entries()) {
    writeFileSync(sandbox.in('code', 'runs', 'version'), `${i}`)
    if (i === 2) writeFileSync(sandbox.in('code', 'runs', 'exp1', 'notes.txt'), 'changed')
    const given = Object.entries(metrics).flatMap(([name, value]) => ['--metric', `${name}=${value}`])
    await sandbox.ok('push', 'code/runs', ...given, '-m', `a rather long message about version ${i} and why it was made at all`)
  }
})

afterAll(() => rmSync(sandbox.path, { recursive: true, force: true }))

const log = async (box = sandbox): Promise<LogEntry[]> => (await box.json<{ versions: LogEntry[] }>('log', 'runs')).versions
const versionOf = async (spec: string): Promise<string> => (await sandbox.ok('cat', `${spec}:version`)).stdout

test('log tells metrics, commit, tags and message, within 80 columns', async () => {
  const versions = await log()
  expect(versions.map(({ metrics }) => metrics)).toEqual([...METRICS].reverse())
  expect(versions.map(({ git }) => git)).toEqual(Array.from({ length: 3 }, () => ({ commit: versions[0]!.git!.commit, branch: 'main' })))
  const env = { COLAB_ESCAPE_CACHE: sandbox.in('cache'), COLAB_ESCAPE_STORE: sandbox.store }
  for (const args of [['log', 'runs'], ['log']]) {
    const { output } = await runInPty(process.execPath, [PROGRAM, ...args], { env, size: { columns: 80, rows: 24 } })
    const lines = output.trimEnd().split('\r\n')
    expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(80)
    expect(lines).toHaveLength(4)
    expect(lines[0]).toMatch(/version +time +size +new +(commit +)?val_loss +acc +tags, message$/)
  }
  const [, newest] = (await sandbox.ok('log', 'runs')).stdout.split('\n')
  expect(newest).toMatch(RegExp(` ${versions[0]!.git!.commit.slice(0, 7)} +0.35 +0.8  a rather long message about version 2`))
})

test('whether files differed from the commit is told of versions that know it', () =>
  withSandbox(async box => {
    const git = { commit: 'c0ffee0'.padEnd(40, '0'), branch: 'main', dirty: true }
    writeObjects(box.store, plantedObjects({ manifest: '', snapshot: { name: 'runs', git } }))
    expect((await log(box))[0]!.git).toEqual(git)
    expect((await box.ok('log', 'runs')).stdout).toContain(' c0ffee0+')
  }))

test('a version is named by what it achieved and by how long ago it was', async () => {
  expect(await versionOf('runs@best:val_loss')).toBe('1')
  expect(await versionOf('runs@best:min:acc')).toBe('0')
  expect(await versionOf('runs@best:max:acc')).toBe('1')
  expect(await versionOf('runs@best:max:val_loss')).toBe('0')
  expect(await versionOf('runs@best:val_loss~1')).toBe('0')
  expect(await versionOf('runs@0h')).toBe('2')
  for (const at of ['1h', '2d', '1w', 'yesterday']) expectError(await sandbox.run(['cat', `runs@${at}:version`]), 5, /No version of runs/)
  const unknown = expectError(await sandbox.run(['pull', 'runs@best:f1', 'out']), 5, /has the metric "f1"/)
  expect(unknown.hint).toContain('acc, val_loss')
})

describe('a part of a version', () => {
  const fresh = (): string => mkdtempSync(join(sandbox.path, 'out-'))

  test('one file comes back as that file, where it is wanted', async () => {
    const out = fresh()
    await sandbox.ok('pull', 'runs:exp1/best.pt', `${out}/`)
    expect(readFileSync(join(out, 'best.pt'), 'utf8')).toBe('weights')
    await sandbox.ok('pull', 'runs@best:val_loss:exp2/best.pt', join(out, 'model.pt'))
    expect(readFileSync(join(out, 'model.pt'), 'utf8')).toBe('others')
    expect([...pictureOf(out).keys()].sort()).toEqual(['best.pt', 'model.pt'])
    await sandbox.run(['pull', 'runs:exp1/notes.txt'], { cwd: out })
    expect(readFileSync(join(out, 'notes.txt'), 'utf8')).toBe('changed')
  })

  test('what is there and known to the repository is replaced, what is not is kept', async () => {
    const out = fresh()
    await sandbox.ok('pull', 'runs~1:exp1/notes.txt', `${out}/`)
    expect(readFileSync(join(out, 'notes.txt'), 'utf8')).toBe('notes')
    await sandbox.ok('pull', 'runs:exp1/notes.txt', `${out}/`)
    writeFileSync(join(out, 'notes.txt'), 'my own')
    expectError(await sandbox.run(['pull', 'runs:exp1/notes.txt', `${out}/`]), 8, /in no version/)
    expect(readFileSync(join(out, 'notes.txt'), 'utf8')).toBe('my own')
  })

  test('a folder becomes the destination, and --delete keeps to it', async () => {
    const out = fresh()
    await sandbox.ok('pull', 'runs:exp1', out)
    expectSameTree(out, sandbox.in('code', 'runs', 'exp1'))
    writeFileSync(join(out, 'best.pt'), 'others')
    makeTree(out, { 'deep/extra': 'extra' })
    expectError(await sandbox.run(['pull', 'runs:exp1/', out, '--delete']), 8, /2 local files hold/)
    await sandbox.ok('pull', 'runs:exp1/', out, '--delete', '--force')
    expectSameTree(out, sandbox.in('code', 'runs', 'exp1'))
    await sandbox.run(['pull', 'runs:exp1/deep'], { cwd: out })
    expect(existsSync(join(out, 'deep', 'x.json'))).toBe(true)
  })

  test('a link as a link, and what matches a pattern in its place', async () => {
    const out = fresh()
    await sandbox.ok('pull', 'runs:link', `${out}/`)
    await sandbox.ok('pull', 'runs:*/best.pt', out)
    expect([...pictureOf(out).keys()].sort()).toEqual(['exp1', 'exp1/best.pt', 'exp2', 'exp2/best.pt', 'link'])
    await sandbox.ok('pull', 'runs:', join(out, 'all'))
    expectSameTree(join(out, 'all'), sandbox.in('code', 'runs'))
  })

  test('that is not there', async () => {
    for (const path of ['nope', 'exp1/nope', 'exp1/*.zip', 'version/x'])
      expectError(await sandbox.run(['pull', `runs:${path}`, 'out']), 5, /is not in runs@/)
    expectError(
      await sandbox.run(['pull', 'runs:exp1/*.pt', 'out', '--only', 'a']),
      2,
      /already has a pattern, so --only can't add another/,
    )
  })
})

test('metrics that are no metrics are refused before anything is done', async () => {
  for (const metric of ['val_loss', 'val_loss=low', 'a b=1', '=1'])
    expectError(await sandbox.run(['push', 'code/runs', '--metric', metric]), 2, /--metric/)
  expectError(await sandbox.run(['push', 'code/runs', '--metric', 'a=1', '--metric', 'a=2']), 2, /given twice/)
  expect(await log()).toHaveLength(3)
})

test('metrics of equal content belong to the newest version, which the receipt says', () =>
  withSandbox(async box => {
    makeTree(box.in('runs'), { a: 'a' })
    await box.ok('push', 'runs', '--metric', 'acc=0.5')
    expect(await box.json('push', 'runs', '--metric', 'acc=0.5')).toMatchObject({ outcome: 'unchanged' })
    expect(await box.json('push', 'runs')).toMatchObject({ outcome: 'unchanged', metrics: { acc: 0.5 } })
    expect(await box.json('push', 'runs', '--metric', 'acc=0.6')).toMatchObject({ outcome: 'unchanged', noted: { metrics: { acc: 0.6 } } })
    expect((await box.ok('push', 'runs', '--metric', 'f1=0.7')).stdout).toMatch(/No new version; this one got: f1=0\.7/)
    expect((await log(box)).map(({ metrics }) => metrics)).toEqual([{ acc: 0.6, f1: 0.7 }])
  }))

test('tags are given, moved and taken', () =>
  withSandbox(async box => {
    makeTree(box.in('runs'), { a: '1' })
    await box.ok('push', 'runs', '--tag', 'first')
    makeTree(box.in('runs'), { a: '2' })
    await box.ok('push', 'runs')
    const tags = async (): Promise<string[][]> => (await log(box)).map(each => each.tags)

    expect((await box.ok('tag', 'runs~1', 'best', 'v1.0')).stdout).toMatch(/has the tags: first, best, v1.0/)
    expect((await box.ok('tag', 'runs', 'best')).stderr).toMatch(/note: 2 versions have the tag best: runs@best means the newest/)
    expect(await tags()).toEqual([['best'], ['first', 'best', 'v1.0']])
    await box.ok('tag', 'runs~1', 'best', '--move')
    expect(await tags()).toEqual([[], ['first', 'best', 'v1.0']])
    expect((await box.ok('cat', 'runs@best:a')).stdout).toBe('1')
    expect(await box.json('untag', 'runs@best', 'first', 'v1.0')).toMatchObject({ tags: ['best'] })
    expectError(await box.run(['untag', 'runs', 'best']), 5, /has no tag "best"/)

    const [newest] = await log(box)
    expectError(await box.run(['tag', 'runs~1', newest!.version.slice(0, 6)]), 2, /is the beginning of the id/)
    for (const tag of [' ', ' x', 'a~b', 'a:b', 'yesterday', '2h', '2026-11-20', 'x'.repeat(1001)]) {
      expectError(await box.run(['tag', 'runs', tag]), 2, /can't be a tag/)
      expectError(await box.run(['push', 'runs', '--tag', tag]), 2, /can't be a tag/)
    }
    expectError(await box.run(['tag', 'nope', 'x']), 5, /There is no "nope"/)
    expect(await tags()).toEqual([[], ['best']])
  }))
