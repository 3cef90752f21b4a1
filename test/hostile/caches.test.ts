import { execFile, execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import nodeModule from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import zlib from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../src/util/hash.ts'
import { canBeNobody, expectError, withSandbox, type CliOptions, type CliResult, type Sandbox } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { makeTree } from '../helpers/trees.ts'

const NOBODY = 65534
const asRoot = test.skipIf(process.getuid?.() !== 0)

/**
 * Pushes a folder `data`, and makes the cache claim that its a.txt has the content of its b.txt, as whoever writes to
 * the cache could. Returns the file.
 */
async function pushAndForge(sandbox: Sandbox): Promise<string> {
  makeTree(sandbox.in('data'), { 'a.txt': 'AAAA', 'b.txt': 'BBBB' })
  await sandbox.ok('push', 'data')
  const { size, mtimeNs, ctimeNs, ino } = lstatSync(sandbox.in('data', 'a.txt'), { bigint: true })
  const line = JSON.stringify(['a.txt', `${size} ${mtimeNs} ${ctimeNs} ${ino}`, sha256(Buffer.from('BBBB')).toString('base64')])
  const [name] = readdirSync(sandbox.in('cache', 'files'))
  const file = sandbox.in('cache', 'files', name!)
  writeFileSync(file, `${line}\n"${sha256(Buffer.from(line)).toString('hex')}"\n`)
  return file
}

const only = (folder: string): string => join(folder, readdirSync(folder)[0]!)

const restored = async (sandbox: Sandbox): Promise<string> => (await sandbox.ok('cat', 'data:a.txt')).stdout

describe('Nothing that other users could have written into a cache is believed', () => {
  asRoot('the forgery that these tests rely on works in a cache that is trusted', () =>
    withSandbox(async sandbox => {
      await pushAndForge(sandbox)
      writeFileSync(sandbox.in('data', 'c.txt'), 'c')
      await sandbox.ok('push', 'data')
      expect(await restored(sandbox)).toBe('BBBB')
    }),
  )

  asRoot.each<[string, (cache: string, file: string) => void, RegExp | undefined]>([
    ['the folder belongs to another user', cache => chownSync(cache, NOBODY, NOBODY), /it belongs to another user/],
    ['the folder can be written by all', cache => chmodSync(cache, 0o777), /other users can change it/],
    ['the folder can be written by a group', cache => chmodSync(cache, 0o770), /other users can change it/],
    ['the folder lies in one that all can write', cache => chmodSync(join(cache, '..'), 0o777), /other users can replace what is in/],
    [
      "the folder is a link to another user's",
      cache => {
        renameSync(cache, `${cache}-theirs`)
        chownSync(`${cache}-theirs`, NOBODY, NOBODY)
        symlinkSync(`${cache}-theirs`, cache)
      },
      /it belongs to another user/,
    ],
    ['the file belongs to another user', (_, file) => chownSync(file, NOBODY, NOBODY), undefined],
    ['the file can be written by all', (_, file) => chmodSync(file, 0o666), undefined],
    ['the file is a link', (_, file) => (renameSync(file, `${file}.x`), symlinkSync(`${file}.x`, file)), undefined],
  ])('%s', (_, change, why) =>
    withSandbox(async sandbox => {
      const file = await pushAndForge(sandbox)
      change(sandbox.in('cache'), file)
      writeFileSync(sandbox.in('data', 'c.txt'), 'c')
      const { stderr } = await sandbox.ok('push', 'data')
      expect(await restored(sandbox)).toBe('AAAA')
      if (why === undefined) return
      expect(stderr.match(/^note: the cache .* is not used: .*$/gm)).toEqual([expect.stringMatching(why)])
    }),
  )

  test("a cache folder that is the program's own is closed to others, and used", () =>
    withSandbox(async sandbox => {
      const cache = sandbox.in('colab-escape')
      const env = { COLAB_ESCAPE_CACHE: cache }
      makeTree(sandbox.path, { 'data/a.txt': 'a' })
      mkdirSync(cache)
      chmodSync(cache, 0o775)
      const run = await sandbox.run(['push', 'data'], { env })
      expect([run.code, run.stderr]).toEqual([0, expect.not.stringContaining('not used')])
      expect(lstatSync(cache).mode & 0o777).toBe(0o700)
      expect(readdirSync(cache)).toContain('files')
    }))
})

describe('Trouble with a cache costs time, and fails or delays no command', () => {
  async function works(sandbox: Sandbox, options: CliOptions = {}): Promise<void> {
    const run = async (...args: string[]): Promise<CliResult> => {
      const result = await sandbox.run(args, options)
      expect(result.code, `${args.join(' ')}\n${result.stderr}`).toBe(0)
      return result
    }
    writeFileSync(sandbox.in('data', 'c.txt'), 'new')
    await run('push', 'data')
    expect((await run('status', 'data')).stdout).toContain('Nothing to push')
    await run('watch', 'data', '--until-exit', '999999999', '--settle', '200ms')
    await run('pull', 'data', sandbox.in('out'))
    expect(readFileSync(sandbox.in('out', 'a.txt'), 'utf8')).toBe('AAAA')
    await run('completion', '--names')
    await sandbox.run(['doctor'], options)
  }

  const fifo = (path: string): void => (rmSync(path, { recursive: true }), void execFileSync('mkfifo', [path]))
  test.each<[string, (cache: string) => void]>([
    ['fifos in place of its files', cache => ['files', 'versions'].forEach(part => fifo(only(join(cache, part))))],
    [
      'folders in place of its files',
      cache =>
        ['files', 'versions'].forEach(part => {
          const path = only(join(cache, part))
          rmSync(path)
          mkdirSync(path)
        }),
    ],
    [
      'endless devices in place of its files',
      cache =>
        ['files', 'versions'].forEach(part => {
          const path = only(join(cache, part))
          rmSync(path)
          symlinkSync('/dev/zero', path)
        }),
    ],
    [
      'files in place of its folders',
      cache =>
        ['files', 'versions', 'tensors'].forEach(part => {
          rmSync(join(cache, part), { recursive: true, force: true })
          writeFileSync(join(cache, part), '')
        }),
    ],
    ['a file in its place', cache => (rmSync(cache, { recursive: true }), writeFileSync(cache, ''))],
    ['a fifo in its place', fifo],
    ['a link to itself', cache => (rmSync(cache, { recursive: true }), symlinkSync('cache', cache))],
  ])('%s', (_, change) =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.txt': 'AAAA' })
      await sandbox.ok('push', 'data')
      change(sandbox.in('cache'))
      await works(sandbox)
    }),
  )

  test.skipIf(!canBeNobody)('a HOME that sudo kept: the cache is in a folder that this user may not enter', () =>
    withSandbox(async sandbox => {
      for (const name of ['data', 'store', 'home', 'out']) mkdirSync(sandbox.in(name))
      writeFileSync(sandbox.in('data', 'a.txt'), 'AAAA')
      for (const name of ['', 'data', 'store', 'out']) chownSync(sandbox.in(name), NOBODY, NOBODY)
      chmodSync(sandbox.in('home'), 0o700)
      execFileSync('chown', ['-R', `${NOBODY}`, sandbox.in('data')])
      const env = { HOME: sandbox.in('home'), COLAB_ESCAPE_CACHE: undefined, COLAB_ESCAPE_CONFIG: sandbox.in('config') }
      await works(sandbox, { env, uid: NOBODY })
    }),
  )
})

