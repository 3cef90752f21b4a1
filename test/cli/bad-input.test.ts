import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, chmodSync, existsSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { eventsOf, expectError, resultOf, runCli, Sandbox, withSandbox } from '../helpers/cli.ts'
import { withTmpfs } from '../helpers/mounts.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { expectSameTree, makeTree, pictureOf } from '../helpers/trees.ts'

const PROGRAM = fileURLToPath(new URL('../../bin/colab-escape.cjs', import.meta.url))
const MiB = 1024 * 1024
const NOBODY = 65534

const objects = (store: string, prefix: string): string[] => readdirSync(store).filter(name => name.startsWith(prefix))

async function expectHealthy(sandbox: Sandbox): Promise<void> {
  expect(await sandbox.json('check', '--read-data')).toMatchObject({ damaged: false })
}

describe('usage', () => {
  test.each([
    [['push'], /push needs a path/],
    [['pull'], /pull needs a version/],
    [['push', 'data', '--nope'], /Unknown option '--nope'/],
    [['push', 'data', '--exlude', 'x'], /Unknown option '--exlude' \(Did you mean --exclude\?\)/],
    [['psh', 'data'], /Unknown command 'psh' \(Did you mean push\?\)/],
    [['pull', 'a', 'b', 'c'], /pull takes at most 2 arguments, not 3/],
    [['push', 'data', '--level', 'huge'], /--level must be fast, balanced, high, max or auto, not 'huge'/],
    [['push', 'data', '--jobs', 'many'], /--jobs many is not a number/],
    [['push', 'data', '--name', 'a/b'], /"a\/b" can't be a name/],
    [['push', 'data', '--name', ''], /--name is empty/],
    [['push', 'data', '--name', 'x'.repeat(65)], /65 bytes long, 64 are allowed/],
    [['push', 'data', '--name', '..'], /it is a relative path/],
    [['push', 'data', '--name', 'a\nb'], /can't be a name/],
    [['push', '/'], /\/ has no name of its own\./],
    [['pull', ''], /The version is empty/],
    [['pull', 'data~x'], /is not a version/],
    [['pull', 'data~-1'], /is not a version/],
    [['log', 'a@b'], /is not a name/],
    [['check', '--read-data=1000%'], /isn't a share of the data/],
  ])('%j is refused', (args, what) =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: 'x' })
      expectError(await sandbox.run(args), 2, what)
      expect(existsSync(sandbox.store)).toBe(false)
    }),
  )

  test('of names that no disk can hold says that they are too long', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: 'x' })
      await sandbox.ok('push', 'data')
      const name = 'n'.repeat(300)
      const deep = Array<string>(25).fill('n'.repeat(200)).join('/')
      for (const args of [
        ['compress', 'data', '-o', `${name}.zip`],
        ['pull', 'data', deep],
      ])
        expect(expectError(await sandbox.run(args), 1, /name too long/).hint).toMatch(/shorter name/)
    }))

  test('without a store the error names the ways on', () =>
    withSandbox(async sandbox => {
      const run = await runCli(['log'], { cwd: sandbox.path })
      expect(expectError(run, 2, /No repository chosen/).hint).toMatch(/--store .*COLAB_ESCAPE_STORE/)
    }))

  test('help that nobody reads to its end, as before `| head`, ends quietly', async () => {
    const child = spawn(process.execPath, [PROGRAM, 'push', '--help'], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    const [errors, code] = await Promise.all([text(child.stderr), once(child, 'exit').then(([code]) => code as number)])
    expect([errors, code]).toEqual(['', 0])
  })

  test.each([
    [['restore', 'data'], /colab-escape pull/],
    [['rm', 'data@1234'], /colab-escape forget/],
    [['snapshots'], /colab-escape log/],
    [['auth', 'whoami'], /colab-escape auth status/],
    [['help', 'list'], /colab-escape log/],
  ])('%j leads to the command that does it here', async (args, what) => {
    const run = await runCli(args)
    expect(expectError(run, 2, /There is no command `/).hint).toMatch(what)
  })

  test.each([
    [['push']],
    [['psh', 'data']],
    [['help', 'psh']],
    [['auth', 'lgin']],
    [['push', 'data', '--level', 'huge']],
    [['push', 'data', '--store']],
    [['pull', 'a', 'b', 'c']],
    [['pull', 'data', '--exlude', 'x']],
    [[]],
    [['auth']],
  ])('%j with --json ends with one event, on stdout', async args => {
    const run = await runCli(['--json', ...args])
    expect(run.code).toBe(2)
    expect(eventsOf(run)).toEqual([
      { event: 'error', code: 'usage', message: expect.any(String) as string, hint: expect.any(String) as string },
    ])
  })

  test('after -- nothing is an option', async () => {
    expect((await runCli(['psh', '--', '--json'])).stdout).toBe('')
  })

  test('an error in JSON is one event with code and hint', () =>
    withSandbox(async sandbox => {
      const run = await sandbox.run(['--json', 'push', 'nowhere'])
      expect([run.code, run.stderr]).toEqual([5, ''])
      expect(eventsOf(run)).toEqual([
        { event: 'error', code: 'not-found', message: expect.any(String) as string, hint: expect.any(String) as string },
      ])
    }))
})

describe('sources', () => {
  test('that do not exist, are dangling, or lie below a file', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.path, { file: 'x', dangling: { link: 'nowhere' }, circle: { link: 'circle' }, data: { folder: true } })
      expectError(await sandbox.run(['push', 'nowhere']), 5, /nowhere does not exist/)
      expectError(await sandbox.run(['push', 'dangling']), 5, /dangling is a symlink to what does not exist/)
      expectError(await sandbox.run(['push', 'file/below']), 5, /does not exist/)
      expectError(
        await sandbox.run(['push', 'circle']),
        1,
        /circle can't be read: it is, or leads through, a symlink that leads back to itself/,
      )
      expectError(await sandbox.run(['push', '/dev/null']), 2, /neither a file nor a folder/)
      expect(existsSync(sandbox.store)).toBe(false)
    }))

  test('with unreadable files and folders: exit 3, all others are saved', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { readable: 'yes', secret: { file: 'no', mode: 0 }, 'closed/x': 'no', 'open/y': 'yes' })
      chmodSync(sandbox.in('data', 'closed'), 0)
      chmodSync(sandbox.path, 0o777)
      const run = await sandbox.run(['--json', 'push', 'data'], { uid: NOBODY })
      expect(run.code, run.stdout + run.stderr).toBe(3)
      expect(resultOf(run)).toMatchObject({ outcome: 'stored', files: 2, failed: 2 })
      expect(run.stdout).toMatch(/data\/secret was not saved/)
      expect(run.stdout).toMatch(/data\/closed can't be read/)
      await sandbox.ok('pull', 'data', 'out')
      expect(readFileSync(sandbox.in('out', 'open', 'y'), 'utf8')).toBe('yes')
      expect(existsSync(sandbox.in('out', 'secret'))).toBe(false)
      const text = await sandbox.run(['push', 'data'], { uid: NOBODY })
      expect(text.code).toBe(3)
      expect(text.stderr).not.toMatch(/^\s+at /m)
    }))

  test('that are closed altogether: an error, and no version', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: 'x' })
      chmodSync(sandbox.in('data'), 0)
      chmodSync(sandbox.path, 0o777)
      expectError(await sandbox.run(['push', 'data'], { uid: NOBODY }), 1, /data can't be read/)
      expect(existsSync(sandbox.store)).toBe(false)
    }))

  test('a single file that can not be read: an error, and no version', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.path, { secret: { file: 'no', mode: 0 }, store: { folder: true, mode: 0o777 } })
      chmodSync(sandbox.path, 0o777)
      expectError(await sandbox.run(['push', 'secret'], { uid: NOBODY }), 1, /secret could not be read, so no version was made/)
      expect(objects(sandbox.store, 'snapshot-')).toEqual([])
    }))

  test('with a file that is written all the time: exit 3, never half a file', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'growing.csv': seededNoise(1, 16 * MiB), 'quiet.txt': 'quiet' })
      const writer = setInterval(() => appendFileSync(sandbox.in('data', 'growing.csv'), 'one more line\n'), 1)
      const run = await sandbox.run(['push', 'data'])
      clearInterval(writer)
      expect(run.code, run.stderr).toBe(3)
      expect(run.stderr).toMatch(
        /^warning: .*growing\.csv was not saved: it changed while it was being read: it had [\d,]+ bytes and now has [\d,]+$/m,
      )
      expect(run.stdout).toMatch(/1 file could not be saved/)
      await sandbox.ok('pull', 'data', 'out')
      expect(readdirSync(sandbox.in('out'))).toEqual(['quiet.txt'])
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
      await expectHealthy(sandbox)
    }))
})

describe('stores', () => {
  test('that are no repository: not found, whatever is asked, and nothing is written', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('foreign'), { 'notes.txt': 'mine', 'sub/x': 'mine' })
      makeTree(sandbox.in('empty'), {})
      makeTree(sandbox.in('data'), { a: 'x' })
      for (const [store, commands] of [
        ['foreign', 5],
        ['empty', 1],
        ['absent/deeper', 1],
      ] as const) {
        const other = new Sandbox(sandbox.path, sandbox.in(store))
        for (const args of [['pull', 'data'], ['log'], ['ls', 'data'], ['cat', 'data:a'], ['check']].slice(0, commands)) {
          expectError(await other.run(args), 5, /holds no repository/)
        }
      }
      const before = pictureOf(sandbox.in('foreign'))
      const refused = await new Sandbox(sandbox.path, sandbox.in('foreign')).run(['push', 'data'])
      expectError(refused, 5, /is not a repository and contains other files/)
      expectSameTree(sandbox.in('foreign'), before)
      expect(existsSync(sandbox.in('absent'))).toBe(false)
      expectError(await new Sandbox(sandbox.path, sandbox.in('data', 'a')).run(['push', 'data']), 5, /is a file, not a folder/)
      expectError(await new Sandbox(sandbox.path, sandbox.in('data', 'a')).run(['log']), 5, /is a file, not a folder/)
    }))

  test('with a damaged, newer or missing config', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: 'x' })
      await sandbox.ok('push', 'data')
      const config = join(sandbox.store, 'config.json')
      const good = readFileSync(config)
      const before = readdirSync(sandbox.store).sort()
      for (const [bad, code, what] of [
        ['', 7, /config\.json in .* is damaged/],
        ['{"format":', 7, /it is not JSON/],
        ['[]', 7, /it has no format/],
        ['{"format":"1"}', 7, /it has no format/],
        ['{"format":0}', 7, /it has no format/],
        [Buffer.from([0xff, 0xfe]), 7, /it is not UTF-8/],
        ['{"format":2}', 1, /made by a newer colab-escape/],
      ] as const) {
        writeFileSync(config, bad)
        expectError(await sandbox.run(['pull', 'data', 'out']), code, what)
      }
      for (const args of [['push', 'data'], ['log'], ['check']]) expectError(await sandbox.run(args), 1, /made by a newer colab-escape/)
      expect(existsSync(sandbox.in('out'))).toBe(false)
      rmSync(config)
      expect((await sandbox.run(['pull', 'data', 'out'])).stderr).toMatch(/^warning: config\.json is missing/m)
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
      await sandbox.ok('push', 'data')
      expect(readFileSync(config)).toEqual(good)
      expect(readdirSync(sandbox.store).sort()).toEqual(before)
    }))

  test('that need a feature of a newer program', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: 'x' })
      await sandbox.ok('push', 'data')
      writeFileSync(join(sandbox.store, 'feature-encryption'), '')
      for (const args of [['pull', 'data', 'out'], ['push', 'data'], ['log'], ['check']]) {
        expect(expectError(await sandbox.run(args), 1, /needs: encryption.*newer colab-escape/).hint).toMatch(/^Install the newest/)
      }
    }))

  test('with a pack cut short: pull restores the rest and names the files, so does check, and a push mends it', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'first.aaa': 'first', 'sub/lost.bin': seededNoise(1, 3 * MiB), zero: '' })
      await sandbox.ok('push', 'data')
      const [pack] = objects(sandbox.store, 'pack-')
      truncateSync(join(sandbox.store, pack!), 2 * MiB)
      const checked = await sandbox.run(['check'])
      expect(checked.code).toBe(7)
      expect(checked.stdout).toMatch(/^damaged: Pack [0-9a-f]{12} is damaged: it has [\d,]+ bytes? instead of [\d,]+$/m)
      expect(checked.stdout).toMatch(/^affected: data@[0-9a-f]{8}:sub\/lost\.bin/m)
      const pulled = await sandbox.run(['pull', 'data', 'out'])
      expect(pulled.code).toBe(7)
      expect(pulled.stderr).toMatch(/^warning: sub\/lost\.bin was not restored: /m)
      expect(pulled.stderr).not.toMatch(/^\s+at /m)
      expect(readdirSync(sandbox.in('out'), { recursive: true }).sort()).toEqual(['first.aaa', 'sub', 'zero'])
      await sandbox.ok('push', 'data')
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('with a pack of one version missing: the other version is whole, the files of the first are named', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { shared: seededNoise(1, MiB) })
      await sandbox.ok('push', 'data')
      const old = objects(sandbox.store, 'pack-')
      makeTree(sandbox.in('data'), { 'added.bin': seededNoise(2, MiB), 'more/b.bin': seededNoise(3, MiB) })
      await sandbox.ok('push', 'data')
      makeTree(sandbox.in('third'), { manifest: 'lies in a pack of its own' })
      await sandbox.ok('push', 'third')
      rmSync(join(sandbox.store, old[0]!))
      const run = await sandbox.run(['pull', 'data', 'out'])
      expect(run.code, run.stderr).toBe(7)
      expect(run.stderr).toMatch(/^warning: shared was not restored: /m)
      expect(readdirSync(sandbox.in('out')).sort()).toEqual(['added.bin', 'more'])
      const { affected } = resultOf<{ affected: { path?: string }[] }>(await sandbox.run(['--json', 'check']))
      expect(affected.map(({ path }) => path)).toContain('shared')
      expect(affected.map(({ path }) => path)).not.toContain('added.bin')
      await sandbox.ok('pull', 'third', 'third-out')
      expectSameTree(sandbox.in('third-out'), sandbox.in('third'))
    }))

  test('without space left: exit 6, the repository stays valid, and the push completes once there is space', () =>
    withTmpfs(24 * MiB, ({ path }) =>
      withSandbox(async own => {
        const sandbox = new Sandbox(own.path, join(path, 'store'))
        makeTree(sandbox.in('data'), { 'a.txt': 'first version' })
        await sandbox.ok('push', 'data')
        writeFileSync(join(path, 'filler'), Buffer.alloc(12 * MiB))
        makeTree(sandbox.in('data'), { 'big.bin': seededNoise(1, 18 * MiB) })
        expectError(await sandbox.run(['push', 'data']), 6, /no space is left on/)
        await expectHealthy(sandbox)
        expect(objects(sandbox.store, '.tmp-')).toEqual([])
        await sandbox.ok('pull', 'data', 'old')
        expect(readdirSync(sandbox.in('old'))).toEqual(['a.txt'])
        rmSync(join(path, 'filler'))
        await sandbox.ok('push', 'data')
        await sandbox.ok('pull', 'data', 'out')
        expectSameTree(sandbox.in('out'), sandbox.in('data'))
        await expectHealthy(sandbox)
      }),
    ))

  test('that are read-only can be read, not pushed to', () =>
    withTmpfs(8 * MiB, tmpfs =>
      withSandbox(async own => {
        const sandbox = new Sandbox(own.path, join(tmpfs.path, 'store'))
        makeTree(sandbox.in('data'), { 'a.bin': seededNoise(1, 100_000) })
        await sandbox.ok('push', 'data')
        await tmpfs.remountReadOnly()
        await sandbox.ok('pull', 'data', 'out')
        expectSameTree(sandbox.in('out'), sandbox.in('data'))
        for (const args of [['log'], ['ls', 'data'], ['cat', 'data:a.bin'], ['check', '--read-data']]) await sandbox.ok(...args)
        makeTree(sandbox.in('data'), { new: 'x' })
        expectError(await sandbox.run(['push', 'data']), 1, /is read-only/)
        expectError(await new Sandbox(own.path, join(tmpfs.path, 'new')).run(['push', 'data']), 1, /is read-only/)
      }),
    ))

  test('that belong to somebody else: exit 1 with the reason', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: 'x' })
      await sandbox.ok('push', 'data')
      makeTree(sandbox.in('data'), { b: 'y' })
      for (const name of ['', 'data', 'store']) chmodSync(sandbox.in(name), 0o755)
      const env = { COLAB_ESCAPE_CACHE: '/nonexistent/cache' }
      expectError(await sandbox.run(['push', 'data'], { uid: NOBODY, env }), 1, /no permission/)
      const read = await sandbox.run(['cat', 'data:a'], { uid: NOBODY, env })
      expect([read.code, read.stdout]).toEqual([0, 'x'])
    }))
})

describe('destinations', () => {
  test('that are a file, or below one', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: 'x' })
      writeFileSync(sandbox.in('file'), 'mine')
      await sandbox.ok('push', 'data')
      for (const path of ['file', 'file/below', 'file/far/below'])
        expectError(await sandbox.run(['pull', 'data', path]), 1, /\/file is a file, not a folder/)
      symlinkSync('nowhere', sandbox.in('dangling'))
      symlinkSync('circle', sandbox.in('circle'))
      for (const path of ['dangling', 'dangling/below'])
        expectError(await sandbox.run(['pull', 'data', path]), 1, /\/dangling is a symlink to nowhere, which does not exist/)
      expectError(await sandbox.run(['pull', 'data', 'circle']), 1, /\/circle is, or leads through, a symlink that leads back to itself/)
      expectError(await sandbox.run(['pull', 'data:a', 'file/a']), 1, /\/file is a file, not a folder/)
      expect(existsSync(sandbox.in('nowhere'))).toBe(false)
      expect(readFileSync(sandbox.in('file'), 'utf8')).toBe('mine')
    }))

  test('that may not be written', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: 'x' })
      await sandbox.ok('push', 'data')
      chmodSync(sandbox.path, 0o755)
      chmodSync(sandbox.store, 0o755)
      expectError(await sandbox.run(['pull', 'data', 'out'], { uid: NOBODY }), 1, /out can't be written: permission denied/)
    }))

  test('without enough space: exit 6 before anything is changed, and the same pull completes once there is space', () =>
    withTmpfs(40 * MiB, ({ path }) =>
      withSandbox(async sandbox => {
        makeTree(sandbox.in('data'), { 'a.txt': 'a', 'big.bin': seededNoise(1, 20 * MiB) })
        await sandbox.ok('push', 'data')
        writeFileSync(join(path, 'filler'), Buffer.alloc(30 * MiB))
        const { message } = expectError(await sandbox.run(['pull', 'data', join(path, 'out')]), 6, /; nothing was changed/)
        expect(message).toMatch(/take 21\.0 MB, but only 10\.\d MB can be used at .*colab-escape-tmpfs-/)
        expect(readdirSync(path)).toEqual(['filler'])
        rmSync(join(path, 'filler'))
        await sandbox.ok('pull', 'data', join(path, 'out'))
        expectSameTree(join(path, 'out'), sandbox.in('data'))
      }),
    ))
})
