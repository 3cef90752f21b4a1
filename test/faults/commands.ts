import { mkdirSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { TensorCache } from '../../src/repository/bases/tensor-cache.ts'
import { PACK_POLICY } from '../../src/repository/format/limits.ts'
import { openForReading, type RepositoryContext } from '../../src/repository/open/open.ts'
import { forget } from '../../src/repository/prune/forget.ts'
import { NO_GRACE_PERIODS } from '../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune } from '../../src/repository/prune/prune.ts'
import { pull, type PullResult } from '../../src/repository/pull/pull.ts'
import { readSequence } from '../../src/repository/read/read-chunks.ts'
import { readManifest } from '../../src/repository/read/read-manifest.ts'
import { StatCache } from '../../src/repository/source/stat-cache.ts'
import { saveNotedVersion } from '../../src/repository/versions/noted-version.ts'
import { parseVersion, readSnapshots, resolveVersion } from '../../src/repository/versions/versions.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import type { FileSystem } from '../../src/util/file-system.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { silentReporter } from '../../src/util/reporter.ts'
import { surroundings } from '../helpers/repository/test-store.ts'
import { contextOf, pushFolder } from '../helpers/in-process.ts'
import { seededNoise, seededText } from '../helpers/seeded.ts'
import { network, safetensors, tuned, fp32 } from '../helpers/tensors.ts'
import { makeTree, pictureOf, type TreeNode } from '../helpers/trees.ts'

type Tree = Record<string, TreeNode>

const model = network(1, [1100])

/** States of a source, one after the other. Each has new files, changed ones and fewer of the old ones. */
const TREES: readonly Tree[] = [
  {
    'a.txt': 'first',
    'sub/table.csv': seededText(2, 3000),
    'sub/deep/noise.bin': seededNoise(3, 4000),
    link: { link: 'a.txt' },
    empty: '',
    'model.safetensors': safetensors(fp32(model)),
  },
  {
    'a.txt': 'second, and longer',
    'sub/table.csv': Buffer.concat([seededText(2, 3000), seededText(4, 500)]),
    sub2: 'a file',
    link: { link: 'sub2' },
    'model.safetensors': safetensors(fp32(tuned(model, 7))),
  },
  {
    'a.txt': 'third',
    'sub2/now a folder': seededNoise(5, 3000),
    'sub/table.csv': seededText(6, 2000),
    'model.safetensors': safetensors(fp32(tuned(model, 8))),
  },
]

/** Packs of a few thousand bytes, so that a small source makes several. */
const packPolicy = { ...PACK_POLICY, firstBytes: 6000, bytes: 6000, indexEveryBytes: 10_000 }

/** Makes all states of the source below `root`, a minute old, and returns their folders. */
export function makeSources(root: string): string[] {
  return TREES.map((tree, i) => {
    const folder = join(root, `source-${i}`, 'run')
    makeTree(folder, tree)
    return folder
  })
}

/** Shows a state of the source at a path that stays the same, as a training does. */
export function show(state: number, folder: string): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  makeTree(folder, TREES[state]!)
  for (const [path, line] of pictureOf(folder)) if (line.startsWith('file')) utimesSync(join(folder, path), 1e9, 1e9)
}

export function contextFor(store: string, fileSystem: FileSystem): RepositoryContext {
  return { ...contextOf(new FolderStorage(store, { fileSystem }), { packPolicy }), fileSystem }
}

/**
 * A push with the caches that the command has. Returns the version's id. The clock is ahead, so that all files count as
 * settled.
 */
export async function pushWithCaches(
  context: RepositoryContext,
  source: string,
  cacheFolder: string,
  fileSystem: FileSystem,
): Promise<string> {
  const cache = new StatCache(join(cacheFolder, 'files', 'source.jsonl'), { fileSystem })
  await cache.load(silentReporter)
  const later = { ...context, surroundings: { ...surroundings(), now: () => Date.now() + 60_000, monotonic: () => performance.now() } }
  const tensors = new TensorCache(join(cacheFolder, 'tensors'), silentReporter, () => 1e11, fileSystem)
  const { snapshot, reading } = await pushFolder(later, source, 'run', { cache, bases: { cache: tensors } })
  const noted = { id: snapshot!.id, name: 'run', time: snapshot!.time, entries: reading.entries }
  await saveNotedVersion(join(cacheFolder, 'versions', 'run.jsonl'), noted, silentReporter, fileSystem)
  return snapshot!.id
}

export async function pullTo(context: RepositoryContext, version: string, destination: string): Promise<PullResult> {
  const repository = await openForReading(context)
  const snapshot = await resolveVersion(repository, repository.view, parseVersion(version))
  return pull(context, repository, {
    snapshot,
    destination,
    only: [],
    exclude: [],
    delete: true,
    force: false,
    dryRun: false,
    skip: undefined,
    openCache: () => Promise.resolve(undefined),
  })
}

/** Forgets the versions of these sources, one after the other. */
export async function forgetOlder(context: RepositoryContext, sources: readonly string[]): Promise<void> {
  for (const source of sources) {
    const { failure } = await forget(context, { names: ['run'], source, policy: {}, all: true, waits: NO_GRACE_PERIODS, dryRun: false })
    if (failure) throw failure
  }
}

/** What `prune --now` does. */
export async function pruneNow(context: RepositoryContext): Promise<void> {
  await prune(context, await openForPrune(context), { waits: NO_GRACE_PERIODS, dryRun: false })
}

/** The contents of all versions of a repository, by id, read and verified. Throws if anything is damaged. */
export async function contentsOfVersions(context: RepositoryContext): Promise<Map<string, string>> {
  const repository = await openForReading(context)
  if (repository.view.problems.length > 0) throw repository.view.problems[0]!
  const contents = new Map<string, string>()
  for (const version of await readSnapshots(repository, repository.view, repository.view.inventory.snapshots)) {
    const lines: string[] = []
    for await (const entry of readManifest(repository, version)) {
      if (entry.type === 'symlink') lines.push(`${entry.path} -> ${entry.target}`)
      if (entry.type !== 'file') continue
      const pieces: Uint8Array[] = []
      for await (const piece of readSequence(repository, entry.chunks, entry.path)) pieces.push(piece)
      lines.push(`${entry.path} ${sha256Hex(Buffer.concat(pieces)).slice(0, 16)}`)
    }
    contents.set(version.id, lines.sort().join('\n'))
  }
  return contents
}

/** The contents of a folder, in the same form. */
export function contentsOfFolder(folder: string): string {
  const lines: string[] = []
  for (const [path, line] of pictureOf(folder)) {
    const [, target] = / -> (.*)$/.exec(line) ?? []
    if (line.startsWith('link')) lines.push(`${path} -> ${target!}`)
    else if (line.startsWith('file')) lines.push(`${path} ${line.split(' ').at(-1)!}`)
  }
  return lines.sort().join('\n')
}
