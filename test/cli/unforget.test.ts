import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { expectError, Sandbox } from '../helpers/cli.ts'
import { runInPty, type PtyResult } from '../helpers/pty.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))

let sandbox: Sandbox
let ids: string[]

beforeEach(async () => {
  sandbox = new Sandbox(mkdtempSync(join(tmpdir(), 'colab-escape-test-')))
  ids = []
  for (let i = 0; i < 3; i++) {
    makeTree(sandbox.in('data'), { 'model.bin': seededNoise(i + 1, 100_000) })
    ids.push((await sandbox.json<{ version: string }>('push', 'data', '--tag', `t${i}`, '--metric', `acc=0.${i + 1}`)).version)
  }
})

afterEach(() => rmSync(sandbox.path, { recursive: true, force: true }))

const label = (at: number): string => `data@${ids[at]!.slice(0, 8)}`
const there = async (): Promise<string[]> =>
  (await sandbox.json<{ versions: { version: string }[] }>('log')).versions.map(({ version }) => version)

/** What `status` compares with, though this machine notes the newest version. */
const newestIn = async (): Promise<string | null> => (await sandbox.json<{ version: string | null }>('status', 'data')).version

interface Unforgotten {
  restored: { version: string; tags: string[] }[]
  forgotten: { version: string; until: string; files: number; lostFiles: number }[]
}

