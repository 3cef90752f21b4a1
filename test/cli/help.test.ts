import { describe, expect, test } from 'vitest'
import { eventsOf, expectError, runCli } from '../helpers/cli.ts'
import { runInPty } from '../helpers/pty.ts'
import { PROGRAM } from '../helpers/cli.ts'

const help = async (...args: string[]): Promise<string> => {
  const run = await runCli(args)
  expect([run.code, run.stderr]).toEqual([0, ''])
  return run.stdout
}

describe('the help of the program', () => {
  test('fits a screen, is what a bare call shows, and groups the commands by purpose', async () => {
    const text = await help('--help')
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(23)
    expect(text).toMatch(
      /\n {2}Save +push, [^]*\n {2}Get back +pull, [^]*\n {2}Look +log, [^]*\n {2}Clean up +forget, [^]*\n {2}Set up +auth, /,
    )
    expect(text.indexOf('colab-escape push data')).toBeLessThan(text.indexOf('  Save'))
    expect(text).toContain('Documentation: ')
    expect(await help()).toBe(text)
    expect(await help('help')).toBe(text)
  })

  test('has a line for every command, in capitals, and pages for options and versions', async () => {
    const commands = await help('help', 'commands')
    const named = [...(await help()).matchAll(/^ {2}(?:Save|Get back|Look|Clean up|Set up) +(.*)$/gm)].flatMap(([, names]) =>
      names!.split(', '),
    )
    expect(named.length).toBeGreaterThan(20)
    for (const name of named) expect(commands).toMatch(new RegExp(`^ {2}${name} +[A-Z]`, 'm'))
    const options = await help('help', 'options')
    for (const part of ['-s, --store', '-q, --quiet', '-v, --verbose', '-j, --jobs', '130  interrupted']) expect(options).toContain(part)
    for (const part of ['data~1', 'data@2h', 'data@best:val_loss']) expect(await help('help', 'versions')).toContain(part)
  })

  test('of a command shows examples first, then its own options, and one line about the others', async () => {
    const text = await help('push', '--help')
    expect(text).toMatch(/^Store .*\.\n\nUsage: .*\n\nExamples:\n[^]*\n\nOptions:\n[^]*colab-escape help options\n$/)
    expect(text).not.toContain('--settings-file')
    expect(text).toContain('-n, --dry-run')
  })

  test('is broken where a narrow terminal ends', async () => {
    for (const args of [['--help'], ['push', '--help'], ['help', 'versions']]) {
      const { output } = await runInPty(process.execPath, [PROGRAM, ...args], { size: { columns: 50, rows: 24 } })
      const prose = output.split('\r\n').filter(line => !/^ {2}colab-escape /.test(line))
      for (const line of prose) expect(line.length, line).toBeLessThanOrEqual(50)
    }
  })

  test.each([
    [['help', 'vrsions'], /help versions/],
    [['help', 'snapshots'], /colab-escape log/],
    [['push', 'x', '--comment', 'y'], /--message <text>/],
    [['pull', 'x', '--include', 'y'], /--only <pattern>/],
    [['pull', 'x', '--delete-after'], /--delete here/],
    [['log', '--remote', 'x'], /--store <place>/],
    [['push', 'x', '--progress'], /Leave it out/],
    [['push', 'x', '--threads=3'], /--jobs <n>/],
  ])('%j leads on', async (args, hint) => {
    expect(expectError(await runCli(args), 2, /^error: There is no /).hint).toMatch(hint)
  })

  test('of a group that lacks its command is help, but with options an error', async () => {
    expect(await help('auth')).toMatch(/Commands:\n {2}login /)
    expectError(await runCli(['auth', '--quiet']), 2, /No command is given/)
    expectError(await runCli(['--store', 'x']), 2, /No command is given/)
  })
})

test('--version says on what the program runs, the version on its first line', async () => {
  const text = await help('--version')
  expect(text).toMatch(/^colab-escape \d+\.\d+\.\d+\nNode \d+\.\d+\.\d+, (native|portable) zstd, \w+ \w+\n$/)
  expect(eventsOf(await runCli(['-V', '--json']))).toEqual([
    expect.objectContaining({ event: 'result', command: 'version', version: /\d\S+/.exec(text)![0] }),
  ])
})

test('short forms of the options that people try are understood', async () => {
  const run = await runCli(['push', 'nowhere', '-s', 'store', '-q', '-j', '1', '-n'])
  expect(expectError(run, 5, /nowhere/).message).toContain('does not exist')
})

test('errors are broken where a terminal ends, and stay whole in a terminal without a size', async () => {
  const args = [PROGRAM, 'push', 'x', '--name', 'y', '--keep-last', 'many', '--store', 'z']
  const of = async (columns: number): Promise<string[]> =>
    (await runInPty(process.execPath, args, { size: { columns, rows: 24 } })).output.trimEnd().split('\r\n')
  const [whole, narrow] = [await of(0), await of(40)]
  expect(whole).toHaveLength(2)
  expect(narrow.length).toBeGreaterThan(2)
  for (const line of narrow) expect(line.replaceAll(/\p{Cc}\[\d+m/gu, '').length, line).toBeLessThanOrEqual(40)
  expect(narrow.map(line => line.trim()).join(' ')).toBe(whole.map(line => line.trim()).join(' '))
})
