import { readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { TensorCache } from '../../../src/repository/bases/tensor-cache.ts'
import { openForReading, type OpenRepository, type RepositoryContext } from '../../../src/repository/open/open.ts'
import { forget } from '../../../src/repository/prune/forget.ts'
import { NO_GRACE_PERIODS } from '../../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune } from '../../../src/repository/prune/prune.ts'
import { unforget } from '../../../src/repository/prune/unforget.ts'
import { bytesOfHoles } from '../../../src/repository/pull/free-space.ts'
import type { PlannedFile } from '../../../src/repository/pull/pull-plan.ts'
import type { PushResult } from '../../../src/repository/push/push.ts'
import { fetchBlocks } from '../../../src/repository/read/read-chunks.ts'
import { readManifest } from '../../../src/repository/read/read-manifest.ts'
import { StoredFile } from '../../../src/repository/read/stored-file.ts'
import { repair } from '../../../src/repository/repair/repair.ts'
import { hmac } from '../../../src/repository/sealing/keys.ts'
import { SealedStorage } from '../../../src/repository/sealing/sealed-storage.ts'
import { readLocalEntries } from '../../../src/repository/source/local-entries.ts'
import { StatCache } from '../../../src/repository/source/stat-cache.ts'
import { compareEntries } from '../../../src/repository/versions/compare-versions.ts'
import { newestSnapshot } from '../../../src/repository/versions/versions.ts'
import { FolderStorage } from '../../../src/storage/folder.ts'
import type { Storage } from '../../../src/storage/storage.ts'
import { unequalStretches } from '../../../src/tensors/stretches.ts'
import { realSurroundings } from '../../../src/util/clock.ts'
import { sha256, toHex } from '../../../src/util/hash.ts'
import { silentReporter } from '../../../src/util/reporter.ts'
import { withFolder } from '../../helpers/folders.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../../helpers/in-process.ts'
import { withDamagedStore, type DamagedStore } from '../../helpers/repository/damaged-store.ts'
import { testKeys } from '../../helpers/repository/keys.ts'
import { seededNoise, seededText } from '../../helpers/seeded.ts'
import { fp32, network, safetensors, tuned } from '../../helpers/tensors.ts'
import { expectSameTree, makeTree } from '../../helpers/trees.ts'

const TREE = {
  'small.txt': 'small',
  empty: '',
  'noise.bin': seededNoise(1, 900_000),
  'table.csv': seededText(2, 300_000),
  'zeros.bin': Buffer.alloc(700_000),
  'model.safetensors': safetensors(fp32(network(3))),
}

const sealed = (path: string, seed?: number): Storage => new SealedStorage(new FolderStorage(path), testKeys(seed))

interface Place {
  folder: string
  source: string
  /** As another machine sees the store each time. */
  context: () => RepositoryContext
}

const withPlace = (use: (place: Place) => Promise<void>): Promise<void> =>
  withFolder(async folder => {
    const source = join(folder, 'data')
    makeTree(source, TREE)
    await use({ folder, source, context: () => contextOf(sealed(join(folder, 'store'))) })
  })

/** Every version in turn comes back, the newest first, and a check that reads everything finds nothing. */
async function expectSound({ folder, context }: Place, name: string, trees: readonly string[]): Promise<void> {
  for (const [back, tree] of trees.entries()) {
    const out = join(folder, `out ${back}`)
    rmSync(out, { recursive: true, force: true })
    const { damaged } = await pullVersion(context(), `${name}~${back}`, out)
    expect(damaged).toEqual([])
    expectSameTree(out, tree)
  }
  const { problems, affected } = await checkAll(context())
  expect([problems, affected]).toEqual([[], []])
}

/** Ids and plain bytes of all chunks in a repository. */
async function chunksIn(repository: OpenRepository): Promise<Map<string, Buffer>> {
  const { index } = repository
  const found = new Map<string, Buffer>()
  for await (const { number, plain } of fetchBlocks(repository, [...index.blocks.keys()]))
    for (const entry of index.entriesIn(number)) {
      const { offset, length } = index.location(entry)
      found.set(toHex(index.id(entry)), Buffer.from(plain!.subarray(offset, offset + length)))
    }
  return found
}

describe('an encrypted repository', () => {
  test('stores each chunk once, gives every version back, and knows what changed', () =>
    withPlace(async place => {
      const { folder, source, context } = place
      const first = await pushFolder(context(), source, 'data')
      expect(first.outcome).toBe('stored')
      const again = await pushFolder(context(), source, 'data')
      expect([again.outcome, again.newBytes]).toEqual(['unchanged', 0])
      const before = join(folder, 'before')
      makeTree(before, TREE)
      await pullVersion(context(), 'data', before, true)
      writeFileSync(join(source, 'noise.bin'), Buffer.concat([seededNoise(9, 1000), TREE['noise.bin']]))
      writeFileSync(join(source, 'new.txt'), 'new')

      const repository = await openForReading(context())
      const snapshot = await newestSnapshot(repository, repository.view, 'data')
      const { chunkKeys } = repository.index
      const local = await readLocalEntries(
        { path: source, excludes: [], skip: undefined },
        () => chunkKeys,
        () => Promise.resolve(new StatCache(undefined)),
        silentReporter,
        undefined,
      )
      const changed: string[] = []
      for await (const { kind, path } of compareEntries(readManifest(repository, snapshot!), local.reading.entries))
        changed.push(`${kind} ${path}`)
      expect(changed).toEqual(['added new.txt', 'changed noise.bin'])

      const third = await pushFolder(context(), source, 'data')
      // the chunks after the first cut are known
      expect(third.newContentBytes).toBeLessThan(400_000)
      expect(third.newContentBytes).toBeGreaterThan(1000)
      await expectSound(place, 'data', [source, before])
      const out = join(folder, 'out 0')
      const { plan, written } = await pullVersion(context(), 'data', out)
      expect([written, plan.unchanged]).toEqual([0, Object.keys(TREE).length + 1])
    }))

  test('stores a tensor that was trained on as a delta', () =>
    withPlace(async place => {
      const { folder, source, context } = place
      const cache = new TensorCache(join(folder, 'cache'), silentReporter, () => 1e11)
      const sizes: number[] = []
      for (let model = network(3), step = 0; step < 3; model = tuned(model, ++step)) {
        writeFileSync(join(source, 'model.safetensors'), safetensors(fp32(model)))
        sizes.push((await pushFolder(context(), source, 'run', { bases: { cache } })).storedBytes)
      }
      const { index } = await openForReading(context())
      const depths = Array.from({ length: index.size }, (_, entry) => index.depth(entry))
      expect(Math.max(...depths)).toBe(2)
      expect(sizes[1]).toBeLessThan(0.7 * sizes[0]!)
      await forget(context(), { names: ['run'], policy: { last: 1 }, all: false, waits: NO_GRACE_PERIODS, dryRun: false })
      for (let i = 0; i < 2; i++) await prune(context(), await openForPrune(context()), { waits: NO_GRACE_PERIODS, dryRun: false })
      await expectSound(place, 'run', [source])
    }))

  test('forgets, brings back and frees', () =>
    withPlace(async place => {
      const { folder, source, context } = place
      await pushFolder(context(), source, 'data')
      const before = join(folder, 'before')
      await pullVersion(context(), 'data', before)
      writeFileSync(join(source, 'noise.bin'), seededNoise(5, 800_000))
      await pushFolder(context(), source, 'data')
      const forgets = { names: ['data'], policy: { last: 1 }, all: false, dryRun: false }
      await forget(context(), { ...forgets, waits: { ...NO_GRACE_PERIODS, graceMs: 3_600_000 } })
      const { restored } = await unforget(context(), 3_600_000, versions => versions)
      expect(restored).toHaveLength(1)
      await expectSound(place, 'data', [source, before])
      await forget(context(), { ...forgets, waits: NO_GRACE_PERIODS })
      const bytesBefore = bytesIn(join(folder, 'store'))
      for (let i = 0; i < 3; i++) await prune(context(), await openForPrune(context()), { waits: NO_GRACE_PERIODS, dryRun: false })
      expect(bytesIn(join(folder, 'store'))).toBeLessThan(bytesBefore - 800_000)
      await expectSound(place, 'data', [source])
    }))

  test('carries over a file that is being written', () =>
    withPlace(async ({ folder, source, context }) => {
      await pushFolder(context(), source, 'data')
      writeFileSync(join(source, 'noise.bin'), 'half written')
      writeFileSync(join(source, 'small.txt'), 'other')
      const live = { held: new Set(['noise.bin']), anyState: () => false }
      const { outcome } = await pushFolder(context(), source, 'data', { live })
      expect(outcome).toBe('stored')
      await pullVersion(context(), 'data', join(folder, 'out'))
      writeFileSync(join(source, 'noise.bin'), TREE['noise.bin'])
      const { outcome: after } = await pushFolder(context(), source, 'data')
      expect(after).toBe('stored')
      const { newContentBytes } = await pushFolder(context(), source, 'other')
      expect(newContentBytes).toBe(0)
    }))

  test('knows the holes of a file', () =>
    withPlace(async ({ source, context }) => {
      truncateSync(join(source, 'zeros.bin'), 2_000_000)
      await pushFolder(context(), source, 'data')
      const repository = await openForReading(context())
      const snapshot = await newestSnapshot(repository, repository.view, 'data')
      const files: PlannedFile[] = []
      for await (const entry of readManifest(repository, snapshot!))
        if (entry.path === 'zeros.bin') files.push({ entry, localPath: '', item: { type: 'absent' } } as unknown as PlannedFile)
      expect(await bytesOfHoles(repository, files)).toBeGreaterThan(1_700_000)
    }))

  test('is compared with local bytes by ids', () =>
    withPlace(async ({ source, context }) => {
      await pushFolder(context(), source, 'data')
      const repository = await openForReading(context())
      const snapshot = await newestSnapshot(repository, repository.view, 'data')
      for await (const entry of readManifest(repository, snapshot!)) {
        if (entry.path !== 'noise.bin' || entry.type !== 'file') continue
        const stored = { source: new StoredFile(repository, entry, 'it'), start: 0 }
        const bytes = Buffer.from(TREE['noise.bin'])
        const local = {
          source: { size: bytes.length, read: (at: number, n: number) => Promise.resolve(bytes.subarray(at, at + n)) },
          start: 0,
        }
        expect(await unequalStretches(stored, local, bytes.length)).toEqual([])
        bytes[500_000]! ^= 1
        const [stretch, ...others] = await unequalStretches(local, stored, bytes.length)
        expect(others).toEqual([])
        expect(stretch!.start).toBeLessThanOrEqual(500_000)
        expect(stretch!.start + stretch!.length).toBeGreaterThan(500_000)
        expect(stretch!.length).toBeLessThan(300_000)
      }
    }))
})

function bytesIn(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0)
}

