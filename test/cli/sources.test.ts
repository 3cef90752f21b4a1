import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { expectError, type Sandbox, withSandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'

interface Version {
  version: string
  source: { path: string }
}

const sourcesOf = async (sandbox: Sandbox): Promise<string[]> => {
  const { versions } = await sandbox.json<{ versions: Version[] }>('log', 'checkpoints')
  return versions.map(({ source }) => source.path.slice(sandbox.path.length + 1))
}

async function pushed(sandbox: Sandbox, folder: string, content: string, ...rules: string[]): Promise<string> {
  makeTree(sandbox.in(folder), { file: content })
  return (await sandbox.ok('push', folder, ...rules)).stdout
}

test('two sources of one name in one command are refused before anything is stored', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.path, { 'exp1/checkpoints/a': '1', 'exp2/checkpoints/a': '2' })
    const run = await sandbox.run(['push', 'exp1/checkpoints', 'exp2/checkpoints', '--keep-last', '1'])
    const { hint } = expectError(run, 2, /exp1\/checkpoints and exp2\/checkpoints would both be versions of checkpoints/)
    expect(hint).toMatch(/--name/)
    expect(existsSync(sandbox.store)).toBe(false)
    // one source twice is one source
    await sandbox.ok('push', 'exp1/checkpoints', './exp1/checkpoints/')
    expect(await sourcesOf(sandbox)).toEqual(['exp1/checkpoints'])
  }))

test('of several paths none is pushed if one does not exist', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.path, { 'a/file': '1', 'b/file': '2' })
    expectError(await sandbox.run(['push', 'a', 'nowhere', 'b']), 5, /nowhere does not exist, so nothing was pushed/)
    expect(existsSync(sandbox.store)).toBe(false)
  }))

test('a push forgets only versions of its own source', () =>
  withSandbox(async sandbox => {
    await pushed(sandbox, 'exp1/checkpoints', '1')
    expect(await pushed(sandbox, 'exp2/checkpoints', '2', '--keep-last', '1')).not.toMatch(/forgot/)
    expect(await pushed(sandbox, 'exp2/checkpoints', '3', '--keep-last', '1')).toMatch(/forgot 1 older version/)
    expect(await sourcesOf(sandbox)).toEqual(['exp2/checkpoints', 'exp1/checkpoints'])
    expect(await pushed(sandbox, 'exp1/checkpoints', '4', '--keep-last', '1')).toMatch(/forgot 1 older version/)
    expect(await sourcesOf(sandbox)).toEqual(['exp1/checkpoints', 'exp2/checkpoints'])
  }))

test('forget keeps the versions of each source by its rules, and says so', () =>
  withSandbox(async sandbox => {
    for (const content of ['1', '2']) await pushed(sandbox, 'exp1/checkpoints', content)
    for (const content of ['3', '4', '5']) await pushed(sandbox, 'exp2/checkpoints', content)
    const { stdout } = await sandbox.ok('forget', 'checkpoints', '--keep-last', '1')
    expect(stdout).toMatch(
      /Removed 3 versions of checkpoints, kept 2 versions\n.*was pushed from 2 sources; the rules hold for the versions of each/,
    )
    expect(stdout).toContain(sandbox.in('exp1/checkpoints'))
    expect(await sourcesOf(sandbox)).toEqual(['exp2/checkpoints', 'exp1/checkpoints'])
    // of one source there is nothing to say about sources
    renameSync(sandbox.in('exp1'), sandbox.in('exp3'))
    await sandbox.ok('forget', 'checkpoints', '--all')
    await pushed(sandbox, 'exp3/checkpoints', '6')
    expect((await sandbox.ok('forget', 'checkpoints', '--keep-last', '1')).stdout).not.toMatch(/source/)
  }))

test('a metric without a number costs neither the version nor the other metrics', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('checkpoints'), { a: '1' })
    for (const [i, value] of ['nan', 'inf', '-Infinity', '', 'None'].entries()) {
      writeFileSync(sandbox.in('checkpoints/a'), `${i}`)
      const run = await sandbox.ok('push', 'checkpoints', '--metric', `val_loss=${value}`, '--metric', 'acc=0.5')
      expect(run.stderr).toBe(`warning: --metric val_loss=${value} has no number, so it was left out\n`)
    }
    const { versions } = await sandbox.json<{ versions: { metrics: object }[] }>('log', 'checkpoints')
    expect(versions.map(({ metrics }) => metrics)).toEqual(Array.from({ length: 5 }, () => ({ acc: 0.5 })))
    expectError(await sandbox.run(['ls', 'checkpoints@best:val_loss']), 5, /No version of checkpoints has the metric/)
  }))
