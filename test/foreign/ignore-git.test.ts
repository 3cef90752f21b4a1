import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { IGNORE_FILE } from '../../src/local/ignore-rules.ts'
import { walk } from '../../src/local/walk.ts'
import { decodeFileName, encodePath, fsPath } from '../../src/util/paths.ts'
import { withFolder } from '../helpers/folders.ts'
import { recordingReporter } from '../helpers/repository/test-store.ts'
import { seededRandom } from '../helpers/seeded.ts'
import { run } from './tools.ts'

const TREES = Number(process.env.IGNORE_TREES ?? 400)
const SEED = Number(process.env.IGNORE_SEED ?? 1)

type Random = (below: number) => number

const NAMES = 'a|b|A|ab|a.b|a b|b |#a|!a|a]|[a]|-|a-b|^|a\\|\\|*|?|é|e\u0301|日|\udce9|😀|~|1|b1|a\tb|a\u00a0'.split('|')
const PIECES = [
  ...'a|b|A|ab|.|1|-| |é|e\u0301|日|\udce9|😀|*|*|*|?|?|**|[ab]|[!a]|[^a]|[]a]|[!]a]|[a-b]|[b-a]|[a-]|[-a]|[!-]|[a|[]|[\\]]|[\\a-\\b]|[a-\\'.split(
    '|',
  ),
  ...'[[:alpha:]]|[[:digit:]b]|[![:upper:]]|[[:punct:]]|[[:space:]]|[[:foo:]]|[[:alpha]|[é]|[!é]|[à-ü]|[[.a.]]|[a/b]|[/]|\\a|\\*|\\?|\\[|\\]|\\\\|\\|\\ |\\#|\\!|#|!|]|^|\t|\u00a0'.split(
    '|',
  ),
]
const LINES = [
  '',
  ' ',
  '#a',
  '\\#a',
  '!a',
  '\\!a',
  '!',
  '/',
  '//',
  '!/',
  '**',
  '/**',
  '**/',
  '/*',
  '!/*',
  '*',
  '!*',
  '!*/',
  '*/',
  '\\',
  'a\\',
  'a ',
  'a\\ ',
  'a\\  ',
  '\ta',
  'a/**',
  '**/a',
  'a/**/b',
  'a**/b',
  '/a',
  '!/a/',
  './a',
  '../a',
  'a//b',
  '***',
  'a/***',
]

const pick = <T>(random: Random, from: readonly T[]): T => from[random(from.length)]!

function patternOf(random: Random): string {
  if (random(4) === 0) return pick(random, LINES)
  const name = (): string =>
    random(3) === 0 ? escaped(pick(random, NAMES)) : Array.from({ length: 1 + random(3) }, () => pick(random, PIECES)).join('')
  const names = Array.from({ length: 1 + random(3) }, () => (random(6) === 0 ? '**' : name()))
  return `${random(3) === 0 ? '!' : ''}${random(4) === 0 ? '/' : ''}${names.join('/')}${random(4) === 0 ? '/' : ''}${random(12) === 0 ? ' ' : ''}`
}

const escaped = (name: string): string => name.replace(/[\\*?[\]#! ]/g, '\\$&')

/** The files of a tree, with their content: ignore files at every level, and others. */
function treeOf(random: Random): Map<string, string> {
  const names = Array.from({ length: 2 }, () => pick(random, NAMES))
  const files = new Map<string, string>()
  const fill = (folder: string, depth: number): void => {
    if (depth === 0 || random(3) === 0) {
      const end = pick(random, ['\n', '\n', '\n', '\r\n'])
      const lines = Array.from({ length: 1 + random(6) }, () => patternOf(random))
      files.set(`${folder}${IGNORE_FILE}`, `${random(12) === 0 ? '\ufeff' : ''}${lines.join(end)}${random(4) === 0 ? '' : end}`)
    }
    for (const name of new Set([...names, pick(random, NAMES)])) {
      if (depth < 2 && random(2) === 0) fill(`${folder}${name}/`, depth + 1)
      else files.set(`${folder}${name}`, '')
    }
  }
  fill('', 0)
  return files
}

/** What is not ignored in each tree, by its number. */
type Kept = string[][]

const isRule = (path: string): boolean => path.endsWith(IGNORE_FILE) || path.endsWith('.gitignore')

/** Also what the walk notes of each tree. */
async function keptByWalk(root: string, trees: number): Promise<{ kept: Kept; notes: string[][] }> {
  const kept: Kept = []
  const all: string[][] = []
  for (let tree = 0; tree < trees; tree++) {
    const { reporter, notes } = recordingReporter()
    const { entries } = await walk(join(root, String(tree)), { reporter })
    all.push(notes)
    kept.push(entries.flatMap(({ path, type }) => (type === 'file' && !isRule(path) ? [path] : [])))
  }
  return { kept, notes: all }
}

function keptByGit(root: string, trees: number): Kept {
  const git = (...args: string[]): Buffer => execFileSync('git', args, { cwd: root, maxBuffer: 64 << 20 })
  run(root, 'git', 'init', '--quiet')
  const kept: Kept = Array.from({ length: trees }, () => [])
  const listed = git('-c', 'core.excludesFile=/dev/null', 'ls-files', '-o', '--exclude-standard', '-z')
  for (const path of decodeFileName(listed)
    .split('\0')
    .filter(path => path !== '' && !isRule(path))) {
    const [tree = '', ...names] = path.split('/')
    kept[Number(tree)]!.push(names.join('/'))
  }
  return kept
}

test(
  'what the ignore files of random trees leave out is what git leaves out',
  () =>
    withFolder(async root => {
      const draw = seededRandom(SEED)
      const random: Random = below => Math.floor(draw() * below)
      const trees = Array.from({ length: TREES }, () => treeOf(random))
      for (const [tree, files] of trees.entries()) {
        for (const [path, content] of files) {
          const local = `${root}/${tree}/${path}`
          mkdirSync(fsPath(dirname(local)), { recursive: true })
          writeFileSync(fsPath(local), encodePath(content))
          if (path.endsWith(IGNORE_FILE)) writeFileSync(fsPath(local.replace(IGNORE_FILE, '.gitignore')), encodePath(content))
        }
      }
      const { kept: ours, notes } = await keptByWalk(root, TREES)
      const git = keptByGit(root, TREES)
      const different = trees.flatMap((files, tree) => {
        const [mine, its] = [ours[tree]!, git[tree]!]
        const wrong = [
          ...mine.filter(path => !its.includes(path)).map(path => `+${path}`),
          ...its.filter(path => !mine.includes(path)).map(path => `-${path}`),
        ]
        return wrong.length === 0 ? [] : [{ wrong, rules: [...files].filter(([path]) => path.endsWith(IGNORE_FILE)) }]
      })
      expect(different.length, JSON.stringify(different.slice(0, 3), null, 1)).toBe(0)
      expect(ours.flat().length).toBeGreaterThan(TREES)
      // without the lines that have no effect, git leaves out the same
      let removed = 0
      for (const [tree, texts] of notes.entries())
        for (const [, line, file] of texts.join().matchAll(/line (\d+) of (.*?\.colab-escape-ignore), "/gs)) {
          const local = fsPath(`${root}/${tree}/${file!.replace(IGNORE_FILE, '.gitignore')}`)
          const lines = decodeFileName(readFileSync(local)).split('\n')
          lines[Number(line) - 1] = '#'
          writeFileSync(local, encodePath(lines.join('\n')))
          removed++
        }
      expect(removed).toBeGreaterThan(TREES / 10)
      expect(keptByGit(root, TREES)).toEqual(git)
    }),
  120_000,
)
