import { readdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { textWidth } from '../../src/ui/width.ts'
import { expectError, resultOf, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { runInPty } from '../helpers/pty.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { bf16, fp32, network, pt, safetensors, tuned } from '../helpers/tensors.ts'
import { makeTree } from '../helpers/trees.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))

interface Difference {
  kind: string
  path: string
  before?: { type: string; size?: number }
  after?: { type: string; size?: number }
}

interface Diff {
  before: string
  after: string
  differences: Difference[]
}

interface Status {
  name: string
  version: string | null
  asked: boolean
  bytesOfChangedFiles: number
  differences: Difference[]
}

interface Usage {
  distinctBytes: number
  plainBytes: number
  storedBytes: number
  ownBytes: number
}

interface Du {
  objectBytes: number
  unreachedBytes: number
  names: (Usage & { name: string; versions: (Usage & { version: string })[] })[]
  quota: { used: number; limit: number }
}

const kinds = ({ differences }: { differences: Difference[] }): Record<string, string> =>
  Object.fromEntries(differences.map(({ kind, path }) => [path, kind]))

/** Two versions of `data`, which differ in every way that versions can differ. */
async function pushTwice(sandbox: Sandbox): Promise<void> {
  const old = { mtime: '1700000000' }
  makeTree(sandbox.in('data'), {
    'same.csv': { file: seededText(1, 50_000), ...old },
    'changed.csv': { file: seededText(2, 50_000), ...old },
    'removed.csv': { file: 'gone', ...old },
    'touched.txt': { file: 'as before', mode: 0o644, ...old },
    becomes: { folder: true, ...old },
  })
  await sandbox.ok('push', 'data')
  rmSync(sandbox.in('data/removed.csv'))
  rmSync(sandbox.in('data/becomes'), { recursive: true })
  makeTree(sandbox.in('data'), {
    'changed.csv': { file: seededText(3, 60_000), ...old },
    'touched.txt': { file: 'as before', mode: 0o600, ...old },
    'sub/added.csv': { file: seededText(4, 1_000), ...old },
    becomes: { link: 'same.csv', mtime: '1700000000' },
  })
  utimesSync(sandbox.in('data/sub'), 1_700_000_000, 1_700_000_000)
  await sandbox.ok('push', 'data')
}

const CHANGES = {
  becomes: 'changed',
  'changed.csv': 'changed',
  'removed.csv': 'removed',
  sub: 'added',
  'sub/added.csv': 'added',
  'touched.txt': 'touched',
}

/** What a terminal of 80 x 24 shows, line by line. */
async function shown(sandbox: Sandbox, ...args: string[]): Promise<string[]> {
  const { output, exitCode } = await runInPty(process.execPath, [PROGRAM, ...args, '--store', sandbox.store], {
    size: { columns: 80, rows: 24 },
    env: { COLAB_ESCAPE_CACHE: sandbox.in('cache'), COLAB_ESCAPE_STORE: undefined, NO_COLOR: '1' },
  })
  expect(exitCode, output).toBe(0)
  // eslint-disable-next-line no-control-regex
  return output.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').split(/[\r\n]+/)
}

describe('diff', () => {
  test('between two versions, both ways round', () =>
    withSandbox(async sandbox => {
      await pushTwice(sandbox)
      const diff = await sandbox.json<Diff>('diff', 'data~1', 'data')
      expect(kinds(diff)).toEqual(CHANGES)
      expect(diff.differences.map(({ path }) => path)).toEqual(Object.keys(CHANGES))
      expect(diff.differences[1]).toEqual({
        kind: 'changed',
        path: 'changed.csv',
        before: { type: 'file', size: 50_000 },
        after: { type: 'file', size: 60_000 },
      })
      expect(diff.differences[0]).toMatchObject({ before: { type: 'directory' }, after: { type: 'symlink' } })
      expect([diff.before, diff.after].every(name => /^data@[0-9a-f]{8}$/.test(name))).toBe(true)
      const back = kinds(await sandbox.json<Diff>('diff', 'data', 'data~1'))
      expect(back).toEqual({ ...CHANGES, 'removed.csv': 'added', sub: 'removed', 'sub/added.csv': 'removed' })
    }))

  test('a word is a version, what is written like a path is local', () =>
    withSandbox(async sandbox => {
      await pushTwice(sandbox)
      const local = await sandbox.json<Diff>('diff', 'data', './data')
      expect(local.differences).toEqual([])
      expect(local.after).toBe(sandbox.in('data'))
      expect(kinds(await sandbox.json<Diff>('diff', 'data~1', sandbox.in('data')))).toEqual(CHANGES)
      expect((await sandbox.ok('diff', 'data', './data/')).stdout).toMatch(/^data@[0-9a-f]{8} and .* are equal\.\n$/)
      makeTree(sandbox.in('other'), { a: '1' })
      const { hint } = expectError(await sandbox.run(['diff', 'data', 'other']), 5, /There is no "other"/)
      expect(hint).toBe('For the local folder, use ./other')
    }))

  test('groups the digits of all numbers of the totals, which come first', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('a'), { x: '' })
      makeTree(sandbox.in('b'), Object.fromEntries(['x', ...Array.from({ length: 1_200 }, (_, i) => `f${i}`)].map(name => [name, ''])))
      utimesSync(sandbox.in('b/x'), 1_700_000_000, 1_700_000_000)
      const { stdout } = await sandbox.ok('diff', './a', './b')
      expect(stdout.split('\n')[0]).toBe('1,201 differences: 1,200 added, 1 touched (t: only mode or time)')
    }))

  test('between two local folders, without any store; a store that lies in a folder is no part of it', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('a'), { x: { file: '1', mtime: '1700000000' } })
      makeTree(sandbox.in('b'), { x: { file: '1', mtime: '1700000000' }, y: '2' })
      expect(kinds(await sandbox.json<Diff>('diff', './a', './b'))).toEqual({ y: 'added' })
      const inside = ['--store', sandbox.in('a/repo')]
      await sandbox.run(['push', 'a', ...inside])
      const diff = resultOf<Diff>(await sandbox.run(['diff', 'a', './a', '--json', ...inside]))
      expect(diff.differences).toEqual([])
    }))

  test('tells who reads it how many there are of each kind', () =>
    withSandbox(async sandbox => {
      await pushTwice(sandbox)
      const { stdout } = await sandbox.ok('diff', 'data~1', 'data')
      expect(stdout).toMatch(/^M +50\.0 kB +60\.0 kB +changed\.csv$/m)
      expect(stdout).toMatch(/^- +4 B +removed\.csv$/m)
      expect(stdout).toMatch(/^\+ +1\.00 kB +sub\/ \(1 file\)$/m)
      expect(stdout.split('\n')[0]).toBe('6 differences: 2 added (1.00 kB), 1 removed (4 B), 2 changed, 1 touched (t: only mode or time)')
      expect((await sandbox.ok('diff', 'data~1', 'data', '--all')).stdout).toMatch(/^\+ +1\.00 kB +sub\/added\.csv$/m)
    }))

  test('of one version: what it changed; of a path alone: what to ask instead', () =>
    withSandbox(async sandbox => {
      await pushTwice(sandbox)
      expect(kinds(await sandbox.json<Diff>('diff', 'data'))).toEqual(CHANGES)
      const first = await sandbox.json<Diff>('diff', 'data~1')
      expect([first.before, new Set(Object.values(kinds(first)))]).toEqual(['nothing', new Set(['added'])])
      expectError(await sandbox.run(['diff', 'data~2']), 5, /there is no data~2/)
      expect(expectError(await sandbox.run(['diff', './data']), 2, /compared with/).hint).toContain('colab-escape status ./data')
    }))

  test('a file or a folder that was only moved is renamed, and --all lists each', () =>
    withSandbox(async sandbox => {
      const files = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`cats/deep/${i}.txt`, `cat ${i}`]))
      makeTree(sandbox.in('data'), { ...files, 'cats/odd': 'odd', 'a.txt': 'moved alone', 'gone/b': 'b', empty1: '' })
      await sandbox.ok('push', 'data')
      renameSync(sandbox.in('data/cats'), sandbox.in('data/felines'))
      renameSync(sandbox.in('data/a.txt'), sandbox.in('data/z.txt'))
      rmSync(sandbox.in('data/gone'), { recursive: true })
      rmSync(sandbox.in('data/empty1'))
      writeFileSync(sandbox.in('data/felines/odd'), 'changed')
      makeTree(sandbox.in('data'), { empty2: '' })
      const { stdout } = await sandbox.ok('diff', 'data', './data')
      expect(stdout.split('\n')[0]).toMatch(/ 41 renamed/)
      expect(stdout).toMatch(/^R +\S+ B +cats\/ -> felines\/ \(40 files\)$/m)
      expect(stdout).toMatch(/^R +11 B +a\.txt -> z\.txt$/m)
      expect(stdout).toMatch(/^- +3 B +cats\/ \(1 file\)$/m)
      expect(stdout).toMatch(/^\+ +7 B +felines\/ \(1 file\)$/m)
      expect(stdout).toMatch(/^- +1 B +gone\/ \(1 file\)$/m)
      expect(stdout).toMatch(/^- +0 B +empty1$/m)
      expect((await sandbox.ok('diff', 'data', './data', '--all')).stdout).toMatch(/ cats\/deep\/7\.txt -> felines\/deep\/7\.txt$/m)
      // for programs, a moved file stays a removed and an added one
      const { differences } = await sandbox.json<{ differences: (Difference & { renamedFrom?: string; renamedTo?: string })[] }>(
        'diff',
        'data',
        './data',
      )
      expect(differences.find(({ path }) => path === 'a.txt')).toMatchObject({ kind: 'removed', renamedTo: 'z.txt' })
      expect(differences.find(({ path }) => path === 'z.txt')).toMatchObject({ kind: 'added', renamedFrom: 'a.txt' })
      expect(differences.find(({ path }) => path === 'empty2')).not.toHaveProperty('renamedFrom')
    }))

  test('--exit-code tells differences from failures, --stat shows the totals alone', () =>
    withSandbox(async sandbox => {
      await pushTwice(sandbox)
      for (const [args, code] of [
        [['diff', 'data~1', 'data'], 9],
        [['diff', 'data', './data'], 0],
        [['diff', 'data', 'nope'], 5],
        [['status', 'data'], 0],
        [['status', 'data', '--name', 'fresh'], 9],
      ] as const)
        expect((await sandbox.run([...args, '--exit-code'])).code, args.join(' ')).toBe(code)
      const { stdout } = await sandbox.ok('diff', 'data~1', 'data', '--stat')
      expect(stdout).toMatch(/^ +count +before +after\nadded +2 +1\.00 kB\nremoved +1 +4 B\nchanged +2 +50\.0 kB +60\.0 kB\ntouched +1\n$/)
    }))
})

