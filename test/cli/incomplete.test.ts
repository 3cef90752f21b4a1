import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { expectError, resultOf, type CliResult, type Sandbox, withSandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'

/** Permissions bind this user, not root. */
const NOBODY = 65534

interface Version {
  version: string
  incomplete: { files: number; carried: number; folders?: number } | null
  counts: { files: number }
}

/** A sandbox in which nobody may write. */
function withOpenSandbox(use: (sandbox: Sandbox) => Promise<void>): Promise<void> {
  return withSandbox(async sandbox => {
    chmodSync(sandbox.path, 0o777)
    await use(sandbox)
  })
}

const as = (sandbox: Sandbox, ...args: string[]): Promise<CliResult> => sandbox.run(args, { uid: NOBODY })
const log = async (sandbox: Sandbox, name = 'data'): Promise<Version[]> =>
  (await sandbox.json<{ versions: Version[] }>('log', name)).versions
const textOf = (sandbox: Sandbox, ...path: string[]): string => readFileSync(sandbox.in(...path), 'utf8')

/** Pushes as nobody; the push must end with `code`. */
async function push(sandbox: Sandbox, code: number, ...args: string[]): Promise<CliResult> {
  const run = await as(sandbox, 'push', 'data', ...args)
  expect(run.code, run.stdout + run.stderr).toBe(code)
  return run
}

test('what can not be read is kept as the version before has it, and the version says so', () =>
  withOpenSandbox(async sandbox => {
    const tree = { 'best.pt': 'best', 'log.txt': 'one', 'runs/a/x': 'x', 'runs/b': 'b', 'runs/link': { link: 'b' } }
    makeTree(sandbox.in('data'), tree)
    await push(sandbox, 0)
    writeFileSync(sandbox.in('data', 'log.txt'), 'two')
    makeTree(sandbox.in('data'), { new: { file: 'new', mode: 0 } })
    chmodSync(sandbox.in('data', 'best.pt'), 0)
    chmodSync(sandbox.in('data', 'runs'), 0)

    // nobody knows whether these changed, and none was removed
    for (const args of [
      ['status', 'data'],
      ['diff', 'data', './data'],
    ]) {
      const compared = await as(sandbox, ...args, '--all')
      expect(compared.code).toBe(3)
      expect(compared.stdout).toMatch(/log\.txt/)
      expect(compared.stdout).not.toMatch(/removed|runs\/|best\.pt/)
      expect(compared.stdout).toMatch(/^t .*runs$/m)
    }

    const [first] = await log(sandbox)
    const told = await push(sandbox, 3, '--keep-last', '1')
    expect(told.stdout).toMatch(/5 files could not be saved/)
    expect(told.stdout).toContain(`4 kept as in data@${first!.version.slice(0, 8)}: best.pt, runs/a/x, runs/b, runs/link`)
    expect(told.stdout).toMatch(/1 missing: new\n/)
    expect(told.stdout).toMatch(/no older version was forgotten, because/)
    const versions = await log(sandbox)
    expect(versions.map(({ incomplete }) => incomplete)).toEqual([{ files: 5, carried: 4 }, null])
    expect((await sandbox.ok('log', 'data')).stdout).toMatch(/\(incomplete: 1 file missing, 4 from an earlier version\)/)
    expect((await sandbox.ok('ls', 'data')).stderr).toMatch(/note: data@\w+ is incomplete: 1 file missing/)

    const pulled = await sandbox.ok('pull', 'data', 'out')
    expect(pulled.stdout).toMatch(/the version is incomplete: 1 file missing, 4 from an earlier version/)
    expect([textOf(sandbox, 'out/best.pt'), textOf(sandbox, 'out/log.txt'), textOf(sandbox, 'out/runs/a/x')]).toEqual(['best', 'two', 'x'])
    expect(await sandbox.json('check', '--read-data')).toMatchObject({ damaged: false })

    // nothing is new: no version, and no claim that everything is in it
    const again = await as(sandbox, 'push', 'data', '--keep-last', '1', '--json')
    expect(again.code).toBe(3)
    expect(resultOf(again)).toMatchObject({ outcome: 'unchanged', failed: 5, missingFiles: ['new'], forgotten: 0 })
    expect((await push(sandbox, 3)).stdout).toMatch(/^No new version: what could be read of data is as in data@/)

    expect((await as(sandbox, 'status', 'data')).stdout).toMatch(/^Nothing to push: what could be read of /)
    expect((await as(sandbox, 'diff', 'data', './data')).stdout).toMatch(/ are equal in what could be read\./)

    // as soon as everything can be read there is a complete version, and the rules hold again
    for (const path of ['best.pt', 'new']) chmodSync(sandbox.in('data', path), 0o644)
    chmodSync(sandbox.in('data', 'runs'), 0o755)
    await push(sandbox, 0, '--keep-last', '1')
    expect((await log(sandbox)).map(({ incomplete }) => incomplete)).toEqual([null])
  }))

test('a version that got all its rows from the one before becomes complete when they can be read', () =>
  withOpenSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { a: 'a', b: 'b' })
    await push(sandbox, 0)
    makeTree(sandbox.in('data'), { c: 'c' })
    chmodSync(sandbox.in('data', 'a'), 0)
    await push(sandbox, 3)
    chmodSync(sandbox.in('data', 'a'), 0o644)
    await push(sandbox, 0)
    expect((await log(sandbox)).map(({ incomplete }) => incomplete)).toEqual([null, { files: 1, carried: 1 }, null])
    await push(sandbox, 0)
    expect(await log(sandbox)).toHaveLength(3)
  }))

