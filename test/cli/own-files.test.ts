import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectError, runCli, Sandbox, withSandbox, type CliResult } from '../helpers/cli.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'

const LOGIN = '.config/colab-escape/login.json'
const SECRET = 'a-refresh-token-that-nobody-may-have'

/** A person's home folder with a saved login, and the program run there with its own settings. */
class Home {
  readonly path: string
  private readonly sandbox: Sandbox

  constructor(sandbox: Sandbox) {
    this.sandbox = sandbox
    this.path = sandbox.in('home')
    makeTree(this.path, { 'notes.txt': 'notes', 'model.npy': npy(40_000), [LOGIN]: `{"refresh_token":"${SECRET}"}` })
  }

  in(...parts: string[]): string {
    return join(this.path, ...parts)
  }

  run(args: string[], env: Record<string, string> = {}): Promise<CliResult> {
    const none = { COLAB_ESCAPE_CACHE: undefined, COLAB_ESCAPE_CONFIG: undefined, XDG_CACHE_HOME: undefined, XDG_CONFIG_HOME: undefined }
    return runCli([...args, '--store', this.in('repo')], { cwd: this.sandbox.path, env: { ...none, HOME: this.path, ...env } })
  }

  async ok(args: string[], env: Record<string, string> = {}): Promise<CliResult> {
    const run = await this.run(args, env)
    expect(run.code, run.stderr + run.stdout).toBe(0)
    return run
  }

  /** What the newest version holds. */
  async stored(env: Record<string, string> = {}): Promise<string[]> {
    const out = this.sandbox.in('out')
    execFileSync('rm', ['-rf', out])
    await this.ok(['pull', 'home', out], env)
    for (const entry of readdirSync(out, { recursive: true, withFileTypes: true }))
      if (entry.isFile()) expect(readFileSync(join(entry.parentPath, entry.name), 'latin1')).not.toContain(SECRET)
    return readdirSync(out, { recursive: true, encoding: 'utf8' }).sort()
  }
}

/** A NumPy file with a tensor, which a push keeps in its cache. */
function npy(numbers: number): Buffer {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${numbers},), }`.padEnd(117) + '\n'
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00v\x00', 'latin1'), Buffer.from(header), seededNoise(1, numbers * 4)])
}

const withHome = (use: (home: Home, sandbox: Sandbox) => Promise<void>): Promise<void> =>
  withSandbox(sandbox => use(new Home(sandbox), sandbox))

describe('what the program itself works with', () => {
  test('is no part of a push of the home folder: the second push changes nothing, and the login is in no version', () =>
    withHome(async home => {
      const first = await home.ok(['push', home.path])
      expect(first.stderr).toMatch(/^note: skipped .*\/\.cache\/colab-escape: it is colab-escape's cache$/m)
      expect(first.stderr).toMatch(/^note: skipped .*\/\.config\/colab-escape: it is colab-escape's saved login$/m)
      expect((await home.ok(['push', home.path])).stdout).toMatch(/^Nothing changed/)
      expect((await home.ok(['status', home.path])).stdout).toMatch(/^Nothing to push/)
      expect(await home.stored()).toEqual(['.cache', '.config', 'model.npy', 'notes.txt'])
      const cached = readdirSync(home.in('.cache', 'colab-escape')).filter(name => name !== 'compile-cache') // by newer Nodes
      expect(cached.sort()).toEqual(['CACHEDIR.TAG', 'files', 'lines', 'stores', 'tensors', 'versions'])
      const tag = readFileSync(home.in('.cache', 'colab-escape', 'CACHEDIR.TAG'), 'latin1')
      expect(tag.startsWith('Signature: 8a477f597d28d172789f06886806bc55\n')).toBe(true)
    }))

  test('is recognized under other paths: through a symlink, and in folders that a person has named', () =>
    withHome(async home => {
      mkdirSync(home.in('real-cache'))
      symlinkSync('real-cache', home.in('link'))
      const env = { COLAB_ESCAPE_CACHE: home.in('link'), COLAB_ESCAPE_CONFIG: home.in('mine') }
      makeTree(home.in('mine'), { 'login.json': SECRET, 'login.json.12-ab.tmp': SECRET, 'my-notes.txt': 'notes' })
      unlinkSync(home.in(LOGIN))
      await home.ok(['push', home.path], env)
      expect((await home.ok(['push', home.path], env)).stdout).toMatch(/^Nothing changed/)
      const names = ['.config', '.config/colab-escape', 'link', 'mine', 'mine/my-notes.txt', 'model.npy', 'notes.txt']
      expect(await home.stored(env)).toEqual(names)
      expect(existsSync(home.in('mine', 'CACHEDIR.TAG'))).toBe(false)
    }))

  test.skipIf(process.getuid?.() !== 0)('is recognized where it is mounted a second time', () =>
    withHome(async (home, sandbox) => {
      makeTree(sandbox.in('config'), { 'login.json': SECRET })
      mkdirSync(home.in('mounted'))
      unlinkSync(home.in(LOGIN))
      execFileSync('mount', ['--bind', sandbox.in('config'), home.in('mounted')])
      const env = { COLAB_ESCAPE_CONFIG: sandbox.in('config') }
      try {
        await home.ok(['push', home.path], env)
      } finally {
        execFileSync('umount', [home.in('mounted')])
      }
      expect(await home.stored(env)).toEqual(['.cache', '.config', '.config/colab-escape', 'model.npy', 'notes.txt'])
    }),
  )

  test('does not hide what else is in a folder that is used as the cache', () =>
    withHome(async home => {
      const env = { COLAB_ESCAPE_CACHE: home.path }
      await home.ok(['push', home.path], env)
      expect(existsSync(home.in('CACHEDIR.TAG'))).toBe(false)
      expect(await home.stored(env)).toEqual(['.config', 'model.npy', 'notes.txt'])
    }))

  test('is in no archive', () =>
    withHome(async (home, sandbox) => {
      await home.ok(['push', home.in('notes.txt'), '--name', 'notes'])
      await home.ok(['compress', home.path, '-o', sandbox.in('home.tar.gz')])
      const names = execFileSync('tar', ['-tzf', sandbox.in('home.tar.gz')], { encoding: 'utf8' })
      expect(names).toContain('home/notes.txt')
      expect(names).not.toMatch(/login|jsonl|CACHEDIR/)
    }))

  test('is not deleted by a pull into the home folder', () =>
    withHome(async home => {
      await home.ok(['push', home.path])
      writeFileSync(home.in('extra.txt'), 'not in the version')
      await home.ok(['pull', 'home', home.path, '--delete', '--force'])
      expect(existsSync(home.in('extra.txt'))).toBe(false)
      expect(readFileSync(home.in(LOGIN), 'utf8')).toContain(SECRET)
      expect((await home.ok(['check', '--read-data'])).stdout).not.toMatch(/damaged/i)
      expect(existsSync(home.in('.cache', 'colab-escape', 'files'))).toBe(true)
    }))

  test('is neither a source nor a destination', () =>
    withHome(async home => {
      await home.ok(['push', home.path])
      expectError(await home.run(['push', home.in(LOGIN)]), 2, /login\.json is inside colab-escape's saved login/)
      expectError(await home.run(['push', home.in('.config', 'colab-escape')]), 2, /is colab-escape's saved login/)
      expectError(await home.run(['watch', home.in('repo')]), 2, /repo is the store itself/)
      expectError(await home.run(['pull', 'home', home.in('repo', 'below')]), 2, /below is inside the store itself/)
      expect(existsSync(home.in('repo', 'below'))).toBe(false)
    }))
})
