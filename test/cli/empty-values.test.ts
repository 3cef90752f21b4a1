import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import type { Session } from '../../src/commands/shared/session.ts'
import { buildProgram } from '../../src/program.ts'
import { AppError } from '../../src/util/errors.ts'
import { expectError, runCli, withSandbox } from '../helpers/cli.ts'
import { pictureOf } from '../helpers/trees.ts'

/** A command with one value empty, and what the refusal names. */
interface Call {
  args: string[]
  what: string
}

class Reached extends Error {}

/** A session that no refused command may touch. */
const untouchable = new Proxy({} as Session, {
  get: () => {
    throw new Reached()
  },
})

function* leavesOf(command: Command): Generator<Command> {
  if (command.commands.length === 0) yield command
  for (const each of command.commands) yield* leavesOf(each)
}

function wordsOf(command: Command): string[] {
  return command.parent ? [...wordsOf(command.parent), command.name()] : []
}

/** Every argument and every option with a value, of every command and of the program itself. */
function callsWithAnEmptyValue(): Call[] {
  const program = buildProgram(() => Promise.resolve())
  // help takes no values of its own
  return [...leavesOf(program)]
    .filter(command => command.name() !== 'help')
    .flatMap(command => {
      const words = wordsOf(command)
      const given = command.registeredArguments
      const needed = given.map(({ argChoices }) => argChoices?.[0] ?? 'x')
      const empty = given.map((argument, i) => ({
        args: [...words, ...given.slice(0, i).map(() => 'x'), '', ...given.slice(i + 1).filter(({ required }) => required).map(() => 'x')], // prettier-ignore
        what: argument.name().replaceAll('-', ' '),
      }))
      const variadic = given
        .filter(argument => argument.variadic)
        .map(argument => ({ args: [...words, ...needed, 'x', ''], what: argument.name() }))
      const options = [...command.options, ...program.options].filter(option => option.required || option.optional)
      return [...empty, ...variadic, ...options.map(({ long }) => ({ args: [...words, ...needed, `${long}=`], what: long! }))]
    })
}

const CALLS = callsWithAnEmptyValue()

async function outcomeOf(args: string[]): Promise<unknown> {
  const program = buildProgram(async (_, run) => void (await run(untouchable)))
  for (const command of [program, ...leavesOf(program)])
    command.configureOutput({ writeErr: () => undefined, outputError: () => undefined })
  return program.parseAsync(['node', 'colab-escape', ...args]).then(() => undefined, (error: unknown) => error) // prettier-ignore
}

describe('an empty value, as an unset variable of a shell gives it', () => {
  test('is asked for with every command', () => {
    expect(CALLS.length).toBeGreaterThan(140)
    expect(new Set(CALLS.map(({ args }) => args[0])).size).toBeGreaterThan(17)
  })

  test.each(CALLS)('$args is refused', async ({ args, what }) => {
    const end = await outcomeOf(args)
    if (['--message', '--names'].includes(what)) return expect(end).toBeInstanceOf(Reached)
    expect(end).toBeInstanceOf(AppError)
    expect(end).toMatchObject({
      code: 'usage',
      message: `${what.startsWith('--') ? what : `The ${what.replaceAll('-', ' ')}`} is empty. Is a shell variable unset?`,
    })
  })

  test.each([
    [['pull', 'data', '', '--delete', '--force'], /The destination is empty/],
    [['push', ''], /The path is empty/],
    [['push', 'data', ''], /The path is empty/],
    [['compress', ''], /The path is empty/],
    [['watch', ''], /The path is empty/],
    [['status', ''], /The path is empty/],
    [['extract', ''], /The file is empty/],
    [['pull', 'data', '--only', ''], /--only is empty/],
    [['push', 'data', '--exclude='], /--exclude is empty/],
    [['push', 'data', '--level', ''], /--level is empty/],
  ])('%j ends with exit code 2 and touches nothing', (args, what) =>
    withSandbox(async sandbox => {
      mkdirSync(sandbox.in('data'))
      writeFileSync(sandbox.in('data', 'a'), 'a')
      await sandbox.ok('push', 'data')
      writeFileSync(sandbox.in('precious.txt'), 'not in any version')
      const before = pictureOf(sandbox.path)
      expectError(await sandbox.run(args), 2, what)
      expect(pictureOf(sandbox.path)).toEqual(before)
    }),
  )

  test('of --store is refused, while an empty COLAB_ESCAPE_STORE counts as unset', () =>
    withSandbox(async sandbox => {
      const run = (...args: string[]) => runCli(args, { cwd: sandbox.path, env: { COLAB_ESCAPE_CACHE: sandbox.in('cache'), COLAB_ESCAPE_STORE: '' } }) // prettier-ignore
      expectError(await run('log', '--store', ''), 2, /--store is empty/)
      expectError(await run('log'), 2, /No repository chosen/)
      expect(existsSync(sandbox.in('cache'))).toBe(false)
    }))

  test('of --message is a message', () =>
    withSandbox(async sandbox => {
      mkdirSync(sandbox.in('data'))
      await sandbox.ok('push', 'data', '--message', '')
    }))
})
