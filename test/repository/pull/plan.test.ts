import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { Chunker } from '../../../src/chunking/chunker.ts'
import type { Entry } from '../../../src/repository/format/manifest.ts'
import { planPull } from '../../../src/repository/pull/plan.ts'
import type { PullPlan } from '../../../src/repository/pull/pull-plan.ts'
import { newestSnapshot } from '../../../src/repository/versions/versions.ts'
import { PLAIN_CHUNKS } from '../../../src/util/chunk-keys.ts'
import { silentReporter } from '../../../src/util/reporter.ts'
import { rejection } from '../../helpers/failures.ts'
import { withFolder } from '../../helpers/folders.ts'
import { contextOf, pullVersion, pushFolder } from '../../helpers/in-process.ts'
import { TestStore } from '../../helpers/repository/test-store.ts'
import { seededBytes } from '../../helpers/seeded.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'
import { checkpointIndex } from '../../tensors/checkpoint-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'pull-plan-'))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const directory = (path: string): Entry => ({ path, type: 'directory', mode: 0o755, mtime: 0n })
const link = (path: string): Entry => ({ path, type: 'symlink', mode: 0o777, mtime: 0n, target: 'x' })

async function plan(
  platform: NodeJS.Platform,
  entries: Entry[],
  only: string[] = [],
  {
    root = folder,
    delete: remove = false,
    force = false,
    store = new TestStore(),
  }: { root?: string; delete?: boolean; force?: boolean; store?: TestStore } = {},
): Promise<PullPlan> {
  await store.snapshot('data', { entries })
  const repository = await store.open()
  const snapshot = await newestSnapshot(repository, repository.view, 'data')
  return planPull(repository, {
    snapshot: snapshot!,
    localPathOf: path => join(root, path),
    root,
    only,
    exclude: [],
    delete: remove,
    force,
    cache: undefined,
    skip: undefined,
    platform,
    chunker: new Chunker(PLAIN_CHUNKS),
    reporter: silentReporter,
  })
}

test('names that a platform can not hold are left out with what is in them, and the rest is restored', async () => {
  const entries = [directory('a:b'), link('a:b/x'), link('b')]
  const onWindows = await plan('win32', entries)
  expect(onWindows.refused.found.map(({ path }) => path)).toEqual(['a:b', 'a:b/x'])
  expect(onWindows.symlinks.map(({ entry }) => entry.path)).toEqual(['b'])
  expect((await plan('linux', entries)).refused.found).toEqual([])
})

test('a local item that only a damaged version may hold is refused as such', async () => {
  const root = join(folder, 'lacking')
  mkdirSync(root, { recursive: true })
  symlinkSync('elsewhere', join(root, 'b'))
  const store = new TestStore()
  await store.snapshot('data', { manifest: { bytes: 10, chunks: ['0'.repeat(64)] } })
  await rejection(plan('linux', [link('b')], [], { root, store }), 'would-overwrite')
})

test('with --delete, what an interrupted pull of another version left goes too', async () => {
  const root = join(folder, 'out')
  const leftover = join(root, `.colab-escape-${'0'.repeat(24)}.part`)
  mkdirSync(root, { recursive: true })
  writeFileSync(leftover, 'half a file')
  const entries = [link('b')]
  expect((await plan('linux', entries, [], { root, delete: false })).remove).toEqual([])
  expect((await plan('linux', entries, [], { root, delete: true })).remove.map(({ localPath }) => localPath)).toEqual([leftover])
})

test('a local file whose name differs in case or Unicode form is an extra one, where the file system tells them apart', async () => {
  const root = join(folder, 'cases')
  mkdirSync(join(root, 'docs'), { recursive: true })
  for (const name of ['docs/Readme', 'cafe\u0301', 'extra']) writeFileSync(join(root, name), '')
  const entries = [directory('Docs'), link('Docs/README'), link('caf\u00e9')]
  const { remove } = await plan('linux', entries, [], { root, delete: true, force: true })
  expect(remove.map(({ path }) => path).sort()).toEqual(['cafe\u0301', 'docs/Readme', 'extra'])
})

test('a file that a version holds is overwritten, however that version has cut it', async () => {
  await withFolder(async folder => {
    const context = contextOf(new MemoryStorage())
    const [data, copy] = [join(folder, 'data'), join(folder, 'copy')]
    const [name, index] = ['ckpt.data-00000-of-00001', 'ckpt.index']
    const write = (seed: number): void => {
      writeFileSync(join(data, name), seededBytes(300_000, seed))
      writeFileSync(join(data, index), checkpointIndex([{ name: 'w', dataType: 1, shape: [50_000], offset: 5000, length: 200_000 }]))
    }
    mkdirSync(data)
    write(1)
    await pushFolder(context, data, 'data')
    write(2)
    await pushFolder(context, data, 'data')
    // without the index, which says where to cut
    await pullVersion(context, 'data~1', copy, false, [name])
    await pullVersion(context, 'data', copy, false, [name])
    expect(readFileSync(join(copy, name))).toEqual(Buffer.from(seededBytes(300_000, 2)))
    const changed = Buffer.from(seededBytes(300_000, 2)).fill('x', 299_999)
    writeFileSync(join(copy, name), changed)
    await rejection(pullVersion(context, 'data~1', copy, false, [name]), 'would-overwrite')
    expect(readFileSync(join(copy, name))).toEqual(changed)
  })
})