describe('unforget', () => {
  test('lists what was forgotten, brings back the last forget of a name, one version, or all', async () => {
    expect((await sandbox.ok('unforget')).stdout).toBe('No forgotten version can be brought back.\n')
    await sandbox.ok('forget', label(0))
    const receipt = await sandbox.ok('forget', 'data', '--keep-last', '1')
    expect(receipt.stdout).toContain('  Undo: colab-escape unforget data\n')
    const { forgotten } = await sandbox.json<Unforgotten>('unforget')
    expect(forgotten.map(({ version, lostFiles }) => [version, lostFiles])).toEqual([
      [ids[0], 0],
      [ids[1], 0],
    ])
    expect(Date.parse(forgotten[0]!.until) - Date.now()).toBeGreaterThan(50 * 60_000)
    expect((await sandbox.ok('unforget')).stdout).toContain(label(1))

    const last = await sandbox.ok('unforget', 'data')
    expect(last.stdout).toMatch(/Brought back 1 version\n[^]*1 more version of data is forgotten: colab-escape unforget data --all/)
    expect(await there()).toEqual([ids[2], ids[1]])
    expectError(await sandbox.run(['unforget', 'data@t1']), 5, /No forgotten version data@t1 can be brought back/)
    await sandbox.ok('unforget', 'data@t0')
    expect(await there()).toEqual([...ids].reverse())

    await sandbox.ok('forget', 'data', '--all')
    expect(await newestIn()).toBeNull()
    await sandbox.ok('unforget', label(0), label(1))
    expect(await newestIn()).toBe(ids[1])
    const { restored } = await sandbox.json<Unforgotten>('unforget', 'data', '--all')
    expect(restored.map(({ version, tags }) => [version, tags])).toEqual([[ids[2], ['t2']]])
    expect(await newestIn()).toBe(ids[2])
    await sandbox.ok('prune', '--now')
    await sandbox.ok('check', '--read-data')
    await sandbox.ok('pull', 'data@t0', 'out')
    expect(readFileSync(sandbox.in('out', 'model.bin')).equals(seededNoise(1, 100_000))).toBe(true)
  })

  test('says what is gone for good, and does not bring back parts of it', async () => {
    makeTree(sandbox.in('data'), { 'more.txt': Buffer.from('more') })
    await sandbox.ok('push', 'data')
    await sandbox.ok('forget', 'data', '--keep-last', '1')
    await sandbox.ok('prune', '--now')
    // the version that stays has the file of the last one
    expect((await sandbox.ok('unforget')).stdout).toContain('Data of 2 forgotten versions was deleted for good.')
    const { list } = expectError(await sandbox.run(['unforget', 'data@t0']), 5, /The version can't be brought back/)
    expect(list).toEqual([`${label(0)}: 1 of 1 file is gone`])
    const some = await sandbox.run(['unforget', 'data'])
    expect([some.code, some.stderr]).toEqual([
      3,
      expect.stringContaining(`warning: ${label(1)}: 1 of 1 file is gone, so it was not brought back`),
    ])
    expect(some.stdout).toMatch(/^Brought back 1 version\n/)
    expect((await there()).slice(1)).toEqual([ids[2]])
    expect((await sandbox.ok('unforget')).stdout).toMatch(/^No forgotten version.*\nData of 2 forgotten versions/)
  })

  test('refuses what means no forgotten version', async () => {
    expectError(await sandbox.run(['unforget', 'data~1']), 2, /counts versions that are there/)
    expectError(await sandbox.run(['unforget', '--all']), 2, /--all needs a name/)
    expectError(await sandbox.run(['unforget', 'absent']), 5, /No forgotten version of absent can be brought back/)
    expectError(await sandbox.run(['unforget', label(0)]), 5, /No forgotten version/)
  })
})

describe('forget', () => {
  test('takes single versions, and no mixture with names or rules', async () => {
    const receipt = await sandbox.ok('forget', 'data@t0', 'data~0')
    expect(receipt.stdout).toMatch(/^Removed 2 versions of data, kept 1 version\n/)
    expect(await there()).toEqual([ids[1]])
    expectError(await sandbox.run(['forget', 'data@t1', 'data']), 2, /data@t1 is one version, and data is a name/)
    expectError(await sandbox.run(['forget', 'data@t1', '--keep-last', '1']), 2, /rules and --all don't go with it/)
    expectError(await sandbox.run(['forget', 'data@t1', '--all']), 2, /rules and --all don't go with it/)
    expectError(await sandbox.run(['forget', 'data@absent']), 5, /No version of data matches @absent/)
    expectError(await sandbox.run(['forget', `data@${new Date().toISOString().slice(0, 10)}Z`]), 2, /is a time/)
    expect((await sandbox.ok('forget', 'data@t1', '--dry-run')).stdout).toMatch(
      /^Dry run: would remove 1 version of data\n[^]*will be removed/,
    )
    expect((await sandbox.ok('forget', 'data@t1')).stdout).toMatch(/^Removed 1 version of data: the name is gone\n/)
    expect(await there()).toEqual([])
  })
})

describe('note', () => {
  interface Noted {
    message: string | null
    metrics: Record<string, number>
  }
  test('changes messages and metrics, which log, @best: and --keep-best see', async () => {
    const noted = await sandbox.json<Noted>('note', 'data@t0', '-m', 'evaluated', '--metric', 'acc=0.9', '--metric', 'loss=1')
    expect(noted).toMatchObject({ message: 'evaluated', metrics: { acc: 0.9, loss: 1 } })
    expect((await sandbox.ok('log', 'data')).stdout).toMatch(/ 0\.9 +1 +\[t0\] evaluated/)
    const { version } = await sandbox.json<{ version: string }>('ls', 'data@best:max:acc')
    expect(version).toBe(ids[0])
    await sandbox.ok('forget', 'data', '--keep-best', 'max:acc:1')
    expect(await there()).toEqual([ids[2], ids[0]])
    expect(await sandbox.json<Noted>('note', 'data@t0', '-m', '', '--metric', 'loss=')).toMatchObject({
      message: null,
      metrics: { acc: 0.9 },
    })
    expectError(await sandbox.run(['note', 'data']), 2, /Nothing to note/)
    expectError(await sandbox.run(['note', 'data', '--metric', 'acc=nan']), 2, /has no number/)
    expectError(await sandbox.run(['note', 'data', '--metric', 'acc=1', '--metric', 'acc=']), 2, /both set and removed/)
  })

  test('a push of unchanged data gives what it has to the newest version, and says so', async () => {
    const again = ['push', 'data', '--tag', 'new', '--tag', 't2', '--metric', 'acc=0.7', '-m', 'hello']
    const { stdout } = await sandbox.ok(...again)
    expect(stdout).toMatch(/^Nothing changed:.*\n {2}No new version; this one got: \[new\] acc=0\.7 hello\n/)
    const second = await sandbox.json<{ outcome: string; noted: object | null; metrics: object }>(...again)
    expect(second).toMatchObject({ outcome: 'unchanged', noted: null, metrics: { acc: 0.7 } })
    const { versions } = await sandbox.json<{ versions: { tags: string[]; message: string; metrics: object }[] }>('log', 'data')
    expect(versions).toHaveLength(3)
    expect(versions[0]).toMatchObject({ tags: ['t2', 'new'], message: 'hello', metrics: { acc: 0.7 } })
  })
})

describe('on a terminal', () => {
  const asked = /\[y\/N\] $/
  const inPty = (args: string[], answer?: string): Promise<PtyResult> =>
    runInPty(process.execPath, [PROGRAM, ...args, '--store', sandbox.store], {
      env: { COLAB_ESCAPE_CACHE: sandbox.in('cache'), NO_COLOR: '1' },
      ...(answer === undefined ? {} : { type: [{ after: asked, line: () => answer }] }),
    })

  test('forget --all asks, and only yes deletes', async () => {
    for (const answer of ['', 'n', 'what']) {
      const { output, exitCode } = await inPty(['forget', 'data', '--all'], answer)
      expect(output).toContain('Delete all 3 versions of data? [y/N] ')
      expect(output).toContain('note: nothing was deleted')
      expect(exitCode).toBe(1)
    }
    // the end of the input is no yes
    expect((await inPty(['forget', 'data', '--all', '--yes', '--dry-run'])).output).not.toContain('[y/N]')
    expect(await there()).toHaveLength(3)
    expect((await inPty(['forget', 'data', '--all'], 'y')).exitCode).toBe(0)
    expect(await there()).toHaveLength(0)
  })

  test('prune --now asks if something would go; --yes, --json and a pipe are not asked', async () => {
    await sandbox.ok('forget', 'data', '--keep-last', '1')
    const { output, exitCode } = await inPty(['prune', '--now'], 'n')
    expect(output).toMatch(/Delete for good: 20\d kB that no version needs, without waiting for other machines, and with it 2 forgotten/)
    expect(exitCode).toBe(1)
    await sandbox.ok('unforget', 'data')
    await sandbox.ok('forget', 'data', '--keep-last', '1')
    const json = await inPty(['prune', '--now', '--json'])
    expect([json.exitCode, json.output.includes('[y/N]')]).toEqual([0, false])
    // nothing is left to ask about
    expect((await inPty(['prune', '--now'])).exitCode).toBe(0)
    expect((await inPty(['forget', 'data', '--all', '-y'])).exitCode).toBe(0)
  })
})