test('a terminal shows of many differences what fits, in colours of git, and the totals; a pipe shows all', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('other'), { x: 'x' })
    await sandbox.ok('push', 'other')
    makeTree(sandbox.in('data'), { ...Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`f${i}`, `${i}`])), 'new/x': 'x' })
    const terminal = async (env: Record<string, string | undefined>, size = { columns: 80, rows: 24 }): Promise<string> =>
      (
        await runInPty(process.execPath, [PROGRAM, 'status', sandbox.in('data'), '--store', sandbox.store], {
          size,
          env: { COLAB_ESCAPE_CACHE: sandbox.in('cache'), COLAB_ESCAPE_STORE: undefined, ...env },
        })
      ).output.trimEnd()
    for (const size of [
      { columns: 80, rows: 24 },
      { columns: 0, rows: 0 },
    ]) {
      const lines = (await terminal({ NO_COLOR: '1' }, size)).split('\r\n')
      expect(lines.length).toBeLessThan(24)
      expect(lines.filter(line => / 62 differences: /.test(` ${line}`))).toHaveLength(1)
      expect(lines.at(-1)).toMatch(/^\.\.\. and \d\d more \(--all\)$/)
      expect(lines.join('')).not.toContain('\x1b[3')
    }
    expect(await terminal({ NO_COLOR: undefined })).toContain('\x1b[32m+')
    expect(await terminal({ NO_COLOR: undefined, TERM: 'dumb' })).not.toContain('\x1b[3')
    const piped = (await sandbox.ok('status', 'data')).stdout
    expect(piped).not.toContain('more (--all)')
    expect(piped.split('\n').filter(line => line.startsWith('+'))).toHaveLength(61)
  }))

