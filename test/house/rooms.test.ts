import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { expect, test } from 'vitest'
import { MAIN_FILES, ROOMS } from '../../scripts/rooms.mjs'

const ROOT = join(import.meta.dirname, '../..')
const FILES_OF_SRC: Record<string, string> = { 'settings.ts': 'settings', 'worker.ts': 'worker' }

/** All modules of the program: the kernels' AssemblyScript and declarations are none. */
const modules = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter(
  path => path.endsWith('.ts') && !path.endsWith('.d.ts') && !path.includes('assembly'),
)

function roomOf(path: string): string {
  const folder = posix.dirname(path)
  return folder === '.' ? (FILES_OF_SRC[path] ?? 'program') : folder
}

/** What each room imports, as its files say. */
function importsOfRooms(): Record<string, string[]> {
  const found: Record<string, Set<string>> = {}
  for (const path of modules) {
    const room = roomOf(path)
    const own = (found[room] ??= new Set())
    for (const [, target] of readFileSync(join(ROOT, 'src', path), 'utf8').matchAll(/(?:from|import|import\() ?'(\.[^']+)'/g)) {
      const other = roomOf(posix.join(posix.dirname(path), target!))
      if (other !== room) own.add(other)
    }
  }
  return Object.fromEntries(Object.entries(found).map(([room, others]) => [room, [...others].sort()]))
}

function firstParagraph(room: string): string {
  const path = ['program', 'settings', 'worker'].includes(room) ? MAIN_FILES[room]! : posix.join(room, MAIN_FILES[room]!)
  const [, comment] = /^\/\*\n((?: \*.*\n)+) \*\/\n/.exec(readFileSync(join(ROOT, 'src', path), 'utf8')) ?? []
  return comment === undefined
    ? `${path} begins with no paragraph`
    : comment
        .replaceAll(/^ \* ?/gm, '')
        .trim()
        .replaceAll('\n', ' ')
}

test('the table of rooms allows what the rooms import, and nothing else', () => {
  expect(Object.fromEntries(Object.entries(ROOMS).map(([room, allowed]) => [room, [...allowed].sort()]))).toEqual(importsOfRooms())
})

test('a room stands above all that it imports', () => {
  const rooms = Object.keys(ROOMS)
  for (const [room, allowed] of Object.entries(ROOMS))
    for (const other of allowed) expect(rooms.indexOf(other), `${room} imports ${other}`).toBeGreaterThan(rooms.indexOf(room))
})

test('docs/architecture.md has a line for each room, as its main file and the table have it', () => {
  const expected = Object.entries(ROOMS).map(([room, allowed]) => {
    const imports = allowed.length > 0 ? allowed.map(other => `\`${other}\``).join(', ') : 'nothing'
    return `| \`${room}\` | ${firstParagraph(room)} | ${imports} |`
  })
  const page = readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8')
  expect(page.split('\n').filter(line => line.startsWith('| `'))).toEqual(expected)
})

test('every source file that the documentation names exists', () => {
  const pages = ['README.md', ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map(path => `docs/${path}`)]
  const named = pages
    .filter(path => path.endsWith('.md'))
    .flatMap(path =>
      [...readFileSync(join(ROOT, path), 'utf8').matchAll(/`((?:[\w-]+\/)+[\w.-]+\.(?:ts|mjs|py))`/g)].map(([, file]) => ({
        path,
        file: file!,
      })),
    )
  expect(named.length).toBeGreaterThan(20)
  expect(named.filter(({ file }) => !existsSync(join(ROOT, file)) && !existsSync(join(ROOT, 'src', file)))).toEqual([])
})
