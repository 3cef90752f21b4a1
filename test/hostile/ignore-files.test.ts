import { mkdirSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { expectError, withSandbox, type Sandbox } from '../helpers/cli.ts'

const IGNORE_FILE = '.colab-escape-ignore'

/** A source with an ignore file and some files below `folder`. */
function makeSource(sandbox: Sandbox, patterns: string, folder: string, names: readonly string[]): string {
  const source = sandbox.in('source')
  mkdirSync(`${source}/${folder}`, { recursive: true })
  writeFileSync(`${source}/${IGNORE_FILE}`, patterns)
  for (const name of names) writeFileSync(`${source}/${folder}/${name}`, 'x')
  return source
}

describe('An ignore file never keeps a push busy for longer than its patterns and the paths are long', () => {
  test('with `**` upon `**` in a deep folder', () =>
    withSandbox(async sandbox => {
      const folder = Array.from({ length: 90 }, () => 'a').join('/')
      const source = makeSource(sandbox, `${'a/**/'.repeat(12)}b\n`, folder, ['b', 'c'])
      expect(await sandbox.json('push', source)).toMatchObject({ files: 2 })
    }))

  test('with thousands of names', () =>
    withSandbox(async sandbox => {
      const patterns = Array.from({ length: 8_000 }, (_, i) => `f${i}`).join('\n')
      const source = makeSource(sandbox, patterns, 'd', ['f7', 'f7999', 'g'])
      expect(await sandbox.json('push', source)).toMatchObject({ files: 2 })
    }))

  test('with thousands of patterns full of stars and long names: the push ends and says why', () =>
    withSandbox(async sandbox => {
      const names = Array.from({ length: 300 }, (_, i) => `${'a'.repeat(240)}${i}`)
      const source = makeSource(sandbox, '*a*a*aa*b*c\n'.repeat(5_000), 'd', names)
      const { hint } = expectError(await sandbox.run(['push', source]), 2, /would take too long/)
      expect(hint).toContain(IGNORE_FILE)
    }))
})