describe('status', () => {
  test('answers from what this machine knows, even without the store', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.csv': seededText(1, 10_000), 'b.csv': seededText(2, 20_000) })
      const { version } = await sandbox.json<{ version: string }>('push', 'data')
      renameSync(sandbox.store, sandbox.in('away'))
      expect(await sandbox.json<Status>('status', 'data')).toMatchObject({ version, asked: false, differences: [] })
      expect((await sandbox.ok('status', 'data')).stderr).toMatch(/warning: .*store holds no repository now/)
      writeFileSync(sandbox.in('data/b.csv'), seededText(3, 30_000))
      const changed = await sandbox.json<Status>('status', 'data')
      expect(kinds(changed)).toEqual({ 'b.csv': 'changed' })
      expect(changed.bytesOfChangedFiles).toBe(30_000)
      expectError(await sandbox.run(['status', 'data', '--refresh']), 5, /holds no repository/)
    }))

  test('--refresh sees what another machine has pushed since', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: '1' })
      await sandbox.ok('push', 'data')
      writeFileSync(sandbox.in('data/b'), '2')
      const elsewhere = { env: { COLAB_ESCAPE_CACHE: sandbox.in('another-cache') } }
      const theirs = resultOf<{ version: string }>(await sandbox.run(['push', 'data', '--json'], elsewhere))
      const before = await sandbox.json<Status>('status', 'data')
      expect([kinds(before)['b'], before.asked]).toEqual(['added', false])
      expect(await sandbox.json<Status>('status', 'data', '--refresh')).toMatchObject({
        version: theirs.version,
        asked: true,
        differences: [],
      })
      expect(await sandbox.json<Status>('status', 'data')).toMatchObject({ version: theirs.version, asked: false, differences: [] })
    }))

  test('one result, the default path, --name, --exclude, and a name without versions', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: '12345', 'b.log': '1' })
      await sandbox.ok('push', 'data', '--exclude', '*.log')
      const inside = await sandbox.run(['status', '--exclude', '*.log', '--json'], { cwd: sandbox.in('data') })
      expect(inside.stdout.split('\n').filter(line => line.includes('"event":"result"'))).toHaveLength(1)
      expect(resultOf<Status>(inside)).toMatchObject({ name: 'data', differences: [] })
      expect(kinds(await sandbox.json<Status>('status', 'data'))).toEqual({ 'b.log': 'added' })
      const fresh = await sandbox.json<Status>('status', 'data', '--name', 'fresh')
      expect(fresh).toMatchObject({ version: null, asked: true, bytesOfChangedFiles: 6 })
      expect(fresh.differences.map(({ path }) => path)).toEqual(['a', 'b.log'])
      expect((await sandbox.ok('status', 'data', '--name', 'fresh')).stdout).toContain('fresh has no version yet.')
    }))
})

