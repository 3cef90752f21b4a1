import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { GoogleError } from './errors.ts'
import { parseQuery } from './query-language.ts'
import type { Searchable } from './query-language.ts'

const file: Searchable = {
  name: 'HelloWorld of Tests.txt',
  mimeType: 'text/plain',
  createdTime: Date.UTC(2026, 0, 1),
  modifiedTime: Date.UTC(2026, 5, 4, 12),
  trashed: false,
  starred: true,
  sharedWithMe: false,
  parents: ['folder1'],
  target: undefined,
  owners: ['a@example.com'],
  appProperties: { kind: 'pack' },
  properties: {},
}

const resolve = (alias: string) => ({ root: 'root-id', me: 'a@example.com' })[alias] ?? alias
const matches = (q: string) => parseQuery(q, resolve).matches(file)

describe('q', () => {
  it.each([
    ["name = 'HelloWorld of Tests.txt'", true],
    ["name = 'helloworld OF tests.txt'", true],
    ["name != 'x'", true],
    ["name contains 'hello'", true],
    ["name contains 'Tests'", true],
    ["name contains 'World'", false],
    ["mimeType='text/plain'", true],
    ["mimeType != 'text/plain'", false],
    ["mimeType contains 'text/'", true],
    ["'folder1' in parents", true],
    ["'root' in parents", false],
    ["'me' in owners", true],
    ['trashed=false', true],
    ['trashed != false', false],
    ['starred = true', true],
    ['sharedWithMe', false],
    ['sharedWithMe = false', true],
    ['(sharedWithMe) or trashed=false', true],
    ["modifiedTime > '2026-06-04T11:59:59'", true],
    ["modifiedTime <= '2026-06-04T12:00:00Z'", true],
    ["modifiedTime < '2026-06-04T14:00:00+02:00'", false],
    ["createdTime >= '2026-01-01'", true],
    ["appProperties has { key='kind' and value='pack' }", true],
    ["appProperties has { key='kind' and value='tomb' }", false],
    ["not name contains 'hello'", false],
    ["not (trashed=true or name='x') and starred=true", true],
    // from left to right: (true or true) and false
    ["starred=true or name='x' and trashed=true", false],
    ["starred=true or (name='x' and trashed=true)", true],
  ])('%s is %s', (q, expected) => {
    expect(matches(q)).toBe(expected)
  })

  it('finds any name by its escaped text', () => {
    fc.assert(
      fc.property(fc.string(), name => {
        const q = `name = '${name.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}' and 'folder1' in parents`
        expect(parseQuery(q, resolve).matches({ ...file, name })).toBe(true)
        expect(parseQuery(q, resolve).matches({ ...file, name: `${name}!` })).toBe(false)
      }),
    )
  })

  it('tells which folders it asks about, aliases resolved', () => {
    expect(parseQuery("'root' in parents or 'b' in parents", resolve).parents).toEqual(['root-id', 'b'])
  })

  it.each([
    "id = 'x'",
    "title = 'x'",
    "name like 'x'",
    "name > 'x'",
    'name = x',
    'name = "x"',
    "name = 'x",
    "name = 'a\\nb'",
    "name = 'x' and",
    "name = 'x' name = 'y'",
    "(name = 'x'",
    "name = 'x')",
    "trashed = 'false'",
    'trashed contains true',
    "'x' in folders",
    "'x' parents",
    "modifiedTime > 'yesterday'",
    "modifiedTime contains '2026'",
    "fullText contains 'x'",
    "appProperties has { key='k' }",
    "name = 'x' && trashed = false",
    "NAME = 'x'",
    "name = 'x' AND trashed = false",
    'not',
    '()',
    'constructor = 1',
  ])('%s is refused', q => {
    let error: unknown
    try {
      matches(q)
    } catch (caught) {
      error = caught
    }
    expect(error).toBeInstanceOf(GoogleError)
    expect(error).toMatchObject({ status: 400, reason: 'invalid', details: { location: 'q' } })
  })
})
