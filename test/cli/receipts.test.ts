import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { withSandbox, type Sandbox } from '../helpers/cli.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'

const tiny = (count: number): Record<string, string> => Object.fromEntries(Array.from({ length: count }, (_, i) => [`${i}`, `file ${i}\n`]))

const linesOf = async (sandbox: Sandbox, ...args: string[]): Promise<string[]> => (await sandbox.ok(...args)).stdout.trimEnd().split('\n')

/** What belongs to --verbose. */
const INNER_WORDS = /request|pack|codec|delta|\bread\b(?! back)|already stored/

describe('the receipt of a push', () => {
  test('of tiny files does not count the list of files as content, and claims no saving', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), tiny(200))
      const receipt = await linesOf(sandbox, 'push', 'data')
      expect(receipt[1]).toBe('  200 files, 1.69 kB')
      expect(receipt[2]).toMatch(/^ {2}\S+ kB, with the list of files, stored in \S+ m?s$/)
      expect(receipt.join('\n')).not.toMatch(/saved|new\b(?!.*read back)/)
      expect(receipt.join('\n')).not.toMatch(INNER_WORDS)
      expect(await sandbox.json('push', 'data', '--name', 'again')).toMatchObject({ newContentBytes: 0, changes: null, mended: false })
    }))

  test('says what changed since the version before, also on a machine that has not seen that one', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { ...tiny(9), link: { link: '0' } })
      await sandbox.ok('push', 'data')
      for (const [i, forgetful] of [false, true].entries()) {
        if (forgetful) rmSync(sandbox.in('cache'), { recursive: true })
        makeTree(sandbox.in('data'), { [`new ${i}`]: `${i}`, '1': `changed ${i}`, '2': `also ${i}`, '3': `this too ${i}` })
        rmSync(sandbox.in('data', `${7 + i}`))
        const { changes } = await sandbox.json<{ changes: object }>('push', 'data', '--dry-run')
        expect(changes).toMatchObject({ changed: 3, added: 1, removed: 1, symlinks: 0 })
        const [, content, sent] = await linesOf(sandbox, 'push', 'data')
        expect(content).toMatch(/^ {2}3 changed, 1 new, 1 removed files; 9 files and 1 symlink, \d+ B in all$/)
        expect(sent).toMatch(/^ {2}.* stored in /)
      }
      rmSync(sandbox.in('data', 'link'))
      expect((await linesOf(sandbox, 'push', 'data'))[1]).toMatch(/^ {2}1 symlink changed; 9 files, \d+ B in all$/)
    }))

  test('of the first version says how much smaller it is, if it is of any size', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.txt': 'many equal lines\n'.repeat(100_000) })
      expect((await linesOf(sandbox, 'push', 'data'))[2]).toMatch(/^ {2}\S+ k?B(, with the list of files,)? stored in \S+ m?s, 99% saved$/)
    }))

  test('of unchanged files says with what they were compared', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), tiny(2))
      await sandbox.ok('push', 'data')
      const receipt = await linesOf(sandbox, 'push', 'data')
      expect(receipt[0]).toMatch(
        /^Nothing changed: data is identical to its newest version data@[0-9a-f]{8} of \d{4}-\d\d-\d\d \d\d:\d\d\.$/,
      )
      expect(receipt[1]).toMatch(/^ {2}2 files, 14 B, compared in /)
      expect(receipt.join('\n')).not.toMatch(INNER_WORDS)
    }))

  test('says that it mended what the store had lost', () =>
    withSandbox(async sandbox => {
      const noise = seededNoise(3, 400_000)
      await sandbox.folder('data')
      writeFileSync(sandbox.in('data', 'noise'), noise)
      await sandbox.ok('push', 'data')
      for (const name of readdirSync(sandbox.store)) if (name.startsWith('pack-')) rmSync(join(sandbox.store, name))
      const run = await sandbox.ok('push', 'data')
      expect(run.stdout).toMatch(/^Mended data@[0-9a-f]{8}: 40\d kB that the store lacked was stored again\n/)
      expect(run.stdout).not.toContain('Nothing changed')
      await sandbox.ok('check', '--read-data')
      expect((await sandbox.ok('push', 'data')).stdout).toMatch(/^Nothing changed/)
    }))

  test('tells requests, packs and the codec with --verbose', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), tiny(2))
      const { stderr } = await sandbox.ok('push', 'data', '--verbose')
      expect(stderr).toMatch(/ read; .* new .* in 1 pack; .* already stored; (native|portable) zstd; requests: \d/)
    }))
})

test('push and pull count files in the same way', () =>
  withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { ...tiny(5), 'a link': { link: '1' }, another: { link: 'a link' } })
    const [, pushed] = await linesOf(sandbox, 'push', 'data')
    const pulled = await linesOf(sandbox, 'pull', 'data', 'copy')
    expect(pushed).toMatch(/^ {2}5 files and 2 symlinks, /)
    expect(pulled[1]).toMatch(/^ {2}5 files and 2 symlinks written \(/)
    expect(pulled.join('\n')).not.toMatch(INNER_WORDS)
    expect((await linesOf(sandbox, 'pull', 'data', 'third', '--dry-run'))[0]).toContain('would write 5 files and 2 symlinks (')
  }))
