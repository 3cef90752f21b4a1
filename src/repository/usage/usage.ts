/*
 * Measures the bytes that names and versions take in a repository, and the bytes that are saved. It changes nothing.
 */

import { throwIfAborted } from '../../util/errors.ts'
import { groupBy } from '../../util/group-by.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import { countChunk, noSizes, type Savings, type Sizes, storedShare } from '../index/stored-sizes.ts'
import type { OpenRepository } from '../open/open.ts'
import { chunkIdsOf } from '../read/read-manifest.ts'
import { readSnapshots } from '../versions/versions.ts'
import { basesUnder, entriesOf } from './usage-by-group.ts'

/** Bytes of a name or a version. Files count whole in each version. Chunks, also those of manifests, count once. */
export interface Usage extends Sizes {
  /** The bytes among `storedBytes` that nothing else needs. They are freed if this name or version is forgotten. */
  ownBytes: number
}

interface VersionUsage extends Usage {
  snapshot: StoredSnapshot
}

interface NameUsage extends Usage {
  name: string
  versions: VersionUsage[]
}

export interface RepositoryUsage {
  names: NameUsage[]
  /** Bytes that were saved on all chunks that versions need. */
  saved: Savings
  /** Bytes of all objects of the store. */
  objectBytes: number
  /** Bytes in packs that no version needs: leftovers of interrupted pushes and of forgotten versions. */
  unreachedBytes: number
}

const NOBODY = -1
const SEVERAL = -2

/** The owner of each chunk: nobody, the only name or version that needs it (a number), or several. */
class Owners {
  private readonly owner: Int32Array

  constructor(chunks: number) {
    this.owner = new Int32Array(chunks).fill(NOBODY)
  }

  add(entry: number, who: number): void {
    const owner = this.owner[entry]!
    if (owner === NOBODY) this.owner[entry] = who
    else if (owner !== who) this.owner[entry] = SEVERAL
  }

  of(entry: number): number {
    return this.owner[entry]!
  }
}

/**
 * Measures the bytes of each name and each version. Reads all manifests. Time: linear in the plain bytes of these.
 * Memory: linear in the number of copies and of versions.
 */
export async function measureUsage(repository: OpenRepository): Promise<RepositoryUsage> {
  const { index, view } = repository
  const snapshots = await readSnapshots(repository, view, view.inventory.snapshots)
  const numbers = new Map([...new Set(snapshots.map(({ name }) => name))].sort().map((name, number) => [name, number]))
  const byVersion = new Owners(index.size)
  const byName = new Owners(index.size)
  /** A flag by entry number: a version reaches the chunk. Other chunks may be needed as bases. */
  const content = new Uint8Array(index.size)
  const versions: VersionUsage[] = []
  for (const [number, snapshot] of snapshots.entries()) {
    throwIfAborted(repository.signal)
    const usage: VersionUsage = { snapshot, ...noSizes(snapshot.bytes), ownBytes: 0 }
    const nameNumber = numbers.get(snapshot.name)!
    for await (const { entry, isContent } of chunksOf(repository, snapshot)) {
      if (isContent) content[entry] = 1
      countChunk(usage, index, entry, isContent)
      byVersion.add(entry, number)
      byName.add(entry, nameNumber)
    }
    versions.push(usage)
  }
  const ofName = groupBy(versions, ({ snapshot }) => snapshot.name)
  const result = [...numbers.keys()].map((name): NameUsage => {
    const own = ofName.get(name)!
    const plainBytes = own.reduce((sum, version) => sum + version.plainBytes, 0)
    return { name, ...noSizes(plainBytes), ownBytes: 0, versions: own }
  })
  const all = noSizes()
  let unreachedBytes = 0
  for (let entry = 0; entry < index.size; entry++) {
    const share = storedShare(index, entry)
    const version = byVersion.of(entry)
    if (version === NOBODY) {
      unreachedBytes += share
      continue
    }
    countChunk(all, index, entry, content[entry] === 1)
    if (version !== SEVERAL) versions[version]!.ownBytes += share
    const name = byName.of(entry)
    if (name === SEVERAL) continue
    result[name]!.ownBytes += share
    countChunk(result[name]!, index, entry, content[entry] === 1)
  }
  for (const [number, name] of result.entries()) {
    for (const entry of await sharedChunks(repository, name.versions, byName, number)) countChunk(name, index, entry, content[entry] === 1)
  }
  const { inventory } = view
  const objects = [inventory.packs, inventory.indexes, inventory.labels, inventory.tombs].flatMap(map => [...map.values()])
  return { names: result, saved: all.saved, objectBytes: objects.reduce((sum, object) => sum + object.size, 0), unreachedBytes }
}

/** The entry numbers of chunks that the versions of a name share with other names, each once. */
async function sharedChunks(
  repository: OpenRepository,
  versions: readonly VersionUsage[],
  byName: Owners,
  number: number,
): Promise<Set<number>> {
  const shared = new Set<number>()
  for (const { snapshot, storedBytes, ownBytes } of versions) {
    if (storedBytes === ownBytes) continue
    for await (const { entry } of chunksOf(repository, snapshot)) if (byName.of(entry) !== number) shared.add(entry)
  }
  return shared
}

/** The chunks that a version needs, by entry number, each once: first those that it reaches, then their bases. */
export async function* chunksOf(
  repository: OpenRepository,
  snapshot: StoredSnapshot,
): AsyncGenerator<{ entry: number; isContent: boolean }> {
  const { index } = repository
  const seen = new Set<number>()
  const predicted: number[] = []
  const fresh = function* (chunks: Uint8Array): Generator<{ entry: number; isContent: boolean }> {
    for (const entry of entriesOf(index, chunks)) {
      if (seen.has(entry)) continue
      seen.add(entry)
      if (index.basesAt(entry)) predicted.push(entry)
      yield { entry, isContent: true }
    }
  }
  for await (const ids of chunkIdsOf(repository, snapshot)) yield* fresh(ids)
  for (const entry of predicted) for (const base of basesUnder(index, entry, seen)) yield { entry: base, isContent: false }
}
