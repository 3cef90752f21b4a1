import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { readErrors } from '../../scripts/docs-messages.ts'
import type { LazyCommand } from '../../src/commands/shared/lazy-command.ts'
import { buildProgram } from '../../src/program.ts'
import { withFolder } from '../helpers/folders.ts'
import { makeTree } from '../helpers/trees.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const page = (name: string): string => readFileSync(join(ROOT, 'docs', name), 'utf8')

test('the charts of the benchmarks show what their tables say', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/run.mjs', 'bench/chart.ts', '--check'], { cwd: ROOT, encoding: 'utf8' })
  expect(status, stderr).toBe(0)
})

function* commandsOf(command: Command): Generator<Command> {
  for (const each of command.commands) {
    yield each
    yield* commandsOf(each)
  }
}

function pathOf(command: Command): string {
  return command.parent ? `${pathOf(command.parent)} ${command.name()}` : command.name()
}

function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({ ...command.configureOutput(), writeOut: piece => (text += piece), getOutHelpWidth: () => 80 })
  command.outputHelp()
  return text
}

test('the generated pages are up to date', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/run.mjs', 'scripts/make-docs.ts', '--check'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  expect(status).toBe(0)
})

test('the man page has every command, and troff finds nothing wrong in it', context => {
  const text = page('colab-escape.1')
  for (const command of commandsOf(buildProgram(() => Promise.resolve())))
    expect(text).toMatch(new RegExp(`^\\.SS ${pathOf(command).replaceAll('-', '\\\\-')}( |$)`, 'm'))
  // a line that begins with a quote or a point would be a request
  expect(text.split('\n').filter(line => /^'|^\.(?!TH |SH |SS |TP$|B |I |PP$|nf$|fi$)/.test(line))).toEqual([])
  const groff = spawnSync('groff', ['-man', '-ww', '-z', join(ROOT, 'docs/colab-escape.1')], { encoding: 'utf8' })
  if (groff.error) return context.skip('there is no groff')
  expect([groff.status, groff.stderr]).toEqual([0, ''])
})

describe('help', () => {
  const root = buildProgram(() => Promise.resolve())
  const commands = [root, ...commandsOf(root)]

  test.each(commands.map(command => [pathOf(command), command] as const))('of %s fits into 80 columns', (_, command) => {
    const lines = helpOf(command).split('\n')
    expect(lines.filter(line => line.length > 80)).toEqual([])
  })

  test.each(commands.filter(each => each.commands.length === 0).map(command => [pathOf(command), command] as const))(
    'of %s has an example, with options that exist',
    (path, command) => {
      const { examples } = command as LazyCommand
      expect(helpOf(command)).toContain(examples)
      const known = [...command.options, ...root.options].flatMap(({ short, long }) => [short, long])
      const lines = examples.trimEnd().split('\n')
      for (const line of lines) {
        expect(line).toMatch(new RegExp(`^  ${path}( |$)`))
        for (const [flag] of line.matchAll(/(?<= )--?[a-z][a-z-]*/gi)) expect(known, line).toContain(flag)
      }
    },
  )
})

describe('errors', () => {
  test('are read off the sources, with what callers put into them', () =>
    withFolder(async folder => {
      makeTree(folder, {
        'errors.ts': `
          export class AppError extends Error {}
          export const corrupt = (what: string, why: string, hint?: string) =>
            new AppError('corrupt', \`\${what} is damaged: \${why}\`, { hint: hint ?? 'Check it.' })`,
        'main.ts': `
          import { AppError, corrupt } from './errors.ts'
          const CURES: Record<string, string> = { full: 'Make room.' }
          const WHAT = 'A pack'
          export function fail(name: string, size: number, why?: string): never {
            if (size > 1) throw corrupt(WHAT, \`it has \${size} bytes\`)
            if (size > 2) throw corrupt(WHAT, 'it is odd', 'Push again.')
            if (size > 3) throw denied('EROFS')
            if (size > 4) throw new AppError('usage', \`--jobs \${name}\${why === undefined ? '' : \` (\${why})\`} is \${size > 5 ? 'too many' : 'too few'}.\`)
            throw new AppError('quota', 'No room for ' + JSON.stringify(name), { hint: CURES[name] ?? 'Try again.' })
          }
          function denied(code: string) {
            const make = (kind: string, why: string, hint: string) => new AppError(kind, \`Can't write: \${why}\`, { hint, cause: code })
            return code === 'EROFS' ? make('denied', 'it is read-only.', 'Choose another.') : make('io', 'it failed.', 'Look at it.')
          }`,
        'never-loaded.ts': `import { AppError } from './errors.ts'; throw new AppError('io', 'Not part of the program.')`,
      })
      expect(readErrors([join(folder, 'main.ts')])).toEqual([
        { codes: ['usage'], message: '--jobs <name> [(<why>)] is too few.', hints: [] },
        { codes: ['usage'], message: '--jobs <name> [(<why>)] is too many.', hints: [] },
        { codes: ['corrupt'], message: 'A pack is damaged: it has <size> bytes', hints: ['Check it.'] },
        { codes: ['corrupt'], message: 'A pack is damaged: it is odd', hints: ['Push again.'] },
        { codes: ['io'], message: "Can't write: it failed.", hints: ['Look at it.'] },
        { codes: ['denied'], message: "Can't write: it is read-only.", hints: ['Choose another.'] },
        { codes: ['quota'], message: 'No room for "<name>"', hints: ['Make room.', 'Try again.'] },
      ])
    }))

  test('that stand in the sources in plain words are all on the page', () => {
    const errors = page('errors.md')
    const plain = sources(join(ROOT, 'src')).flatMap(file =>
      Array.from(readFileSync(file, 'utf8').matchAll(/new AppError\(\s*'[a-z-]+',\s*('(?:[^'\\]|\\.)+'|"[^"]+")/g), ([, text]) =>
        text!.slice(1, -1),
      ),
    )
    expect(plain.length).toBeGreaterThan(20)
    expect(plain.filter(text => !errors.includes(text))).toEqual([])
  })
})

/** Of decorators that only tests use nothing is said. */
function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts') && !/storage[/\\](faulty|modelled)\.ts$/.test(name))
    .map(name => join(folder, name))
}
