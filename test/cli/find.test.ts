import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { textWidth } from '../../src/ui/width.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { expectError, resultOf, Sandbox } from '../helpers/cli.ts'
import { runInPty } from '../helpers/pty.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))

interface Found {
  name: string
  path: string
  type: string
  contents: { content?: string; size?: number; first: { version: string }; last: { version: string }; versions: number }[]
  goneSince: { version: string } | null
}

interface Find {
  files: Found[]
  searched: number
  damaged: { name: string; version: string }[]
}

// one repository for all; what damages it, works on a copy of its own
let sandbox: Sandbox
let ids: string[]
const BIG = seededNoise(7, 9_000_000)

beforeAll(async () => {
  sandbox = new Sandbox(mkdtempSync(join(tmpdir(), 'colab-escape-test-')))
  makeTree(sandbox.in('data'), { 'train/labels.csv': 'one', 'train/deep/labels.csv': 'deep', 'weights.bin': BIG, keep: 'keep', log: '0' })
  ids = []
  const push = async (...args: string[]): Promise<void> => {
    const { version } = await sandbox.json<{ version: string }>('push', 'data', ...args)
    ids.push(version)
  }
  await push('--metric', 'a=1')
  writeFileSync(sandbox.in('data/log'), '1')
  await push('--metric', 'a=2')
  writeFileSync(sandbox.in('data/train/labels.csv'), 'two')
  await push()
  rmSync(sandbox.in('data/train/labels.csv'))
  await push()
  writeFileSync(sandbox.in('data/train/labels.csv'), 'one')
  writeFileSync(sandbox.in('data/weights.bin'), 'small now')
  await push()
  rmSync(sandbox.in('data/train'), { recursive: true })
  await push()
  makeTree(sandbox.in('other'), { 'labels.csv': 'one', train: { folder: true }, link: { link: 'labels.csv' } })
  await sandbox.ok('push', 'other')
})

afterAll(() => rmSync(sandbox.path, { recursive: true, force: true }))

const find = (...args: string[]): Promise<Find> => sandbox.json<Find>('find', ...args)
const spans = ({ contents }: Found): number[][] =>
  contents.map(({ first, last, versions }) => [ids.indexOf(first.version), ids.indexOf(last.version), versions])

test('a file of many versions: runs of equal content, when it was away, and since when it is gone', async () => {
  const { files, searched } = await find('labels.csv')
  expect(files.map(({ name, path }) => `${name}:${path}`)).toEqual([
    'data:train/deep/labels.csv',
    'data:train/labels.csv',
    'other:labels.csv',
  ])
  expect(searched).toBe(7)
  const [deep, labels, other] = files
  expect(spans(deep!)).toEqual([[0, 4, 5]])
  expect(deep!.goneSince!.version).toBe(ids[5])
  expect(spans(labels!)).toEqual([
    [0, 1, 2],
    [2, 2, 1],
    [4, 4, 1],
  ])
  expect(labels!.contents.map(({ content }) => content)).toEqual([
    sha256Hex(Buffer.from('one')),
    sha256Hex(Buffer.from('two')),
    sha256Hex(Buffer.from('one')),
  ])
  expect(labels!.goneSince!.version).toBe(ids[5])
  expect(other!.goneSince).toBeNull()
})

test('patterns are those of gitignore: a name anywhere, or a path from the top', async () => {
  const paths = async (...args: string[]): Promise<string[]> => (await find(...args)).files.map(({ name, path }) => `${name}:${path}`)
  expect(await paths('train/*.csv')).toEqual(['data:train/labels.csv'])
  expect(await paths('train/**/*.csv', '--name', 'data')).toEqual(['data:train/deep/labels.csv', 'data:train/labels.csv'])
  expect(await paths('*.csv', '--name', 'other')).toEqual(['other:labels.csv'])
  // a folder is found by its own name, and what is in it is not
  expect((await find('train')).files.map(({ name, type }) => [name, type])).toEqual([
    ['data', 'directory'],
    ['other', 'directory'],
  ])
  expect((await find('link')).files).toMatchObject([{ type: 'symlink' }])
  expect(expectError(await sandbox.run(['find', 'deep/labels.csv']), 5, /Nothing in 7 versions matches/).hint).toContain(
    '**/deep/labels.csv',
  )
  expect(expectError(await sandbox.run(['find', 'labels']), 5, /Nothing in 7 versions matches/).hint).toContain('"*labels*"')
  expect(expectError(await sandbox.run(['find', 'data:keep']), 5, /Nothing/).hint).toContain('find keep --name data')
  expectError(await sandbox.run(['find', 'keep', '--name', 'dat']), 5, /There is no "dat"/)
  expectError(await sandbox.run(['find', 'keep', '--until', 'yesterday']), 5, /Nothing in 0 versions/)
  expectError(await sandbox.run(['find']), 2, /What should be found/)
})

