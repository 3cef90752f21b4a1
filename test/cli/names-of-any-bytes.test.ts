import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withSandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'

/** By their bytes, as in `makeTree`. */
const NAMES = ['\xffdir/x', '\xfedir/x', 'nl\nname', 'nl\\nname', 'esc\x1b[31m', 'back\\slash', 'a\xff', 'a\\xff']

test('what ls prints, and what it gives in JSON, names every file', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), Object.fromEntries(NAMES.map(name => [name, `content of ${Buffer.from(name, 'latin1').toString('hex')}`])))
    await sandbox.ok('push', 'data')
    const files = (await sandbox.json<{ entries: { path: string; type: string }[] }>('ls', 'data', '-R')).entries.filter(
      ({ type }) => type === 'file',
    )
    expect(new Set(files.map(({ path }) => path)).size).toBe(NAMES.length)
    const printed = (await sandbox.ok('ls', 'data', '-R')).stdout
    for (const shown of ['\\xffdir/x', '\\xfedir/x', 'nl\\nname', 'nl\\\\nname', 'esc\\x1b[31m', 'back\\\\slash', 'a\\xff', 'a\\\\xff'])
      expect(
        printed.split('\n').some(line => line.endsWith(`  ${shown}`)),
        shown,
      ).toBe(true)
    const cat = async (path: string): Promise<string> =>
      Buffer.from((await sandbox.ok('cat', `data:${path}`)).stdout.replace('content of ', ''), 'hex').toString('latin1')
    expect(await cat('\\xffdir/x')).toBe('\xffdir/x')
    expect(await cat('nl\\nname')).toBe('nl\nname')
    expect(await cat('nl\\\\nname')).toBe('nl\\nname')
    // as a person types a name that has no other reading
    expect(await cat('back\\slash')).toBe('back\\slash')
    expect((await sandbox.ok('ls', 'data', '\\xfedir')).stdout).toContain('\\xfedir/x')
    await sandbox.ok('pull', 'data:\\xffdir', 'folder')
    expect(readFileSync(sandbox.in('folder/x'), 'utf8')).toMatch(/^content of ff/)
    await sandbox.ok('pull', 'data', 'some', '--only', 'nl\\nname', '--only', '\\xfedir')
    expect(readdirSync(sandbox.in('some'), { encoding: 'latin1' }).sort()).toEqual(['nl\nname', '\xfedir'])
    expect((await sandbox.ok('find', 'a\\xff')).stdout).toContain('data:a\\xff\n')
  }))
