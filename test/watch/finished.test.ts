import { appendFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { withSandbox, type Sandbox } from '../helpers/cli.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { pictureOf, expectSameTree, makeTree } from '../helpers/trees.ts'
import { npy, safetensors, zip } from './containers.ts'
import { until, whileWatching, type RunningWatch } from './running.ts'

const QUICK = ['--settle', '300ms', '--every', '100ms', '--status-file', 'status.json']
const LONG_MS = 90_000

interface Status {
  state: string
  versions: number
  last: { version: string; metrics: object } | null
  held: { path: string; kind: string; why: string }[]
  trouble: object | null
}

/** Half of it is never there: the status is read while the watch replaces it again and again. */
const statusOf = (sandbox: Sandbox): Status => JSON.parse(readFileSync(sandbox.in('status.json'), 'utf8')) as Status

const versionsOf = async (sandbox: Sandbox): Promise<string[]> =>
  (await sandbox.json<{ versions: { version: string }[] }>('log', 'runs')).versions.map(({ version }) => version)

async function everyVersion(sandbox: Sandbox, look: (folder: string) => void): Promise<number> {
  const versions = await versionsOf(sandbox)
  for (const version of versions) {
    const folder = sandbox.in(`out-${version}`)
    await sandbox.ok('pull', `runs@${version}`, folder)
    look(folder)
  }
  return versions.length
}

test.each([
  ['model.safetensors', safetensors],
  ['array.npy', npy],
  ['model.pt', zip],
])(
  'of %s half is never stored, however long it stays half',
  (name, make) =>
    withSandbox(async sandbox => {
      const first = make(1, 200_000)
      const second = make(2, 300_000)
      makeTree(sandbox.in('runs'), { 'old.txt': 'there' })
      writeFileSync(sandbox.in('runs', name), first)
      await whileWatching(sandbox, ['runs', ...QUICK], async watch => {
        await watch.saved(name)
        writeFileSync(sandbox.in('runs', name), second.subarray(0, 150_000))
        await until(() => statusOf(sandbox).held.some(({ path, kind }) => path === name && kind === 'incomplete'))
        // another file is finished meanwhile: its version carries over the content of the last one
        writeFileSync(sandbox.in('runs', 'other.txt'), 'finished')
        const { files } = await watch.saved('other.txt')
        expect(files).toEqual(['other.txt'])
        appendFileSync(sandbox.in('runs', name), second.subarray(150_000))
        await watch.saved(name)
        expect(await watch.stop()).toBe(0)
      })
      const seen: string[] = []
      const count = await everyVersion(sandbox, folder => {
        const content = readFileSync(join(folder, name))
        seen.push(content.equals(first) ? 'first' : content.equals(second) ? 'second' : 'neither')
      })
      expect(count).toBe(3)
      expect(seen).toEqual(['second', 'first', 'first'])
    }),
  LONG_MS,
)

test(
  'a file that is replaced by a rename is seen at once as what it is now; one that keeps growing waits',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('runs'), { 'best.bin': seededNoise(1, 50_000) })
      await whileWatching(sandbox, ['runs', ...QUICK], async watch => {
        await watch.saved('best.bin')
        const grow = setInterval(() => appendFileSync(sandbox.in('runs', 'growing.bin'), seededNoise(9, 1000)), 30)
        try {
          await until(() => statusOf(sandbox).held.some(({ path, kind }) => path === 'growing.bin' && kind === 'changing'))
          writeFileSync(sandbox.in('best.tmp'), seededNoise(2, 50_000))
          renameSync(sandbox.in('best.tmp'), sandbox.in('runs', 'best.bin'))
          expect((await watch.saved('best.bin')).files).toEqual(['best.bin'])
        } finally {
          clearInterval(grow)
        }
        await watch.saved('growing.bin')
        expect(await watch.stop()).toBe(0)
      })
      const had: boolean[] = []
      await everyVersion(sandbox, folder => had.push(existsSync(join(folder, 'growing.bin'))))
      expect(had).toEqual([true, false, false])
      await sandbox.ok('pull', 'runs', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('runs'))
    }),
  LONG_MS,
)

async function endsWell(watch: RunningWatch, signal: NodeJS.Signals): Promise<void> {
  expect(await watch.stop(signal)).toBe(0)
  expect(watch.all('stopping')).toEqual([{ event: 'stopping', why: 'signal' }])
  expect(watch.all('result')).toHaveLength(1)
}

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s saves what is finished and waits for nothing that --every would',
  signal =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('runs'), { a: 'a' })
      await whileWatching(sandbox, ['runs', '--settle', '300ms', '--every', '1h', '--status-file', 'status.json'], async watch => {
        await watch.saved('a')
        makeTree(sandbox.in('runs'), { b: 'b' })
        await endsWell(watch, signal)
        expect(watch.all('saved').map(({ files }) => files)).toEqual([['a'], ['b']])
        expect(statusOf(sandbox)).toMatchObject({ state: 'stopped', versions: 2, trouble: null })
      })
      await sandbox.ok('pull', 'runs', 'out')
      expectSameTree(sandbox.in('out'), sandbox.in('runs'))
    }),
  LONG_MS,
)

test(
  'what is not finished at the end is told, with exit 3, and the version before has its place',
  () =>
    withSandbox(async sandbox => {
      makeTree(sandbox.in('runs'), { 'a.txt': 'a', 'model.npy': npy(3, 5000).subarray(0, 4000) })
      await whileWatching(sandbox, ['runs', ...QUICK], async watch => {
        await watch.saved('a.txt')
        expect(await watch.stop()).toBe(3)
        expect(watch.all('result')[0]).toMatchObject({ versions: 1, notSaved: [{ path: 'model.npy', kind: 'incomplete' }] })
      })
      await sandbox.ok('pull', 'runs', 'out')
      expect([...pictureOf(sandbox.in('out')).keys()]).toEqual(['a.txt'])
    }),
  LONG_MS,
)
