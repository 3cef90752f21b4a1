import { IgnoreRules, pathFilter } from '../../../src/local/ignore-rules.ts'
import { matchesName } from '../../../src/util/name-pattern.ts'
import { promise, type Target } from '../target.ts'

/** The last line is a path, the others are an ignore file. */
export const ignoreRules: Target = {
  name: 'ignore-rules',
  // the time is proportional to the product of a pattern and a path, which has at most 4096 characters here
  workPerByte: 20_000,
  seeds: () =>
    [
      '*.log\n!keep.log\na/b.log',
      '/build/\n**/node_modules/**\nx/node_modules/y',
      '# comment\n\\#a\n[a-c]?\\ \nab',
      'a**b/**/c\n!a/\na/x/b/c',
    ].map(text => Buffer.from(text)),
  run(input) {
    const lines = Buffer.from(input).toString('utf8').split('\n')
    // a path has no empty part, `.` or `..`, and is not longer than systems allow
    const path = lines
      .pop()!
      .split('/')
      .filter(part => !['', '.', '..'].includes(part))
      .join('/')
      .slice(0, 4096)
    if (path === '' || path.includes('\0')) return
    const rules = new IgnoreRules(lines.slice(0, 1))
    rules.addFile('', lines.join('\n'))
    const results = [
      rules.ignoredBy(path, false) !== undefined,
      rules.ignoredBy(path, true) !== undefined,
      pathFilter(lines.slice(0, 2), lines.slice(2, 4))(path, false),
    ]
    promise(
      results.every(result => typeof result === 'boolean'),
      'a rule ignores a path or not',
    )
  },
}

/** The first line is a pattern, the second a name. */
export const namePattern: Target = {
  name: 'name-pattern',
  // the time is proportional to the product of both lengths
  workPerByte: 20_000,
  seeds: () =>
    ['*.weight\nlayer.0.weight', 'a[!b-d]?\nace', '[]a]*\n]x', '*a*b*c\nxaybzc', '[a-\u{1f600}]\nü'].map(text => Buffer.from(text)),
  run(input) {
    const [pattern = '', name = ''] = Buffer.from(input).toString('utf8').slice(0, 2000).split('\n')
    matchesName(pattern, name)
    promise(matchesName('*', name) && matchesName('?'.repeat(Array.from(name).length), name), 'stars and question marks match')
    if (!/[*?[]/.test(name)) promise(matchesName(name, name), 'a literal matches itself', name)
    if (!/[*?[]/.test(pattern)) promise(matchesName(pattern, name) === (pattern === name), 'a literal matches nothing else', pattern, name)
  },
}
