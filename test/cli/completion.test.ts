import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { delimiter } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { allCommands, modelOf } from '../../src/commands/completion/model.ts'
import { buildProgram } from '../../src/program.ts'
import { expectError, resultOf, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { makeTree } from '../helpers/trees.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))
const root = modelOf(buildProgram(() => Promise.resolve()))

/** Sources the script as a user would, and completes the last of some words, as bash splits a line into them. */
const COMPLETE = `
  source <(colab-escape completion bash)
  [[ $(complete -p colab-escape) == 'complete -F _colab_escape colab-escape' ]] || exit 9
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  COMP_WORDBREAKS='=:@'
  _colab_escape
  printf '%s\\n' "\${COMPREPLY[@]}"`

async function offered(sandbox: Sandbox, ...words: string[]): Promise<string[]> {
  const env = {
    ...process.env,
    PATH: [sandbox.in('bin'), process.env.PATH].join(delimiter),
    COLAB_ESCAPE_CACHE: sandbox.in('cache'),
    COLAB_ESCAPE_CONFIG: sandbox.in('config'),
    COLAB_ESCAPE_STORE: sandbox.store,
  }
  const { stdout, stderr } = await promisify(execFile)('bash', ['-c', COMPLETE, 'bash', 'colab-escape', ...words], {
    cwd: sandbox.path,
    env,
  })
  expect(stderr).toBe('')
  return stdout.split('\n').filter(line => line !== '')
}

function withProgram<T>(use: (sandbox: Sandbox) => Promise<T>): Promise<T> {
  return withSandbox(async sandbox => {
    makeTree(sandbox.in('bin'), { 'colab-escape': { file: `#!/bin/sh\nexec '${process.execPath}' '${PROGRAM}' "$@"\n`, mode: 0o755 } })
    return use(sandbox)
  })
}

test('bash completes commands, options and choices', () =>
  withProgram(async sandbox => {
    const commands = root.commands.map(({ name }) => name)
    expect(await offered(sandbox, '')).toEqual(commands)
    expect(await offered(sandbox, 'pu')).toEqual(['push', 'pull'])
    expect(await offered(sandbox, '--store', 'somewhere', '--quiet', 'st')).toEqual(['status'])
    expect(await offered(sandbox, 'auth', 'lo')).toEqual(['login', 'logout'])
    expect((await offered(sandbox, 'help', 'p')).sort()).toEqual(['prune', 'pull', 'push', 'python'])
    expect(await offered(sandbox, 'help', 'ver')).toEqual(['versions'])
    expect(await offered(sandbox, 'push', '--le')).toEqual(['--level'])
    expect(await offered(sandbox, 'push', '--level', '')).toEqual(['fast', 'balanced', 'high', 'max', 'auto'])
    expect(await offered(sandbox, 'push', '--level', '=', 'b')).toEqual(['balanced'])
    expect(await offered(sandbox, 'push', '--level', '=')).toEqual(['fast', 'balanced', 'high', 'max', 'auto'])
    expect(await offered(sandbox, 'auth', 'login', '--scope', 'drive.')).toEqual(['drive.file'])
    expect(await offered(sandbox, 'completion', '')).toEqual(['bash', 'zsh', 'fish', 'powershell'])
    expect(await offered(sandbox, 'push', '-m', 'l')).toEqual([])
    // a value that looks like a command or an option is neither
    expect(await offered(sandbox, 'push', '--message', 'pull', '--dry')).toEqual(['--dry-run'])
  }))

test('bash completes all options of all commands', () =>
  withProgram(async sandbox => {
    for (const { path, options } of allCommands(root)) {
      const flags = [...options, ...root.options].flatMap(option => option.flags.filter(flag => flag.startsWith('--')))
      expect(new Set(await offered(sandbox, ...path.split(' '), '--')), path).toEqual(new Set(flags))
    }
  }))

test('bash completes files and folders where paths are expected', () =>
  withProgram(async sandbox => {
    makeTree(sandbox.in('work'), { 'data/x': '1', 'data.csv': '1', 'my data*': '1' })
    const there = { ...sandbox, path: sandbox.in('work'), in: sandbox.in.bind(sandbox) } as Sandbox
    expect((await offered(there, 'push', 'da')).sort()).toEqual(['data', 'data.csv'])
    expect((await offered(there, 'push', 'data', '')).sort()).toEqual(['data', 'data.csv', 'my data*'])
    expect(await offered(there, 'status', 'data/')).toEqual(['data/x'])
    expect(await offered(there, '--store', 'da')).toEqual(['data'])
    expect(await offered(there, '--store', 'dr')).toEqual(['drive:'])
    expect(await offered(there, 'tag', 'data', 'da')).toEqual([])
    expect(await offered(there, 'pull', 'anything', 'da')).toEqual(['data'])
    expect(await offered(there, 'ls', 'anything', 'da')).toEqual([])
    expect(await offered(there, 'auth', 'login', '--client-secret-file', 'data.')).toEqual(['data.csv'])
  }))

test('bash completes names that this machine knows, without asking a store', () =>
  withProgram(async sandbox => {
    for (const name of ['data', 'dates', 'my runs']) makeTree(sandbox.in(name), { a: '1' })
    await sandbox.ok('push', 'data', 'dates', 'my runs')
    mkdirSync(sandbox.in('cache/versions'), { recursive: true })
    writeFileSync(sandbox.in('cache/versions/damaged.jsonl'), 'not JSON')
    expect(await offered(sandbox, 'pull', '')).toEqual(['data', 'dates', 'my\\ runs'])
    expect(await offered(sandbox, 'du', '--by', 'folder', 'dat')).toEqual(['data', 'dates'])
    expect(await offered(sandbox, 'push', '--name', 'date')).toEqual(['dates'])
    expect((await offered(sandbox, 'diff', 'data', 'dat')).sort()).toEqual(['data', 'data', 'dates', 'dates'])
    expect(await sandbox.json('completion', '--names')).toMatchObject({ names: ['data', 'dates', 'my runs'] })
  }))

test('bash completes the names of stores where a store is expected, and folders', () =>
  withProgram(async sandbox => {
    makeTree(sandbox.path, {
      'config/stores.toml': '[stores]\nusb = "/media/usb"\nnas = "drive:N"\n',
      'work/usual/x': '1',
      'work/us.txt': '1',
    })
    const there = { ...sandbox, path: sandbox.in('work'), in: sandbox.in.bind(sandbox) } as Sandbox
    for (const words of [['--store'], ['use'], ['use', '--global'], ['push', 'x', '--store']])
      expect((await offered(there, ...words, 'us')).sort(), words.join(' ')).toEqual(['usb', 'usual'])
    expect(await offered(there, 'use', '--name', 'us')).toEqual([])
    const run = await sandbox.run(['completion', '--stores', '--json'], { env: { COLAB_ESCAPE_CONFIG: sandbox.in('config') } })
    expect(resultOf(run)).toMatchObject({ names: ['usb', 'nas'] })
  }))

test('bash completes tags, ids and paths after a name, of the store in use, without names that were forgotten', () =>
  withProgram(async sandbox => {
    for (const name of ['data', 'gone']) makeTree(sandbox.in(name), { 'sub/a': '1', 'sub/b': '2', 'top file': '3' })
    await sandbox.ok('push', 'data', 'gone', '--tag', 'first')
    makeTree(sandbox.in('data'), { 'top file': '4' })
    const { version } = await sandbox.json<{ version: string }>('push', 'data', '--tag', 'second')
    await sandbox.ok('tag', 'data', 'third')
    await sandbox.ok('forget', 'gone', '--all')
    const there = { ...sandbox, store: sandbox.in('other'), in: sandbox.in.bind(sandbox) } as Sandbox
    expect(await offered(sandbox, 'pull', '')).toEqual(['data'])
    expect(await offered(there, 'pull', '')).toEqual([])
    expect(await offered(there, '--store', sandbox.store, 'pull', '')).toEqual(['data'])
    // as bash breaks a word, and replaces only its end
    expect(await offered(sandbox, 'pull', 'data', '@')).toEqual([
      'first',
      'second',
      'third',
      version.slice(0, 8),
      expect.stringMatching(/^\w{8}$/),
    ])
    expect(await offered(sandbox, 'pull', 'data', '@', 'sec')).toEqual(['second'])
    expect(await offered(sandbox, 'pull', 'data', ':')).toEqual(['sub/', 'top\\ file'])
    expect(await offered(sandbox, 'pull', 'data', ':', 'sub/')).toEqual(['sub/a', 'sub/b'])
    expect(await offered(sandbox, 'pull', 'data', '@', 'first', ':', 'to')).toEqual(['top\\ file'])
    expect(await offered(sandbox, 'pull', 'data', '@', 'first', 'co')).toEqual([])
  }))

test('npx is completed as what it runs', () =>
  withProgram(async sandbox => {
    const env = { ...process.env, PATH: [sandbox.in('bin'), process.env.PATH].join(delimiter) }
    const complete = async (...words: string[]): Promise<string> =>
      (
        await promisify(execFile)(
          'bash',
          ['-c', COMPLETE.replace(/ {2}\[\[ [^]*?exit 9\n/, '').replace(/_colab_escape\n/, '_colab_escape_npx\n'), 'bash', ...words],
          { env },
        )
      ).stdout
    expect(await complete('npx', '-y', 'colab-escape', 'pu')).toBe('push\npull\n')
    expect(await complete('npx', 'colab-escape', 'help', 'ver')).toBe('versions\n')
    expect((await complete('npx', 'cowsay', 'pu')).trim()).toBe('')
  }))

test('the script for PowerShell is balanced, and its tables have no key twice', () =>
  withSandbox(async sandbox => {
    const script = (await sandbox.ok('completion', 'powershell')).stdout
    // texts in quotes away: what is left must be balanced
    const bare = script.replaceAll(/^ *#.*$/gm, '').replaceAll(/'(?:[^']|'')*'|"(?:[^"`]|`.)*"/g, 's')
    const open: string[] = []
    for (const [bracket] of bare.matchAll(/[(){}[\]]/g)) {
      if ('({['.includes(bracket)) open.push({ '(': ')', '{': '}', '[': ']' }[bracket]!)
      else expect(open.pop()).toBe(bracket)
    }
    expect(open).toEqual([])
    expect(bare).not.toMatch(/['"]/)
    for (const [, values] of script.matchAll(/Values = @\{ (.*) \}$/gm)) {
      const keys = [...values!.matchAll(/'(-[^']*)' =/g)].map(([, key]) => key!.toLowerCase())
      expect(new Set(keys).size).toBe(keys.length)
    }
    const paths = [...script.matchAll(/^ {4}'(.*)' = @\{$/gm)].map(([, path]) => path)
    expect(paths).toEqual(['', ...allCommands(root).map(({ path }) => path)])
  }))

test('every script names every command and option', () =>
  withSandbox(async sandbox => {
    for (const shell of ['bash', 'zsh', 'fish', 'powershell']) {
      const script = (await sandbox.ok('completion', shell)).stdout
      for (const { path, name, options } of allCommands(root)) {
        expect(script, `${shell} ${path}`).toContain(name)
        for (const flag of options.flatMap(({ flags }) => flags.filter(each => each.startsWith('--'))))
          expect(script, `${shell} ${flag}`).toMatch(new RegExp(shell === 'fish' ? `-[ls] ${flag.replace(/^-+/, '')} ` : `${flag}\\b`))
      }
      expect(resultOf(await sandbox.run(['completion', shell, '--json']))).toMatchObject({ shell, script })
    }
  }))

test('a shell must be one of those', () =>
  withSandbox(async sandbox => {
    expect(expectError(await sandbox.run(['completion']), 2, /Which shell\?/).hint).toBe('Give one of: bash, zsh, fish or powershell.')
    expect(expectError(await sandbox.run(['completion', 'tcsh']), 2, /no completion for "tcsh"/).hint).toContain('powershell')
  }))
