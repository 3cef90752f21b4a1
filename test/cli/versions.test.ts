import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { expectError, Sandbox } from '../helpers/cli.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'

// one repository for all: nothing here changes it
let sandbox: Sandbox
let ids: string[]

beforeAll(async () => {
  sandbox = new Sandbox(mkdtempSync(join(tmpdir(), 'colab-escape-test-')))
  makeTree(sandbox.in('data'), {
    'sub/big.bin': seededNoise(1, 3_000_000),
    'sub/deep/x': 'x',
    link: { link: 'sub' },
    'odd\xff\n': 'odd',
    empty: { folder: true },
  })
  ids = []
  for (const [i, tag] of ['first', 'best', 'last'].entries()) {
    writeFileSync(sandbox.in('data', 'version'), `version ${i}`)
    const { version } = await sandbox.json<{ version: string }>('push', 'data', '--tag', tag, '-m', `message ${i}`)
    ids.push(version)
  }
  await sandbox.ok('push', 'data/sub', '--name', 'other')
})

afterAll(() => rmSync(sandbox.path, { recursive: true, force: true }))

const versionOf = async (spec: string): Promise<string> => (await sandbox.ok('cat', `${spec}:version`)).stdout

test('a version is named by how far back, tag, id, day or moment', async () => {
  const today = new Date()
  const local = (date: Date): string => new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString()
  expect(await versionOf('data')).toBe('version 2')
  expect(await versionOf('data~1')).toBe('version 1')
  expect(await versionOf('data~2')).toBe('version 0')
  expect(await versionOf('data@best')).toBe('version 1')
  expect(await versionOf('data@best~1')).toBe('version 0')
  expect(await versionOf(`data@${ids[0]!.slice(0, 8)}`)).toBe('version 0')
  expect(await versionOf(`data@${ids[1]}`)).toBe('version 1')
  expect(await versionOf(`data@${local(new Date(today.getTime() + 86_400_000)).slice(0, 10)}`)).toBe('version 2')
  expect(await versionOf(`data@${local(new Date(today.getTime() + 3_600_000)).slice(0, 19)}`)).toBe('version 2')
  expect(await versionOf(`data@${new Date(today.getTime() + 3_600_000).toISOString().slice(0, 16)}Z`)).toBe('version 2')
})

test('a version that is not there is told, with what there is', async () => {
  expectError(await sandbox.run(['pull', 'data~3', 'out']), 5, /data has 3 versions, so there is no data~3/)
  expectError(await sandbox.run(['pull', 'data@nope', 'out']), 5, /No version of data matches @nope/)
  expectError(await sandbox.run(['pull', 'data@2001-01-01', 'out']), 5, /No version of data matches/)
  expect(expectError(await sandbox.run(['pull', 'dat', 'out']), 5, /There is no "dat"/).hint).toMatch(/data, other/)
  expectError(await sandbox.run(['log', 'dat']), 5, /There is no "dat"/)
  expectError(await sandbox.run(['pull', 'data@2001-02-30', 'out']), 5, /neither a date nor a tag of data/)
})

test('log lists versions, the newest first, in text and in JSON', async () => {
  const text = (await sandbox.ok('log', 'data')).stdout.trimEnd().split('\n')
  expect(text[0]).toMatch(/^ *version +time +size +new +tags, message$/)
  expect(text.slice(1).map(line => /@?([0-9a-f]{8})/.exec(line)![1])).toEqual(ids.map(id => id.slice(0, 8)).reverse())
  expect(text[1]).toMatch(/ \[last\] message 2$/)
  const { versions } = await sandbox.json<{ versions: Record<string, unknown>[] }>('log')
  expect(versions.map(({ name }) => name).sort()).toEqual(['data', 'data', 'data', 'other'])
  const newest = versions.find(version => version['name'] === 'data')
  expect(newest).toMatchObject({ tags: ['last'], message: 'message 2' })
})

