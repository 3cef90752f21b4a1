import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const SRC = join(import.meta.dirname, '../../src')

/** Calls of Node that make folders above the one that they are asked for. */
const MAKES_ABOVE = /\b(?:mkdir|mkdirSync)\((?:[^()]|\([^()]*\))*recursive|\b(?:cp|cpSync)\(/

test('the pattern knows the calls', () => {
  for (const code of ['mkdirSync(folder, { recursive: true })', 'await mkdir(dirname(path), {\n  recursive: true,\n})', 'cpSync(a, b)'])
    expect(code).toMatch(MAKES_ABOVE)
  for (const code of ['mkdirSync(path, { mode })', 'rmSync(folder, { recursive: true })']) expect(code).not.toMatch(MAKES_ABOVE)
})

test('folders are made by makeFolder alone: Node never ends where a system answers ENOENT below a folder that is there', () => {
  const files = (readdirSync(SRC, { recursive: true }) as string[]).filter(name => name.endsWith('.ts'))
  expect(files.length).toBeGreaterThan(200)
  expect(files.filter(name => MAKES_ABOVE.test(readFileSync(join(SRC, name), 'utf8')))).toEqual([])
})