describe('A saved login that other users could have written is not used', () => {
  asRoot.each<[string, (path: string) => void, RegExp]>([
    ["another user's", path => chownSync(path, NOBODY, NOBODY), /belongs to another user/],
    ['one that a group can write', path => chmodSync(path, 0o660), /has mode 660/],
    ['a fifo', path => (rmSync(path), void execFileSync('mkfifo', [path])), /not a regular file/],
    ['a link', path => (renameSync(path, `${path}.x`), symlinkSync(`${path}.x`, path)), /not a regular file/],
  ])('%s', (_, change, why) =>
    withSandbox(async sandbox => {
      const login = { type: 'authorized_user', client_id: 'c', client_secret: 's', refresh_token: '1//theirs', scope: 'x' }
      makeTree(sandbox.in('config'), { 'login.json': { file: JSON.stringify(login), mode: 0o600 } })
      change(sandbox.in('config', 'login.json'))
      const none = { COLAB_ESCAPE_TOKEN: undefined, COLAB_ESCAPE_CREDENTIALS: undefined, GOOGLE_APPLICATION_CREDENTIALS: undefined }
      const run = await sandbox.run(['auth', 'status'], { env: { ...none, COLAB_ESCAPE_CONFIG: sandbox.in('config') } })
      expectError(run, 4, why)
    }),
  )
})

/** Node caches compiled programs from version 22.8 on. */
const hasCompileCache = 'enableCompileCache' in nodeModule
const crc32 = (zlib as { crc32?: (data: Buffer) => number }).crc32!
const SHIM = new URL('../../bin/colab-escape.cjs', import.meta.url)
const GENUINE = 'console.log("genuine")'
const HOSTILE = 'console.log("hostile")'

