import { readdirSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

/** Every promise that docs/security.md makes, as "file: promise". */
function promised(): string[] {
  const text = readFileSync('docs/security.md', 'utf8')
  return [...text.matchAll(/^- (.+)\. \(\[[\w-]+\]\(\.\.\/(test\/hostile\/[\w-]+\.test\.ts)\)\)$/gm)].map(
    ([, promise, file]) => `${file}: ${promise}`,
  )
}

/** The title of every suite of test/hostile, and of every test outside of one, as "file: title". */
function tested(): string[] {
  return readdirSync('test/hostile').flatMap(name => {
    const file = `test/hostile/${name}`
    const titles = readFileSync(file, 'utf8').matchAll(/^(?:describe|test)(?:\.\w+\(.*\))?\((['"`])(.+)\1, /gm)
    return [...titles].map(([, , title]) => `${file}: ${title}`)
  })
}

test('docs/security.md promises what the suites of test/hostile are called, and no more', () => {
  expect(tested().length).toBeGreaterThan(20)
  expect(promised().sort()).toEqual(tested().sort())
})

test('each file of test/hostile keeps a promise', () => {
  const files = new Set(promised().map(each => each.slice(0, each.indexOf(':'))))
  expect([...files].sort()).toEqual(
    readdirSync('test/hostile')
      .map(name => `test/hostile/${name}`)
      .sort(),
  )
})
