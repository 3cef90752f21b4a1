import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchesName } from '../../src/util/name-pattern.ts'

test.each([
  ['layers.0.*', 'layers.0.weight', true],
  ['layers.0.*', 'layers.01.weight', false],
  ['layers.0.*', 'model.layers.0.weight', false],
  ['*.bias', 'a.b/c.bias', true],
  ['layers.?.weight', 'layers.7.weight', true],
  ['layers.?.weight', 'layers.17.weight', false],
  ['layers.[0-3].*', 'layers.3.x', true],
  ['layers.[!0-3].*', 'layers.3.x', false],
  ['layers.[0357].*', 'layers.4.x', false],
  ['a[]]b', 'a]b', true],
  ['a[b', 'a[b', true],
  ['', '', true],
  ['*', '', true],
  ['größe.?', 'größe.🐈', true],
  ['exact', 'exact', true],
])('%s and %s: %s', (pattern, name, matches) => {
  expect(matchesName(pattern, name)).toBe(matches)
})

test('agrees with a regular expression', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '.', '*', '?'), maxLength: 12 })
  fc.assert(
    fc.property(text, fc.string({ unit: fc.constantFrom('a', 'b', '.'), maxLength: 12 }), (pattern, name) => {
      const source = pattern.replaceAll('.', '\\.').replaceAll('*', '.*').replaceAll('?', '.')
      expect(matchesName(pattern, name)).toBe(new RegExp(`^${source}$`).test(name))
    }),
    { seed: 1, numRuns: 2000 },
  )
})

test('takes no time to speak of with many stars', () => {
  expect(matchesName(`${'*a'.repeat(200)}b`, 'a'.repeat(5000))).toBe(false)
})