function makeProgram(folder: string, program: string): string {
  const shim = join(folder, 'app/bin/colab-escape.cjs')
  makeTree(folder, { 'app/package.json': '{"type":"module"}', 'app/dist/cli.js': program, 'app/bin/x': '' })
  copyFileSync(SHIM, shim)
  return shim
}

/** A program, and a folder with a compiled one in its place that does something else, as another user can make it. */
async function withPlanted(use: (shim: string, planted: string, folder: string) => Promise<void>): Promise<void> {
  await withFolder(async folder => {
    const shim = makeProgram(folder, HOSTILE)
    const planted = join(folder, 'planted')
    await run(shim, { NODE_COMPILE_CACHE: planted })
    writeFileSync(join(folder, 'app/dist/cli.js'), GENUINE)
    const entries = only(planted)
    for (const name of readdirSync(entries)) {
      const bytes = readFileSync(join(entries, name))
      // magic, length of the code, length of the cache, CRC-32 of the code, CRC-32 of the cache
      if (bytes.readUInt32LE(12) === crc32(Buffer.from(HOSTILE))) bytes.writeUInt32LE(crc32(Buffer.from(GENUINE)), 12)
      writeFileSync(join(entries, name), bytes)
    }
    await use(shim, planted, folder)
  })
}

async function run(shim: string, env: Record<string, string>, cwd?: string): Promise<string> {
  const { PATH = '' } = process.env
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [shim], { env: { PATH, ...env }, cwd })
  return stdout + stderr
}

describe('No compiled program is run that other users could have written', () => {
  const onNew = test.skipIf(!hasCompileCache || process.getuid?.() !== 0)

  onNew('the forgery that these tests rely on works where a person has named the folder', () =>
    withPlanted(async (shim, planted) => {
      expect(await run(shim, { NODE_COMPILE_CACHE: planted })).toBe('hostile\n')
    }),
  )

  onNew("Node's own choice in the folder for temporary files", () =>
    withPlanted(async (shim, planted, folder) => {
      mkdirSync(join(folder, 'tmp'))
      renameSync(planted, join(folder, 'tmp', 'node-compile-cache'))
      expect(await run(shim, { TMPDIR: join(folder, 'tmp'), HOME: join(folder, 'home') })).toBe('genuine\n')
    }),
  )

  onNew.each<[string, (cache: string) => void]>([
    ['belongs to another user', cache => chownSync(join(cache, 'compile-cache'), NOBODY, NOBODY)],
    ['can be written by all', cache => chmodSync(join(cache, 'compile-cache'), 0o777)],
    ['can be written by a group', cache => chmodSync(join(cache, 'compile-cache'), 0o770)],
    ['lies in a folder of another user', cache => chownSync(cache, NOBODY, NOBODY)],
    ['lies in a folder that all can write', cache => chmodSync(cache, 0o777)],
    [
      "is a link to another user's",
      cache => {
        renameSync(join(cache, 'compile-cache'), join(cache, 'theirs'))
        chownSync(join(cache, 'theirs'), NOBODY, NOBODY)
        symlinkSync('theirs', join(cache, 'compile-cache'))
      },
    ],
  ])('a folder that %s', (_, change) =>
    withPlanted(async (shim, planted, folder) => {
      const cache = join(folder, 'home', '.cache', 'colab-escape')
      mkdirSync(cache, { recursive: true })
      renameSync(planted, join(cache, 'compile-cache'))
      chmodSync(join(cache, 'compile-cache'), 0o700)
      expect(await run(shim, { HOME: join(folder, 'home') })).toBe('hostile\n') // as it is, the folder is trusted
      change(cache)
      expect(await run(shim, { HOME: join(folder, 'home') })).toBe('genuine\n')
    }),
  )

  onNew('a cache below the current folder', () =>
    withPlanted(async (shim, planted, folder) => {
      mkdirSync(join(folder, 'strange', 'cache', 'colab-escape'), { recursive: true })
      renameSync(planted, join(folder, 'strange', 'cache', 'colab-escape', 'compile-cache'))
      for (const env of [{ XDG_CACHE_HOME: 'cache' }, { COLAB_ESCAPE_CACHE: 'cache/colab-escape' }])
        expect(await run(shim, { HOME: join(folder, 'home'), ...env }, join(folder, 'strange'))).toBe('genuine\n')
    }),
  )

  test("the user's own folder is made for this user alone", () =>
    withFolder(async folder => {
      const shim = makeProgram(folder, GENUINE)
      expect(await run(shim, { HOME: folder, TMPDIR: folder })).toBe('genuine\n')
      const made = join(folder, '.cache', 'colab-escape', 'compile-cache')
      expect(existsSync(made)).toBe(hasCompileCache)
      if (hasCompileCache) expect(lstatSync(made).mode & 0o777).toBe(0o700)
    }))
})