test('where no file can be read there is no version, and nothing is forgotten', () =>
  withOpenSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { a: 'a', 'sub/b': 'b' })
    await push(sandbox, 0)
    chmodSync(sandbox.in('data', 'a'), 0)
    chmodSync(sandbox.in('data', 'sub'), 0)
    expectError(await as(sandbox, 'push', 'data', '--keep-last', '1'), 1, /No file in .*data could be read, so no version was made/)
    expectError(await as(sandbox, 'push', 'data', '--dry-run'), 1, /so no version was made/)
    expect(await log(sandbox)).toHaveLength(1)
    expect(await log(sandbox)).toMatchObject([{ incomplete: null, counts: { files: 2 } }])
    // a source that is really empty is a version
    rmSync(sandbox.in('data'), { recursive: true })
    mkdirSync(sandbox.in('data'))
    await push(sandbox, 0)
    expect(await log(sandbox)).toMatchObject([{ incomplete: null, counts: { files: 0 } }, {}])
  }))

test('only a version of the same source is a source of what can not be read', () =>
  withOpenSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { secret: 'of data', other: '1' })
    makeTree(sandbox.in('elsewhere/data'), { secret: 'of elsewhere', more: '1' })
    await push(sandbox, 0)
    await sandbox.ok('push', 'elsewhere/data')
    chmodSync(sandbox.in('data', 'secret'), 0)
    writeFileSync(sandbox.in('data', 'other'), '2')
    await push(sandbox, 3)
    await sandbox.ok('pull', 'data', 'out')
    expect(readdirSync(sandbox.in('out')).sort()).toEqual(['other', 'secret'])
    expect(textOf(sandbox, 'out/secret')).toBe('of data')
  }))

test('a path that was a folder and is a file that can not be read is missing', () =>
  withOpenSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { 'was/in': '1', other: '1' })
    await push(sandbox, 0)
    rmSync(sandbox.in('data/was'), { recursive: true })
    makeTree(sandbox.in('data'), { was: { file: 'x', mode: 0 } })
    const run = await push(sandbox, 3)
    expect(run.stdout).toMatch(/1 missing: was\n/)
    expect(await log(sandbox)).toMatchObject([{ incomplete: { files: 1, carried: 0 }, counts: { files: 1 } }, {}])
  }))

test('pull --delete from a version that lacks files deletes nothing without --force', () =>
  withOpenSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { a: 'a', secret: { file: 's', mode: 0 } })
    await push(sandbox, 3)
    makeTree(sandbox.in('out'), { secret: 'the only copy' })
    const run = await sandbox.run(['pull', 'data', 'out', '--delete'])
    expect(run.code).toBe(3)
    expect(run.stderr).toMatch(/warning: data@\w+ is incomplete: 1 file missing: .* nothing is deleted without --force/)
    expect(textOf(sandbox, 'out/secret')).toBe('the only copy')
    expect(textOf(sandbox, 'out/a')).toBe('a')
    await sandbox.ok('pull', 'data', 'out', '--delete', '--force')
    expect(existsSync(sandbox.in('out/secret'))).toBe(false)
  }))

test('forget keeps complete versions instead of incomplete ones', () =>
  withOpenSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { a: '0', secret: 's' })
    await push(sandbox, 0, '--metric', 'loss=0.5')
    chmodSync(sandbox.in('data', 'secret'), 0)
    for (const step of ['1', '2']) {
      writeFileSync(sandbox.in('data', 'a'), step)
      await push(sandbox, 3, '--metric', 'loss=0.1')
    }
    const rules = [
      ['--keep-last', '1'],
      ['--keep-daily', '1'],
      ['--keep-best', 'loss:1'],
    ]
    for (const rule of rules) {
      const { names } = await sandbox.json<{ names: { kept: { version: string }[] }[] }>('forget', 'data', ...rule, '--dry-run')
      expect(
        names[0]!.kept.map(({ version }) => version),
        rule[0],
      ).toContain((await log(sandbox)).at(-1)!.version)
    }
    chmodSync(sandbox.in('data', 'secret'), 0o644)
    await push(sandbox, 0)
    await sandbox.ok('forget', 'data', '--keep-last', '1')
    expect(await log(sandbox)).toMatchObject([{ incomplete: null }])
  }))

test('a folder of which nothing is known is no file, and the rest is not said to be all', () =>
  withOpenSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { a: '0', 'closed/1': '1', 'closed/2': '2', secret: { file: 's', mode: 0 } })
    chmodSync(sandbox.in('data', 'closed'), 0)
    const run = await push(sandbox, 3)
    expect(run.stdout).toMatch(/^ {2}1 file and 1 folder of unknown content could not be saved \(see the warnings\)/m)
    expect((await log(sandbox))[0]!.incomplete).toEqual({ files: 2, carried: 0, folders: 1 })
    expect((await sandbox.ok('log', 'data')).stdout).toContain('(incomplete: 1 file and 1 folder of unknown content missing)')
    chmodSync(sandbox.in('data', 'closed'), 0o755)
  }))
