import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IgnoreRules, pathFilter } from '../../src/local/ignore-rules.ts'
import { anyName } from '../helpers/repository/manifest-entries.ts'

function rules(files: Record<string, string>, excludes: string[] = []): (path: string) => boolean {
  const own = new IgnoreRules(excludes)
  for (const [folder, content] of Object.entries(files)) own.addFile(folder, content)
  return path => (path.endsWith('/') ? own.ignoredBy(path.slice(0, -1), true) : own.ignoredBy(path, false)) !== undefined
}

describe('ignore rules', () => {
  test.each([
    ['*.log', ['a.log', 'd/a.log', 'd/e/a.log', '.log'], ['a.log.txt', 'alog', 'A.LOG']],
    ['/a', ['a', 'a/'], ['d/a']],
    ['d/a', ['d/a'], ['e/d/a', 'a']],
    ['build/', ['build/', 'd/build/'], ['build', 'd/build']],
    ['**/x', ['x', 'a/x', 'a/b/x'], ['ax']],
    ['a/**', ['a/b', 'a/b/c'], ['a/', 'b/a/c']],
    ['*\n!keep', ['a', 'd/'], ['keep']],
    ['# a comment\n\n\\#file\n', ['#file'], ['# a comment', 'a']],
    ['\\!bang', ['!bang'], ['bang']],
    ['a b\r\nc\r\n', ['a b', 'c'], ['a', 'b']],
    ['trailing \\ \nspace   ', ['trailing  ', 'space'], ['trailing', 'space   ']],
    ['[ab].txt', ['a.txt', 'b.txt'], ['c.txt', '[ab].txt']],
    ['Ünï', ['Ünï', 'd/Ünï'], ['ünï']],
    // each of these is what git says
    ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b'], ['b', 'x/a/b', 'a/bb']],
    ['**/a/**/b/**', ['a/b/x', 'c/a/d/e/b/f/g'], ['a/b/', 'a/b', 'b/x']],
    // after a text without wildcards `**` is at the beginning
    ['a**/b', ['ab', 'a/b', 'ax/y/b'], ['b', 'xa/b', 'ab/c']],
    ['x/a**\n!x/a**', [], ['x/a', 'x/ab/c']],
    ['a?**/b', ['ax/b', 'axy/b'], ['axb', 'ax/y/b']],
    ['**\\/b', ['a/b', 'a/x/b'], ['b']],
    // a character that is no ASCII is several bytes, and git matches bytes
    ['caf?', ['cafe'], ['café', 'caf']],
    ['caf??', ['café', 'cafes'], ['cafe']],
    ['caf[é]', [], ['café', 'cafe']],
    ['[!a]', ['b', '\udce9'], ['é', 'a']],
    ['*\udca9', ['é', '©', 'x\udca9'], ['e\u0301']],
    ['caf\udce9', ['caf\udce9'], ['café']],
    ['a**b', ['ab', 'axxb', 'd/axb'], ['a/b', 'a/x/b']],
    ['a*/b', ['a/b', 'ax/b'], ['a/x/b', 'd/a/b']],
    ['/**', ['a', 'a/b'], []],
    ['d//a', [], ['d/a', 'd']],
    ['[]a]x', [']x', 'ax'], ['x', 'bx']],
    ['[!a-c]', ['d', '-', 'x/d'], ['a', 'b', 'dd']],
    ['[^[:digit:]x]', ['a', '['], ['1', 'x', '']],
    ['[[:nothing:]]', [], ['n', ':', ']']],
    ['[a', [], ['a', '[a']],
    ['[a-]', ['a', '-'], ['b']],
    ['[c-a]', ['c'], ['a', 'b']],
    ['[\\]]', [']'], ['\\']],
    ['a\\', [], ['a', 'a\\']],
    ['\\*', ['*'], ['a']],
    ['\ufeffa', ['a'], []],
    ['/', [], ['a', 'a/']],
  ])('%j', (patterns, ignored, kept) => {
    const ignores = rules({ '': patterns })
    expect(ignored.filter(path => !ignores(path))).toEqual([])
    expect(kept.filter(ignores)).toEqual([])
  })

  test('the deepest file that says something decides', () => {
    const ignores = rules({ '': '*.tmp\n!top.tmp', d: '!keep.tmp\n/only-here', 'd/e': 'keep.tmp\n*.txt' })
    expect(['a.tmp', 'd/a.tmp', 'd/e/keep.tmp', 'd/only-here', 'd/e/a.txt'].filter(path => !ignores(path))).toEqual([])
    expect(['top.tmp', 'd/top.tmp', 'd/keep.tmp', 'only-here', 'd/e/only-here', 'd/a.txt', 'f/keep.txt'].filter(ignores)).toEqual([])
  })

  test('a folder that a deeper file keeps is kept with what is in it', () => {
    const ignores = rules({ '': 'data', d: '!data' })
    expect([ignores('data'), ignores('d/data/'), ignores('d/data/x')]).toEqual([true, false, false])
  })

  test('a file of one folder says nothing about folders whose names begin alike', () => {
    const ignores = rules({ data: '*' })
    expect([ignores('data/x'), ignores('database'), ignores('database/x'), ignores('x/data/x')]).toEqual([true, false, false, false])
  })

  test('--exclude wins over whatever files say, its own negations count', () => {
    const ignores = rules({ '': '!secret.key', d: '!*.tmp' }, ['*.key', '*.tmp', '!kept.tmp', '/d/x'])
    expect(['secret.key', 'd/a.tmp', 'd/x'].filter(path => !ignores(path))).toEqual([])
    expect(['kept.tmp', 'd/kept.tmp', 'x'].filter(ignores)).toEqual([])
  })

  test.each([
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    './x',
    '..x',
    '...',
    'a\\b',
    'a\nb',
    ' ',
    '\u2028',
    '!',
    '#',
    '\udcff',
    '*',
    '[',
    '😀',
  ])('a file named %j is ignored by * alone', name => {
    for (const path of [name, `d/${name}`, `${name}/d`, `${name}/`]) {
      expect(rules({})(path)).toBe(false)
      expect(rules({ '': 'something-else' }, ['another'])(path)).toBe(false)
      expect(rules({ '': '*' })(path)).toBe(true)
      expect(rules({}, ['*'])(path)).toBe(true)
    }
  })

  test('any names and any patterns give an answer', () => {
    fc.assert(
      fc.property(
        fc.array(anyName, { minLength: 1, maxLength: 3 }),
        fc.array(
          fc.string({
            unit: fc.constantFrom('a', 'b', '*', '?', '[', ']', '!', '/', '\\', '-', '.', ' ', '{', '(', '+', '$', '^'),
            maxLength: 8,
          }),
        ),
        fc.boolean(),
        (parts, patterns, isDirectory) => {
          const own = new IgnoreRules(patterns)
          own.addFile('', patterns.join('\n'))
          expect([undefined, '--exclude', '.colab-escape-ignore']).toContain(own.ignoredBy(parts.join('/'), isDirectory))
        },
      ),
      { seed: 1, numRuns: 500 },
    )
  })
})

