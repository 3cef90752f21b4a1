import { cpSync, existsSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { expectError, resultOf, runCli, withSandbox, type Sandbox } from '../helpers/cli.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { bf16, network, pt, tuned } from '../helpers/tensors.ts'
import { expectSameTree, makeTree, pictureOf } from '../helpers/trees.ts'

interface PushEvent {
  outcome: string
  version: string | null
  readBytes: number
  newBytes: number
  storedBytes: number
  files: number
  requests: Record<string, number>
}

const pushed = (sandbox: Sandbox, ...args: string[]): Promise<PushEvent> => sandbox.json<PushEvent>('push', ...args)

async function storedPaths(sandbox: Sandbox, name: string): Promise<string[]> {
  const { entries } = await sandbox.json<{ entries: { path: string }[] }>('ls', name, '-R')
  return entries.map(({ path }) => path)
}

describe('what is left out', () => {
  const tree = {
    'a.txt': '1',
    'a.log': '2',
    'keep.log': '3',
    'cache/x': '4',
    'sub/b.log': '5',
    'sub/important.log': '6',
    'sub/deep/c.txt': '7',
    'sub/deep/d.tmp': '8',
    'only-here/e.txt': '9',
    'sub/only-here/f.txt': '10',
    '#odd': '11',
    'Case.LOG': '12',
  }

  test('follows .colab-escape-ignore files, the deepest first', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), {
        ...tree,
        '.colab-escape-ignore': '# a comment\n*.log\n!keep.log\ncache/\n/only-here\n\\#odd\n',
        'sub/.colab-escape-ignore': '!important.log\ndeep/*.tmp\n',
      })
      await sandbox.ok('push', 'data')
      expect(await storedPaths(sandbox, 'data')).toEqual([
        '.colab-escape-ignore',
        'Case.LOG',
        'a.txt',
        'keep.log',
        'sub',
        'sub/.colab-escape-ignore',
        'sub/deep',
        'sub/deep/c.txt',
        'sub/important.log',
        'sub/only-here',
        'sub/only-here/f.txt',
      ])
    }))

  test('follows --exclude, with negation, before any file', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { ...tree, '.colab-escape-ignore': '!a.log\n' })
      await sandbox.ok('push', 'data', '--exclude', '*.log', '--exclude', '!keep.log', '--exclude', 'only-here', '--exclude', 'sub/deep/')
      const paths = await storedPaths(sandbox, 'data')
      expect(paths).toEqual(['#odd', '.colab-escape-ignore', 'Case.LOG', 'a.txt', 'cache', 'cache/x', 'keep.log', 'sub'])
    }))
})