test('ls lists a folder or all below it, in text and in JSON', async () => {
  const top = await sandbox.ok('ls', 'data')
  expect(top.stdout).toMatch(/^d.* empty\/$/m)
  expect(top.stdout).toMatch(/^l.* link -> sub$/m)
  expect(top.stdout).not.toContain('big.bin')
  expect(top.stdout.split('\n')).toHaveLength(7) // a name with a newline takes one line too
  const below = await sandbox.json<{ entries: object[] }>('ls', 'data@first', './sub/', '-R')
  expect(below.entries).toMatchObject([
    { path: 'sub/big.bin', type: 'file', size: 3_000_000, mode: '644' },
    { path: 'sub/deep', type: 'directory' },
    { path: 'sub/deep/x', type: 'file', size: 1 },
  ])
  expect((await sandbox.ok('ls', 'data', 'empty')).stdout).toBe('Empty.\n')
  expectError(await sandbox.run(['ls', 'data', 'nope']), 5, /"nope" is not in data/)
})

test('ls takes a path after a colon, tells times in ISO 8601 too, and without a version lists the names', async () => {
  const below = await sandbox.json<{ entries: { path: string; mtime: string; modified: string }[] }>('ls', 'data@first:sub')
  expect(below.entries.map(({ path }) => path)).toEqual(['sub/big.bin', 'sub/deep'])
  const [file] = below.entries
  expect(new Date(file!.modified).getTime()).toBe(Number(BigInt(file!.mtime) / 1_000_000n))
  expectError(await sandbox.run(['ls', 'data:sub', 'deep']), 2, /already has a path/)
  const { stdout } = await sandbox.ok('ls')
  expect(stdout).toMatch(/^name +versions +newest +time +files +size\ndata +3 +[0-9a-f]{8} .*\nother +1 .*\n2 names, 4 versions\n$/)
  expect(stdout).toContain(` ${ids[2]!.slice(0, 8)} `)
  const { names } = await sandbox.json<{ names: object[] }>('ls')
  expect(names).toMatchObject([
    { name: 'data', versions: 3, newest: { version: ids[2] } },
    { name: 'other', versions: 1 },
  ])
})

test('cat writes a file as it is, also into a pipe whose reader leaves early', async () => {
  const { bytes } = await sandbox.ok('cat', 'data:sub/big.bin')
  expect(bytes.equals(readFileSync(sandbox.in('data', 'sub', 'big.bin')))).toBe(true)
  const program = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))
  const command = `"${process.execPath}" "${program}" cat data:sub/big.bin --store "${sandbox.store}" | head -c 10 | wc -c; echo "\${PIPESTATUS[0]}"`
  const piped = spawnSync('bash', ['-c', command], { encoding: 'utf8' })
  expect([piped.stdout.trim(), piped.stderr]).toEqual(['10\n0', ''])
  expectError(await sandbox.run(['cat', 'data:nope']), 5, /"nope" is not in data/)
  expectError(await sandbox.run(['cat', 'data:sub']), 2, /is a folder, not a file/)
  expectError(await sandbox.run(['cat', 'data']), 2, /The path is missing/)
})

test('--quiet leaves the answers of log, ls, cat and check, and nothing else', async () => {
  expect((await sandbox.ok('log', '--quiet')).stdout).toContain('data')
  expect((await sandbox.ok('cat', 'data:version', '--quiet')).stdout).toBe('version 2')
  expect((await sandbox.ok('check', '--quiet')).stdout).toContain('No damage found')
  const pull = await sandbox.ok('pull', 'data', 'quiet-out', '--quiet')
  expect([pull.stdout, pull.stderr]).toEqual(['', ''])
})

test('check tells what it looked at, in text and in JSON', async () => {
  expect((await sandbox.ok('check')).stdout).toMatch(/^Checked 4 versions with \d+ files in \d+ packs?, /)
  const whole = await sandbox.json('check', '--read-data')
  expect(whole).toMatchObject({ damaged: false, snapshots: 4, problems: [], affected: [] })
  expect(whole['packsRead']).toBe(whole['packs'])
  expectError(await sandbox.run(['check', '--read-data=0%']), 2, /isn't a share of the data/)
})