describe('du', () => {
  const close = (a: number, b: number): void => expect(Math.abs(a - b), `${a} and ${b}`).toBeLessThanOrEqual(4)

  test('numbers add up: what is alone and what is shared is what is stored', () =>
    withSandbox(async sandbox => {
      await pushTwice(sandbox)
      makeTree(sandbox.in('other'), { 'same.csv': seededText(1, 50_000), 'its-own.csv': seededText(9, 40_000) })
      await sandbox.ok('push', 'other')
      const du = await sandbox.json<Du>('du')
      const [data, other] = du.names
      expect(du.names.map(({ name, versions }) => [name, versions.length])).toEqual([
        ['data', 2],
        ['other', 1],
      ])
      // the two names share exactly what either has beyond its own
      const shared = data!.storedBytes - data!.ownBytes
      close(shared, other!.storedBytes - other!.ownBytes)
      expect(shared).toBeGreaterThan(1_000)
      // within a name: both versions less what they share is what the name takes
      const [first, second] = data!.versions
      const both = first!.storedBytes + second!.storedBytes - data!.storedBytes
      expect(first!.ownBytes + both).toBeLessThanOrEqual(first!.storedBytes + 4)
      close(data!.plainBytes, first!.plainBytes + second!.plainBytes)
      // all of it lies in packs, whose directories come on top
      const reached = data!.ownBytes + other!.ownBytes + shared
      expect(du.unreachedBytes).toBe(0)
      expect(reached).toBeLessThan(du.objectBytes)
      expect(reached).toBeGreaterThan(du.objectBytes - 5_000)
      expect(du.quota.limit).toBeGreaterThan(du.quota.used)
    }))

  test('tells what no version reaches, such as a version whose snapshot is gone', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.csv': seededText(1, 50_000) })
      await sandbox.ok('push', 'data')
      const before = await sandbox.json<Du>('du')
      makeTree(sandbox.in('lost'), { 'b.csv': seededText(2, 50_000) })
      const { version } = await sandbox.json<{ version: string }>('push', 'lost')
      const [lost] = (await sandbox.json<Du>('du')).names.filter(({ name }) => name === 'lost')
      for (const name of readdirSync(sandbox.store)) if (name.includes(version.slice(0, 16))) rmSync(`${sandbox.store}/${name}`)
      const after = await sandbox.json<Du>('du')
      expect(after.names).toEqual(before.names)
      close(after.unreachedBytes, lost!.ownBytes)
      expect((await sandbox.ok('du')).stdout).toMatch(/The repository takes \S+ kB; no version uses \S+ kB of it\.$/m)
    }))

  test('--by splits one version whole', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), {
        'a/1.csv': seededText(1, 30_000),
        'a/deep/2.CSV': seededText(2, 20_000),
        'b/3.txt': seededText(3, 10_000),
        README: 'no extension',
        '.hidden': 'none either',
      })
      await sandbox.ok('push', 'data')
      interface Parts {
        by: string
        parts: { part: string; files: number; plainBytes: number; storedBytes: number }[]
      }
      const byFolder = await sandbox.json<Parts>('du', 'data', '--by', 'folder')
      expect(byFolder.by).toBe('folder')
      expect(byFolder.parts.map(({ part, files, plainBytes }) => [part, files, plainBytes])).toEqual([
        ['a/', 2, 50_000],
        ['b/', 1, 10_000],
        ['.', 2, 23],
      ])
      const byExtension = await sandbox.json<Parts>('du', 'data~0', '--by', 'extension')
      expect(byExtension.parts.map(({ part, files }) => [part, files])).toEqual([
        ['.csv', 2],
        ['.txt', 1],
        ['(none)', 2],
      ])
      const total = ({ parts }: Parts): number => parts.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
      close(total(byFolder), total(byExtension))
      const [data] = (await sandbox.json<Du>('du')).names
      expect(total(byFolder)).toBeLessThan(data!.storedBytes)
    }))

  test('tells what deduplication and what compression saved, and names kinds of files', () =>
    withSandbox(async sandbox => {
      const table = seededText(1, 50_000)
      makeTree(sandbox.in('data'), {
        'a.csv': table,
        'copy.CSV': table,
        'photo.jpg': seededNoise(2, 30_000),
        'model.pt': seededNoise(3, 20_000),
        Makefile: 'all:',
      })
      await sandbox.ok('push', 'data')
      interface Parts {
        parts: { part: string; files: number; plainBytes: number; distinctBytes: number; storedBytes: number }[]
      }
      const { parts } = await sandbox.json<Parts>('du', 'data', '--by', 'kind')
      const of = (kind: string): Parts['parts'][number] | undefined => parts.find(({ part }) => part === kind)
      expect(parts.map(({ part }) => part).sort()).toEqual(['media', 'models, data', 'other', 'text'])
      expect(of('text')).toMatchObject({ files: 2, plainBytes: 100_000, distinctBytes: 50_000 })
      expect(of('text')!.storedBytes).toBeLessThan(30_000)
      expect(of('media')!.storedBytes).toBeGreaterThanOrEqual(30_000)
      const [name] = (await sandbox.json<Du>('du')).names
      // the list of files is stored too
      expect(name!.distinctBytes).toBeGreaterThan(100_004)
      expect(name!.distinctBytes).toBeLessThan(102_000)
      const { stdout } = await sandbox.ok('du', 'data', '--by', 'kind')
      expect(stdout).toMatch(/^text +2 +100 kB +50\.0 kB +[\d.]+ kB +[\d.]+ kB +\d\d%$/m)
    }))

  test('the name with most of its own comes first, with a bar where a terminal has room', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('a-small'), { x: seededNoise(1, 10_000) })
      makeTree(sandbox.in('b-large'), { x: seededNoise(2, 100_000) })
      await sandbox.ok('push', 'a-small', 'b-large')
      const { stdout } = await sandbox.ok('du')
      expect(
        stdout
          .split('\n')
          .slice(1, 3)
          .map(line => line.split(' ')[0]),
      ).toEqual(['b-large', 'a-small'])
      expect(stdout).not.toContain('##')
      const { output } = await runInPty(process.execPath, [PROGRAM, 'du', '--store', sandbox.store], {
        size: { columns: 120, rows: 24 },
        env: { COLAB_ESCAPE_CACHE: sandbox.in('cache'), COLAB_ESCAPE_STORE: undefined, NO_COLOR: '1' },
      })
      expect(output).toMatch(/b-large .* kB {2}#{20}\r?\n/)
      expect(output).toMatch(/a-small .* kB {2}#{1,3}\r?\n/)
    }))

  test('of one name: its versions; of an unknown one: an error', () =>
    withSandbox(async sandbox => {
      await pushTwice(sandbox)
      const { stdout } = await sandbox.ok('du', 'data')
      expect(stdout).toMatch(
        /^version +time +size +dedup +packed +stored +own\n(data@[0-9a-f]{8} .*\n){2}dedup: .*\n {2}codec .*, filters .*\nown: /,
      )
      expect(expectError(await sandbox.run(['du', 'dta']), 5, /There is no "dta"/).hint).toContain('data')
    }))
})