describe('the time that rules take', () => {
  const deep = Array.from({ length: 90 }, () => 'a').join('/')

  test('does not explode with `**`', () => {
    const ignores = rules({ '': `${'a/**/'.repeat(30)}b` })
    expect([ignores(`${deep}/b`), ignores(`${deep}/c`)]).toEqual([true, false])
  })

  test('does not depend on the number of patterns without wildcards', () => {
    const ignores = rules({ '': Array.from({ length: 100_000 }, (_, i) => `name-${i}\n/d/path-${i}\n!d/kept-${i}/`).join('\n') })
    for (let i = 0; i < 100_000; i++) {
      if (!ignores(`x/name-${i}`) || !ignores(`d/path-${i}`) || ignores(`x/path-${i}`) || ignores(`d/kept-${i}/`))
        throw new Error(String(i))
    }
  })

  test('is bounded: rules that ask for too much are refused', () => {
    const ignores = rules({ '': '*a*a*a*a*a*b*c\n'.repeat(10_000) })
    const name = 'a'.repeat(255)
    expect(() => Array.from({ length: 10_000 }, (_, i) => ignores(`${name}${i}`))).toThrow('would take too long')
  })

  test('and their memory are linear for a line that takes back a very deep path', () => {
    const own = new IgnoreRules()
    const before = process.memoryUsage().heapUsed
    own.addFile('', `!${'a/'.repeat(32_000)}b`)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100e6)
    expect(own.describeIdleLines()).toBeUndefined()
  })

  test('is linear for sets', () => {
    const ignores = rules({ '': `[${'[:'.repeat(200_000)}\n[${'\0-\x7f'.repeat(100_000)}]9\n[${'[:alpha:]'.repeat(20_000)}]x` })
    expect([ignores('59'), ignores('b'), ignores('bx')]).toEqual([true, false, true])
  })
})

describe('what --only and --exclude let through', () => {
  const paths = ['a.csv', 'a.txt', 'd/', 'd/b.csv', 'd/e/', 'd/e/c.csv', 'd/e/c.bin']
  const through = (only: string[], exclude: string[]): string[] => {
    const wanted = pathFilter(only, exclude)
    return paths.filter(path => (path.endsWith('/') ? wanted(path.slice(0, -1), true) : wanted(path, false)))
  }

  test.each([
    [[], [], paths],
    [['*.csv'], [], ['a.csv', 'd/b.csv', 'd/e/c.csv']],
    [['d/e'], [], ['d/e/', 'd/e/c.csv', 'd/e/c.bin']],
    [['d/'], ['*.bin'], ['d/', 'd/b.csv', 'd/e/', 'd/e/c.csv']],
    [[], ['d'], ['a.csv', 'a.txt']],
    [['/a.*', 'c.bin'], ['*.txt'], ['a.csv', 'd/e/c.bin']],
    [['nothing'], [], []],
  ])('--only %j --exclude %j', (only, exclude, expected) => expect(through(only, exclude)).toEqual(expected))
})