describe('damage in an encrypted repository', () => {
  const encrypted = (store: DamagedStore): RepositoryContext => store.context(new SealedStorage(store.memory, testKeys()))
  const tree = { 'a.bin': seededNoise(1, 200_000), 'b.bin': seededNoise(2, 200_000) }

  test('is found by a check, taken out of use by a repair, and healed by the next push', () =>
    withDamagedStore(async store => {
      const push = async (): Promise<PushResult> =>
        withFolder(async folder => {
          store.clock.ms += 60_000
          makeTree(join(folder, 'data'), tree)
          return pushFolder(encrypted(store), join(folder, 'data'), 'data')
        })
      await push()
      store.flip(store.only('pack-'), 5000)
      const damaged = await checkAll(encrypted(store))
      expect(damaged.affected).not.toEqual([])
      await repair(encrypted(store), { dryRun: false, giveUp: false })
      await push()
      const { problems, affected } = await checkAll(encrypted(store))
      expect([problems, affected]).toEqual([[], []])
      expect(await store.pull('data', undefined, new SealedStorage(store.memory, testKeys()))).toEqual([])
    }))
})

describe('ids and cuts', () => {
  test('are those of the keys: nobody without them can tell whether a repository has a content', () =>
    withPlace(async ({ folder, source }) => {
      const stores = {
        plain: new FolderStorage(join(folder, 'plain')),
        one: sealed(join(folder, 'one'), 1),
        two: sealed(join(folder, 'two'), 2),
      }
      const chunks: Record<string, Map<string, Buffer>> = {}
      for (const [name, storage] of Object.entries(stores)) {
        await pushFolder(contextOf(storage), source, 'data')
        chunks[name] = await chunksIn(await openForReading(contextOf(storage)))
      }
      const { plain, one, two } = chunks as Record<keyof typeof stores, Map<string, Buffer>>
      for (const [id, bytes] of plain) expect(toHex(sha256(bytes))).toBe(id)
      for (const [seed, found] of [
        [1, one],
        [2, two],
      ] as const)
        // prettier-ignore
        for (const [id, bytes] of found) expect(toHex(hmac(testKeys(seed).chunkIds, bytes))).toBe(id)
      expect([...plain.keys()].filter(id => one.has(id) || two.has(id))).toEqual([])
      expect([...one.keys()].filter(id => two.has(id))).toEqual([])
      const noise = (found: Map<string, Buffer>): number[] =>
        [...found.values()].filter(bytes => TREE['noise.bin'].includes(bytes)).map(({ length }) => length)
      for (const [a, b] of [
        [plain, one],
        [plain, two],
        [one, two],
      ] as const) {
        // prettier-ignore
        expect(noise(a).length).toBeGreaterThan(5)
        expect(noise(a)).not.toEqual(noise(b))
      }
    }))
})