describe('a push that finds nothing new', () => {
  test('makes no version and says which it equals; tags become a label', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: 'one', 'b/c': 'two' })
      const first = await pushed(sandbox, 'data', '--tag', 'first')
      const objects = readdirSync(sandbox.store).sort()
      const run = await sandbox.ok('push', 'data', '--tag', 'first')
      expect(run.stdout).toContain(`Nothing changed: data is identical to its newest version data@${first.version!.slice(0, 8)}`)
      expect(readdirSync(sandbox.store).sort()).toEqual(objects)

      const tagged = await pushed(sandbox, 'data', '--tag', 'best', '--tag', 'final v1')
      expect(tagged).toMatchObject({ outcome: 'unchanged', version: first.version })
      const added = readdirSync(sandbox.store).filter(name => !objects.includes(name))
      expect(added).toEqual([expect.stringMatching(/^label-/)])
      const { versions } = await sandbox.json<{ versions: { tags: string[] }[] }>('log', 'data')
      expect(versions.map(({ tags }) => tags)).toEqual([['first', 'best', 'final v1']])
      await sandbox.ok('pull', 'data@final v1', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('reads no file that is older than two seconds, and again those whose time changed', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.bin': seededNoise(1, 700_000), 'b.txt': seededText(2, 300_000), empty: '' })
      await sleep(2100)
      expect(await pushed(sandbox, 'data')).toMatchObject({ outcome: 'stored', readBytes: 1_000_000 })
      expect(await pushed(sandbox, 'data')).toMatchObject({ outcome: 'unchanged', readBytes: 0, newBytes: 0, storedBytes: 0 })

      utimesSync(sandbox.in('data', 'b.txt'), 1e9, 1e9)
      const touched = await pushed(sandbox, 'data')
      expect(touched).toMatchObject({ outcome: 'stored', readBytes: 300_000 })
      expect(touched.newBytes).toBeLessThan(5000) // the manifest alone

      // what the cache says holds for no other store
      rmSync(sandbox.store, { recursive: true })
      expect(await pushed(sandbox, 'data', '--create')).toMatchObject({ outcome: 'stored', readBytes: 1_000_000 })
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('a change that keeps size and modification time is seen', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { file: { file: 'before', mtime: '1600000000' } })
      await sleep(2100)
      await pushed(sandbox, 'data')
      makeTree(sandbox.in('data'), { file: { file: 'after!', mtime: '1600000000' } })
      expect(await pushed(sandbox, 'data')).toMatchObject({ outcome: 'stored' })
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }))

  test('so does a pulled copy pushed from another place under the same name', () =>
    withSandbox(async sandbox => {
      const odd = { 'a.bin': { file: seededNoise(4, 100_000), mtime: '1234567890.987654321' }, link: { link: 'a.bin' } }
      makeTree(sandbox.in('data'), { ...odd, 'sub/\xff': { file: 'not UTF-8', mtime: '-5.000001', mode: 0o600 } })
      const { version } = await pushed(sandbox, 'data')
      await sandbox.ok('pull', 'data', 'elsewhere/copy')
      const run = await sandbox.ok('--json', 'push', 'elsewhere/copy', '--name', 'data')
      expect(resultOf(run)).toMatchObject({ outcome: 'unchanged', version })
      expect(run.stdout).toMatch(/the last version of data came from .*; use --name to keep them apart/)
    }))

  test('a damaged cache of file states costs a reading, nothing else', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.bin': seededNoise(1, 50_000) })
      await sleep(2100)
      await pushed(sandbox, 'data')
      for (const name of readdirSync(sandbox.in('cache', 'files'))) {
        const path = sandbox.in('cache', 'files', name)
        for (const junk of ['', '{}\n', 'not JSON\n"00"\n', '[1,2,3]\n', '\0\0\0']) {
          writeFileSync(path, junk)
          expect(await pushed(sandbox, 'data'), JSON.stringify(junk)).toMatchObject({ outcome: 'unchanged', readBytes: 50_000 })
        }
      }
      expect(await pushed(sandbox, 'data')).toMatchObject({ readBytes: 0 })
    }))
})

