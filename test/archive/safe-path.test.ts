import { resolve, sep } from 'node:path'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { safePath } from '../../src/archive/safe-path.ts'
import { leadsOutside } from '../../src/local/leads-outside.ts'

it.each([
  ['data/a.txt', ['data', 'a.txt']],
  ['./data//b/', ['data', 'b']],
  ['./', []],
  ['a\\b', ['a\\b']],
  ['..a/b..', ['..a', 'b..']],
  ['12:30/x', ['12:30', 'x']],
])('%j is below the destination', (name, names) => {
  expect(safePath(name, false)).toEqual({ kind: 'safe', names })
})

it.each(['/etc/passwd', '//x', '../x', 'a/../../x', 'a/..', '..', 'C:/x', 'c:\\x', 'C:', 'a\0b'])('%j is refused', name => {
  expect(safePath(name, false).kind).toBe('refused')
})

it.each(['..\\x', '\\\\server\\share', '\\x', 'a:stream', 'a\\..\\..\\x', 'D:x'])('%j is refused on Windows', name => {
  expect(safePath(name, true).kind).toBe('refused')
})

it.each(['con', 'dir/NUL.txt', 'x/aux/y', 'dot./x', 'space /x', '... /x', 'lpt\u00b9', 'what?'])('%j is no name on Windows', name => {
  expect(safePath(name, true)).toEqual({ kind: 'refused', reason: 'Windows does not allow its name' })
  expect(safePath(name, false).kind).toBe('safe')
})

it('no name that is let through leads out of the destination', () => {
  const part = fc.constantFrom('..', '.', '', 'a', '...', 'C:', '\\', 'b c')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.boolean(), (pieces, slashed) => {
      const checked = safePath((slashed ? '/' : '') + pieces.join('/'), false)
      if (checked.kind === 'refused') return
      const path = resolve('/dest', ...checked.names)
      expect(path === '/dest' || path.startsWith(`/dest${sep}`)).toBe(true)
    }),
  )
})

it.each([
  [['data', 'link'], 'other', false],
  [['data', 'link'], '../other', false],
  [['data', 'link'], '../../other', true],
  [['data', 'link'], 'a/../../../x', true],
  [['link'], '/etc', true],
  [['link'], 'C:\\x', true],
])('a symlink at %j to %j leads outside: %j', (parts, target, outside) => {
  expect(leadsOutside(parts, target)).toBe(outside)
})

it('refuses a name longer than any path', () => {
  expect(safePath('a/'.repeat(2048), false).kind).toBe('safe')
  expect(safePath(`${'a/'.repeat(2048)}b`, false)).toEqual({ kind: 'refused', reason: 'its name is longer than 4096 bytes' })
})