describe('one folder that is pushed to several repositories in turn', () => {
  test('is remembered for each of them by itself', () =>
    withPlace(async ({ folder, source }) => {
      const cacheFile = join(folder, 'cache', 'files.jsonl')
      // files that were just written are not remembered
      const surroundings = { ...realSurroundings, now: () => Date.now() + 60_000 }
      const stores: Record<string, () => Storage> = {
        plain: () => new FolderStorage(join(folder, 'plain')),
        one: () => sealed(join(folder, 'one'), 1),
        two: () => sealed(join(folder, 'two'), 2),
      }
      const pushTo = async (name: string): Promise<PushResult> => {
        const cache = new StatCache(cacheFile)
        await cache.load(silentReporter)
        return pushFolder(contextOf(stores[name]!(), { surroundings }), source, 'data', { cache })
      }
      for (const round of [1, 2, 3]) {
        if (round === 3) writeFileSync(join(source, 'small.txt'), 'changed')
        for (const name of Object.keys(stores)) {
          const { reading, outcome } = await pushTo(name)
          expect([name, round, outcome]).toEqual([name, round, round === 2 ? 'unchanged' : 'stored'])
          expect(reading.readBytes).toBe([reading.bytes, 0, 7][round - 1])
        }
      }
      for (const [name, storage] of Object.entries(stores)) {
        await pullVersion(contextOf(storage()), 'data', join(folder, 'out', name))
        expectSameTree(join(folder, 'out', name), source)
        expect((await checkAll(contextOf(storage()))).problems).toEqual([])
      }
      const files = [testKeys(1), testKeys(2)].map(({ id }) => `files-${id}.jsonl`)
      expect(readdirSync(join(folder, 'cache')).sort()).toEqual([...files, 'files.jsonl'].sort())
    }))
})