test('no line is wider than a terminal of 80 columns', () =>
  withSandbox(async sandbox => {
    await pushTwice(sandbox)
    const long = `sub/${'a-rather-long-name-'.repeat(6)}.csv`
    const model = network(1, [300_000])
    makeTree(sandbox.in('data'), { [long]: seededText(8, 1_000), 'model.pt': pt(fp32(model)) })
    await sandbox.ok('push', 'data')
    makeTree(sandbox.in('data'), { 'model.pt': pt(fp32(tuned(model, 1))), 'half.safetensors': safetensors(bf16(model)) })
    const path = sandbox.in('data')
    const commands = [
      ['status', path],
      ['diff', 'data', path],
      ['push', path, '-m', 'a message that goes on for longer than any table has room for, '.repeat(2)],
      ['status', path],
      ['diff', 'data~1', 'data'],
      ['log'],
      ['ls', 'data', '-R'],
      ['du'],
      ['du', 'data'],
      ['du', 'data', '--by', 'folder'],
      ['du', 'data', '--by', 'kind'],
      ['push', path, '--dry-run'],
      ['compress', path, '--estimate'],
      ['check'],
      ['doctor'],
    ]
    for (const command of commands) {
      const lines = await shown(sandbox, ...command)
      expect(lines.length, command.join(' ')).toBeGreaterThan(1)
      const tooWide = lines.filter(line => textWidth(line) > 80 && !line.includes(sandbox.path))
      expect(tooWide, command.join(' ')).toEqual([])
    }
  }))
