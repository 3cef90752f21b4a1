import fc from 'fast-check'
import { expect, test } from 'vitest'
import { pathMatcher } from '../../src/local/ignore-rules.ts'
import { jsonPath, shownPath } from '../../src/ui/shown-path.ts'
import { namedPaths } from '../../src/util/named-path.ts'
import { decodeFileName } from '../../src/util/paths.ts'

/** Names of any bytes, many of them with what is escaped and with what looks like an escape. */
const path = fc
  .array(
    fc.oneof(
      fc.constantFrom('\\', '\\n', '\n', '\\xff', '\\u202e', '\u202e', '\u{e0001}', 'é', 'a', '/', '\x1b', '\x80'),
      fc.string({ unit: 'binary' }),
    ),
  )
  .chain(parts =>
    fc
      .uint8Array({ maxLength: 4 })
      .map(bytes =>
        decodeFileName(Buffer.concat([Buffer.from(parts.join('')), bytes, Buffer.from(bytes.length > 2 ? ' ' : 'x')])).replaceAll('\0', ''),
      ),
  )

test('what is printed of a path is one line, and names this path', () => {
  fc.assert(
    fc.property(path, original => {
      expect(shownPath(original)).not.toMatch(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]| $/u)
      expect(namedPaths(shownPath(original))[0]).toBe(original)
      expect(jsonPath(original).isWellFormed()).toBe(true)
      expect(namedPaths(jsonPath(original))[0]).toBe(original)
    }),
  )
})

test.each([
  ['nl\nname', 'nl\\nname'],
  ['nl\\nname', 'nl\\\\nname'],
  ['\udcffdir/x', '\\xffdir/x'],
  ['\u0085', '\\u0085'],
  ['\u{e0041}', '\\u{e0041}'],
  ['café', 'café'],
  ['two  ', 'two \\x20'],
  [' a b', ' a b'],
])('%j is printed as %s', (original, printed) => {
  expect(shownPath(original)).toBe(printed)
})

test('a text that is no escape is the name itself, and may be it in any case', () => {
  expect(namedPaths('plain')).toEqual(['plain'])
  expect(namedPaths('C\\dir')).toEqual(['C\\dir'])
  expect(namedPaths('a\\nb')).toEqual(['a\nb', 'a\\nb'])
  expect(namedPaths('\\u{ffffff}')).toEqual(['\\u{ffffff}'])
  // bytes that are a character together
  expect(namedPaths('\\xc3\\xa9')[0]).toBe('é')
})

test('patterns may have the same escapes, and keep their own', () => {
  const matches = (pattern: string, name: string): boolean => pathMatcher([pattern])(name, false)
  expect(matches('\\xff*', '\udcffdir')).toBe(true)
  expect(matches('\\xff*', '\udcfedir')).toBe(false)
  expect(matches('nl\\nname', 'nl\nname')).toBe(true)
  expect(matches('a\\\\nb', 'a\\nb')).toBe(true)
  expect(matches('a\\\\nb', 'a\nb')).toBe(false)
  expect(matches('end\\x20', 'end ')).toBe(true)
  expect(matches('end\\x20', 'end')).toBe(false)
  expect(matches('\\x2a', '*')).toBe(true)
  expect(matches('\\x2a', 'x')).toBe(false)
  expect(matches('\\*', '*')).toBe(true)
  expect(matches('\\*', 'x')).toBe(false)
})