test('content is found by its id, or by a local file of any size, wherever it lies', async () => {
  const one = sha256Hex(Buffer.from('one'))
  for (const id of [one, one.slice(0, 8), one.toUpperCase()]) {
    const { files } = await find(id)
    expect(files.map(({ path }) => path)).toEqual(['train/labels.csv', 'labels.csv'])
    expect(spans(files[0]!)).toEqual([
      [0, 1, 2],
      [4, 4, 1],
    ])
  }
  writeFileSync(sandbox.in('local.bin'), BIG)
  const { files } = await find('--content', 'local.bin')
  expect(files).toMatchObject([{ name: 'data', path: 'weights.bin' }])
  expect(spans(files[0]!)).toEqual([[0, 3, 4]])
  expect((await find(files[0]!.contents[0]!.content!.slice(0, 12))).files).toEqual(files)
  // as long, and different in its last byte
  writeFileSync(sandbox.in('local.bin'), Buffer.concat([BIG.subarray(0, -1), Buffer.of(BIG.at(-1)! ^ 1)]))
  expectError(await sandbox.run(['find', '--content', 'local.bin']), 5, /has the content of local\.bin/)
  expect(expectError(await sandbox.run(['find', sha256Hex(BIG)]), 5, /Nothing/).hint).toContain('--content <file>')
  expectError(await sandbox.run(['find', '--content', 'data']), 5, /data is not a file/)
  expectError(await sandbox.run(['find', 'x', '--content', 'data']), 2, /by its content alone/)
})

test('what a person sees fits a terminal, and a long list ends with what is left out', async () => {
  const { stdout } = await sandbox.ok('find', 'train/labels.csv')
  const [day] = /\d{4}-\d\d-\d\d/.exec(stdout)!
  const one = sha256Hex(Buffer.from('one')).slice(0, 8)
  const id = (at: number): string => ids[at]!.slice(0, 8)
  expect(
    stdout
      .replaceAll(/ \d\d:\d\d/g, '')
      .replaceAll(day, 'D')
      .replaceAll(/ +/g, ' ')
      .split('\n'),
  ).toEqual([
    ' size from to count',
    'data:train/labels.csv',
    ` ${one} 3 B ${id(0)} D ${id(1)} D 2`,
    ` ${sha256Hex(Buffer.from('two')).slice(0, 8)} 3 B ${id(2)} D 1`,
    ` ${one} 3 B ${id(4)} D 1`,
    ` gone since data@${id(5)} (D)`,
    '1 path found in 7 versions',
    '',
  ])
  const { output } = await runInPty(process.execPath, [PROGRAM, 'find', '*', '--store', sandbox.store], {
    size: { columns: 80, rows: 12 },
    env: { COLAB_ESCAPE_CACHE: sandbox.in('cache'), COLAB_ESCAPE_STORE: undefined, NO_COLOR: '1' },
  })
  // eslint-disable-next-line no-control-regex
  const lines = output.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').split(/[\r\n]+/)
  expect(lines.filter(line => textWidth(line) > 80)).toEqual([])
  expect(lines.some(line => /^\.\.\. and \d more \(--all\)$/.test(line))).toBe(true)
})

test('a version that cannot be read is told, and nothing is said of it', async () => {
  const copy = new Sandbox(sandbox.in('copy'))
  makeTree(copy.in('data'), { file: 'x' })
  const versions: string[] = []
  for (const text of ['1', '2', '3']) {
    writeFileSync(copy.in('data/other'), text)
    versions.push((await copy.json<{ version: string }>('push', 'data')).version)
  }
  const object = readdirSync(copy.store).find(name => name.includes(versions[1]!.slice(0, 16)))!
  writeFileSync(join(copy.store, object), '{}')
  const run = await copy.run(['find', 'file', '--json'])
  expect(run.code).toBe(7)
  expect(resultOf<Find>(run)).toMatchObject({
    files: [{ goneSince: null, contents: [{ first: { version: versions[0] }, last: { version: versions[2] }, versions: 2 }] }],
    damaged: [{ name: 'data', version: versions[1]!.slice(0, 16) }],
  })
  // nothing found is no proof that nothing is there
  const nothing = await copy.run(['find', 'absent'])
  expect([nothing.code, nothing.stdout]).toEqual([7, '0 paths found in 2 versions\n'])
  expect(nothing.stderr).toMatch(/^warning: Snapshot .* is damaged/m)
})

test('two sources of one name do not take each other’s files for gone', async () => {
  const two = new Sandbox(sandbox.in('two'))
  makeTree(two.in('a/runs'), { mine: '1' })
  makeTree(two.in('b/runs'), { yours: '1' })
  for (const text of ['1', '2']) {
    for (const [folder, cache] of [
      ['a', 'cache-a'],
      ['b', 'cache-b'],
    ] as const) {
      writeFileSync(two.in(folder, 'runs/log'), `${folder} ${text}`)
      await two.run(['push', `${folder}/runs`], { env: { COLAB_ESCAPE_CACHE: two.in(cache) } })
    }
  }
  const { files } = await two.json<Find>('find', 'mine')
  expect(files).toMatchObject([{ goneSince: null, contents: [{ versions: 2 }] }])
})
