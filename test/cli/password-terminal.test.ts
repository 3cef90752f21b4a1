import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { PROGRAM, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { runInPty, type PtyResult, type Typed } from '../helpers/pty.ts'
import { makeTree } from '../helpers/trees.ts'

const PASSWORD = 'correct horse battery'

/** What a person types at questions; what is typed is never shown. The state of the terminal is told in the end. */
async function atTerminal(
  sandbox: Sandbox,
  args: readonly string[],
  type: readonly Typed[],
  env: Record<string, string | undefined> = {},
): Promise<PtyResult & { code: number }> {
  const script = '"$@"; code=$?; stty -a | tr " ;" "\\n" | grep -E "^-?(icanon|echo|isig)$" | sort; echo "code $code"'
  const result = await runInPty('sh', ['-c', script, 'sh', process.execPath, PROGRAM, ...args, '--store', sandbox.store], {
    type,
    env: {
      COLAB_ESCAPE_CONFIG: sandbox.in('config'),
      COLAB_ESCAPE_CACHE: sandbox.in('cache'),
      COLAB_ESCAPE_PASSWORD: undefined,
      COLAB_ESCAPE_STORE: undefined,
      NO_COLOR: '1',
      ...env,
    },
  })
  expect(result.output).toMatch(/\r\necho\r\nicanon\r\nisig\r\ncode \d+\r\n$/)
  return { ...result, code: Number(/code (\d+)\r\n$/.exec(result.output)![1]) }
}

const typed = (after: RegExp, text: string): Typed => ({ after, line: () => text })
const NEW = /Choose a password for [^\n]+: $/
const AGAIN = /The same again: $/
const OLD = /(?:Old p|P)assword of [^\n]+: $/

function withData(use: (sandbox: Sandbox) => Promise<void>): Promise<void> {
  return withSandbox(async sandbox => {
    makeTree(sandbox.in('data'), { 'a.txt': 'a' })
    await use(sandbox)
  })
}

/** An encrypted repository, made by a person who typed its password. */
const withEncrypted = (use: (sandbox: Sandbox) => Promise<void>): Promise<void> =>
  withData(async sandbox => {
    const { code, output } = await atTerminal(
      sandbox,
      ['push', sandbox.in('data'), '--encrypt', '-q'],
      [typed(NEW, PASSWORD), typed(AGAIN, PASSWORD)],
    )
    expect([code, output]).toEqual([0, expect.not.stringContaining(PASSWORD)])
    await use(sandbox)
  })

describe('a new password', () => {
  test('is asked for twice, and not shown; the recovery code is', () =>
    withData(async sandbox => {
      const push = ['push', sandbox.in('data'), '--encrypt']
      const { code, output } = await atTerminal(sandbox, push, [typed(NEW, PASSWORD), typed(AGAIN, PASSWORD)])
      expect(code).toBe(0)
      expect(output).not.toMatch(/correct|horse|battery/)
      expect(output).toMatch(/Recovery code: ([A-Z2-7]{5}-){7}[A-Z2-7]{5}\r\n/)
      expect(output).toContain('Pushed data@')
    }))

  test.each<[string, Typed[], number, RegExp]>([
    [
      'typed differently the second time',
      [typed(NEW, PASSWORD), typed(AGAIN, 'correct horse batter')],
      2,
      /error: The two passwords differ, so nothing was changed\./,
    ],
    ['too short', [typed(NEW, 'short')], 2, /error: The password has fewer than 8 characters, so nothing was changed\./],
    ['empty', [typed(NEW, '')], 2, /error: The password has fewer than 8 characters/],
    ['Ctrl-C at the first question', [typed(NEW, 'corr\u0003')], 130, /interrupted/i],
    ['Ctrl-C at the second question', [typed(NEW, PASSWORD), typed(AGAIN, '\u0003')], 130, /interrupted/i],
    ['Ctrl-D', [typed(NEW, '\u0004')], 2, /error: The input ended before a password was typed\./],
  ])('%s: nothing is made', (_, type, code, what) =>
    withData(async sandbox => {
      const run = await atTerminal(sandbox, ['push', sandbox.in('data'), '--encrypt'], type)
      expect([run.code, run.output]).toEqual([code, expect.stringMatching(what)])
      expect(existsSync(sandbox.store) ? readdirSync(sandbox.store) : []).toEqual([])
      expect(run.output).not.toContain('corr')
    }),
  )

  test('is edited with Backspace and Ctrl-U, also after letters of several bytes', () =>
    withData(async sandbox => {
      const push = ['push', sandbox.in('data'), '--encrypt', '-q']
      const made = await atTerminal(sandbox, push, [typed(NEW, 'wrong\u0015pässwörtä\u007f😀x\u007f\u007fe'), typed(AGAIN, 'pässwörte')])
      expect(made.code, made.output).toBe(0)
      expect((await atTerminal(sandbox, ['ls'], [typed(OLD, 'pässwörtx\bx\be')])).code).toBe(0)
    }))
})

describe('the password of a repository', () => {
  test('may be typed three times', () =>
    withEncrypted(async sandbox => {
      const wrong = [typed(OLD, 'wrong one'), typed(OLD, 'wrong two')]
      const third = await atTerminal(sandbox, ['ls'], [...wrong, typed(OLD, PASSWORD)])
      expect(third).toMatchObject({ code: 0, output: expect.stringContaining('That is not a password of this repository.') as string })
      const refused = await atTerminal(sandbox, ['ls'], [...wrong, typed(OLD, 'wrong three')])
      expect(refused).toMatchObject({ code: 4, output: expect.stringContaining('The password from the terminal does not open') as string })
      expect(refused.output).not.toContain('wrong')
    }))

  test('Ctrl-C at the question ends the command', () =>
    withEncrypted(async sandbox => {
      for (const args of [['ls'], ['pull', 'data', sandbox.in('out')], ['key', 'list']]) {
        const run = await atTerminal(sandbox, args, [typed(OLD, '\u0003')])
        expect([run.code, run.output]).toEqual([130, expect.stringMatching(/interrupted/i)])
      }
      expect(existsSync(sandbox.in('out'))).toBe(false)
    }))

  test('the last one can not be removed; another one can, after a question', () =>
    withEncrypted(async sandbox => {
      const idsOf = (): string[] =>
        readdirSync(sandbox.store)
          .filter(name => name.startsWith('key-'))
          .map(name => name.slice(21, 29))
      const [only] = idsOf() as [string]
      const refused = await atTerminal(sandbox, ['key', 'remove', only], [typed(OLD, PASSWORD)])
      expect([refused.code, refused.output]).toEqual([2, expect.stringContaining(`${only} is the last password or recovery code`)])
      const added = await atTerminal(
        sandbox,
        ['key', 'add', '--label', 'Ana'],
        [typed(OLD, PASSWORD), typed(/New password of [^\n]+: $/, 'another one'), typed(AGAIN, 'another one')],
      )
      expect(added.code, added.output).toBe(0)
      const other = idsOf().find(id => id !== only)!
      const asks = /Remove the password [0-9a-f]{8} \(Ana\) from the repository in [^\n]+\? \[y\/N\] $/
      const declined = await atTerminal(sandbox, ['key', 'remove', other], [typed(OLD, PASSWORD), typed(asks, 'n')])
      expect(declined.output).toContain('nothing was deleted')
      expect(idsOf()).toContain(other)
      const removed = await atTerminal(sandbox, ['key', 'remove', other], [typed(OLD, PASSWORD), typed(asks, 'y')])
      expect([removed.code, idsOf()]).toEqual([0, [only]])
    }))

  test('key change asks for the old one, and the new one twice', () =>
    withEncrypted(async sandbox => {
      const type = [typed(OLD, PASSWORD), typed(/New password of [^\n]+: $/, 'another one'), typed(AGAIN, 'another one')]
      const run = await atTerminal(sandbox, ['key', 'change'], type)
      expect(run.code, run.output).toBe(0)
      expect(readFileSync(sandbox.in('data', 'a.txt'), 'utf8')).toBe('a')
      expect((await atTerminal(sandbox, ['ls'], [typed(OLD, 'another one')])).code).toBe(0)
    }))
})