describe('options of push', () => {
  test('--dry-run leaves no trace, with and without a repository', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: seededNoise(1, 100_000) })
      const first = await sandbox.ok('push', 'data', '--dry-run')
      expect(first.stdout).toMatch(/^Dry run: data would get a new version; nothing was stored/)
      expect(readdirSync(sandbox.path).filter(name => name !== 'cache')).toEqual(['data'])
      await pushed(sandbox, 'data')
      const before = pictureOf(sandbox.store)
      makeTree(sandbox.in('data'), { b: seededNoise(2, 100_000) })
      expect(await pushed(sandbox, 'data', '--dry-run', '--tag', 'x')).toMatchObject({ outcome: 'dry-run', version: null, files: 2 })
      expectSameTree(sandbox.store, before)
      rmSync(sandbox.in('data', 'b'))
      utimesSync(sandbox.in('data'), 1, 1)
      expect(await pushed(sandbox, 'data', '--dry-run', '--tag', 'x')).toMatchObject({ outcome: 'unchanged' })
      expectSameTree(sandbox.store, before)
    }))

  test('--dry-run tells what it would cost, by kind of file', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.csv': seededText(1, 60_000), 'b.jpg': seededNoise(2, 40_000), 'c.jpg': seededNoise(3, 40_000) })
      interface Kinds {
        newBytes: number
        storedBytes: number
        kinds: { kind: string; files: number; bytes: number; newBytes: number; storedBytes: number }[]
      }
      const dry = await sandbox.json<Kinds>('push', 'data', '--dry-run')
      const [pictures, text] = dry.kinds
      expect(pictures).toMatchObject({ kind: 'media', files: 2, bytes: 80_000, newBytes: 80_000 })
      expect(text).toMatchObject({ kind: 'text', files: 1, bytes: 60_000, newBytes: 60_000 })
      expect(pictures!.storedBytes).toBeGreaterThanOrEqual(80_000)
      expect(text!.storedBytes).toBeLessThan(40_000)
      // the rest is the list of files
      const rest = dry.storedBytes - pictures!.storedBytes - text!.storedBytes
      expect(rest).toBeGreaterThan(50)
      expect(rest).toBeLessThan(2_000)
      expect(await sandbox.json<Kinds>('push', 'data')).toMatchObject({ newBytes: dry.newBytes, storedBytes: dry.storedBytes })
      makeTree(sandbox.in('data'), { 'c.jpg': seededNoise(4, 50_000) })
      expect((await sandbox.json<Kinds>('push', 'data', '--dry-run')).kinds).toMatchObject([
        { kind: 'media', files: 2, bytes: 90_000, newBytes: 50_000 },
        { kind: 'text', newBytes: 0, storedBytes: 0 },
      ])
      expect((await sandbox.ok('push', 'data', '--dry-run')).stdout).toMatch(/^media +2 +90\.0 kB +40\.0 kB +50\.\d kB +44%$/m)
    }))

  test('-m and --tag are told by log, in text and in JSON', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: 'x' })
      await sandbox.ok('push', 'data', '-m', 'lr 1e-4, größer 🐈', '--tag', 'best', '--tag', 'v1')
      expect((await sandbox.ok('log')).stdout).toMatch(/data .* \[best\] \[v1\] lr 1e-4, größer 🐈/)
      const { versions } = await sandbox.json<{ versions: object[] }>('log')
      expect(versions).toMatchObject([{ name: 'data', message: 'lr 1e-4, größer 🐈', tags: ['best', 'v1'] }])
    }))

  test('--name gives the version another name, but not to several at once', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.path, { 'a/x': '1', 'b/y': '2' })
      await sandbox.ok('push', 'a', '--name', 'réseau 1')
      await sandbox.ok('pull', 'réseau 1')
      expectSameTree(sandbox.in('réseau 1'), sandbox.in('a'))
      expectError(await sandbox.run(['push', 'a', 'b', '--name', 'c']), 2, /--name needs a single path/)
    }))

  test.each(['fast', 'high', 'max', 'auto'])('--level %s comes back exactly', level =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.csv': seededText(1, 3_000_000), 'b.bin': seededNoise(2, 500_000) })
      await sandbox.ok('push', 'data', '--level', level)
      await sandbox.ok('pull', 'data', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
    }),
  )

  test('--no-delta stores no changes of tensors and keeps none of them on this machine', () =>
    withSandbox(async sandbox => {
      const model = network(1, [100_000])
      const kept = (): number => (existsSync(sandbox.in('cache/tensors')) ? readdirSync(sandbox.in('cache/tensors')).length : 0)
      const train = (seed: number): void => makeTree(sandbox.in('data'), { 'last.pt': pt(bf16(tuned(model, seed))) })
      train(1)
      const first = await pushed(sandbox, 'data', '--no-delta')
      expect(kept()).toBe(0)
      train(2)
      await pushed(sandbox, 'data')
      expect(kept()).toBe(1)
      train(3)
      expect((await pushed(sandbox, 'data', '--no-delta')).storedBytes).toBeGreaterThan(0.9 * first.storedBytes)
      expect(kept()).toBe(1)
      train(4)
      expect((await pushed(sandbox, 'data')).storedBytes).toBeGreaterThan(0.9 * first.storedBytes)
      train(5)
      expect((await pushed(sandbox, 'data')).storedBytes).toBeLessThan(0.5 * first.storedBytes)
    }))

  test('--quiet is silent, --jobs 0 and 1 work, the portable codec reads what the native wrote', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { 'a.csv': seededText(1, 9_000_000) })
      const quiet = await sandbox.ok('push', 'data', '--quiet', '--jobs', '1')
      expect([quiet.stdout, quiet.stderr]).toEqual(['', ''])
      await sandbox.ok('pull', 'data', 'out', '--jobs', '0')
      expectSameTree(sandbox.in('out'), sandbox.in('data'))
      const run = await sandbox.run(['pull', 'data', 'portable'], { env: { COLAB_ESCAPE_ZSTD: 'portable' } })
      expect(run.code, run.stderr).toBe(0)
      expectSameTree(sandbox.in('portable'), sandbox.in('data'))
    }))

  test('the store may come from the environment and from a named file; a copied repository is a repository', () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('data'), { a: 'x' })
      await sandbox.ok('push', 'data')
      cpSync(sandbox.store, sandbox.in('copied'), { recursive: true })
      rmSync(sandbox.store, { recursive: true })
      writeFileSync(sandbox.in('.env'), 'COLAB_ESCAPE_STORE=copied\n')
      const env = { COLAB_ESCAPE_CACHE: sandbox.in('cache') }
      const fromFile = await runCli(['pull', 'data', 'out1', '--settings-file', '.env'], { cwd: sandbox.path, env })
      expect(fromFile.code, fromFile.stderr).toBe(0)
      const fromEnv = await runCli(['pull', 'data', 'out2'], { cwd: sandbox.path, env: { ...env, COLAB_ESCAPE_STORE: './copied' } })
      expect(fromEnv.code, fromEnv.stderr).toBe(0)
      for (const out of ['out1', 'out2']) expectSameTree(sandbox.in(out), sandbox.in('data'))
    }))
})
