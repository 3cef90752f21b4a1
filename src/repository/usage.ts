import { throwIfAborted } from '../util/errors.ts'
import type { OpenRepository } from './context.ts'
import type { Entry } from './manifest.ts'
import { readManifest } from './manifest-reader.ts'
import { readSnapshots } from './versions.ts'
import type { StoredSnapshot } from './snapshot.ts'

/** Bytes of a part of a repository. */
export interface Usage {
  /** What the files have, each version counted whole. */
  plainBytes: number
  /** What their chunks take in packs, each counted once. */
  storedBytes: number
  /** The part of `storedBytes` that nothing else reaches: what is freed when this goes. */
  ownBytes: number
}

export interface VersionUsage extends Usage {
  snapshot: StoredSnapshot
}

export interface NameUsage extends Usage {
  name: string
  versions: VersionUsage[]
}

export interface RepositoryUsage {
  names: NameUsage[]
  /** All objects of the store. */
  objectBytes: number
  /** Bytes in packs that no version reaches: leftovers of interrupted pushes and of versions that are gone. */
  unreachedBytes: number
}

const NOBODY = -1
const SEVERAL = -2

/** For every chunk who reaches it: nobody, one, or several of a numbered set. */
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

/** What each name and version takes, from all manifests. A chunk's share of its block's stored bytes is its share of the plain ones. */
export async function measureUsage(repository: OpenRepository): Promise<RepositoryUsage> {
  const { index, view } = repository
  const snapshots = await readSnapshots(repository, view, view.inventory.snapshots)
  const names = [...new Set(snapshots.map(snapshot => snapshot.name))].sort()
  const byVersion = new Owners(index.size)
  const byName = new Owners(index.size)
  const storedOf = (entry: number): number => storedShare(repository, entry)
  const versions: VersionUsage[] = []
  for (const [number, snapshot] of snapshots.entries()) {
    throwIfAborted(repository.signal)
    const usage: VersionUsage = { snapshot, plainBytes: snapshot.bytes, storedBytes: 0, ownBytes: 0 }
    const seen = new Set<number>()
    for await (const entry of chunksOf(repository, snapshot)) {
      if (seen.has(entry)) continue
      seen.add(entry)
      usage.storedBytes += storedOf(entry)
      byVersion.add(entry, number)
      byName.add(entry, names.indexOf(snapshot.name))
    }
    versions.push(usage)
  }
  const result = names.map(name => ({
    name,
    plainBytes: 0,
    storedBytes: 0,
    ownBytes: 0,
    versions: versions.filter(({ snapshot }) => snapshot.name === name),
  }))
  for (const name of result) name.plainBytes = name.versions.reduce((sum, version) => sum + version.plainBytes, 0)
  let unreachedBytes = 0
  for (let entry = 0; entry < index.size; entry++) {
    const share = storedOf(entry)
    const version = byVersion.of(entry)
    if (version === NOBODY) unreachedBytes += share
    else if (version !== SEVERAL) versions[version]!.ownBytes += share
    const name = byName.of(entry)
    if (name >= 0) result[name]!.ownBytes += share
  }
  for (const [number, name] of result.entries())
    name.storedBytes = await storedByName(repository, name.versions, byName, number, name.ownBytes, storedOf)
  const { inventory } = view
  const objects = [inventory.packs, inventory.indexes, inventory.labels, inventory.tombs].flatMap(map => [...map.values()])
  return { names: result, objectBytes: objects.reduce((sum, object) => sum + object.size, 0), unreachedBytes }
}

/** What a name's versions take together: what is its alone, and once each what it shares with other names. */
async function storedByName(
  repository: OpenRepository,
  versions: readonly VersionUsage[],
  byName: Owners,
  number: number,
  ownBytes: number,
  storedOf: (entry: number) => number,
): Promise<number> {
  const shared = new Set<number>()
  for (const { snapshot, storedBytes, ownBytes: own } of versions) {
    if (storedBytes === own) continue
    for await (const entry of chunksOf(repository, snapshot)) if (byName.of(entry) !== number) shared.add(entry)
  }
  return [...shared].reduce((sum, entry) => sum + storedOf(entry), ownBytes)
}

async function* chunksOf(repository: OpenRepository, snapshot: StoredSnapshot): AsyncGenerator<number> {
  const { index } = repository
  const manifest = Buffer.from(snapshot.manifest.chunks.join(''), 'hex')
  for (let i = 0; i < manifest.length; i += 32) if (index.find(manifest, i) >= 0) yield index.find(manifest, i)
  for await (const file of readManifest(repository, snapshot)) for (const entry of entriesOf(repository, file)) yield entry
}

function* entriesOf({ index }: OpenRepository, file: Entry): Generator<number> {
  if (file.type !== 'file') return
  for (let i = 0; i < file.chunks.length; i += 32) {
    const entry = index.find(file.chunks, i)
    if (entry >= 0) yield entry
  }
}

function storedShare({ index }: OpenRepository, entry: number): number {
  const { block, length } = index.location(entry)
  const { storedLength, plainLength } = index.blocks[block]!
  return (length / plainLength) * storedLength
}

export interface PartUsage {
  part: string
  files: number
  plainBytes: number
  storedBytes: number
}

/** One version by folder or by kind of file: a chunk that several files share counts for the first of them. */
export async function measureParts(
  repository: OpenRepository,
  snapshot: StoredSnapshot,
  partOf: (path: string) => string,
): Promise<PartUsage[]> {
  const parts = new Map<string, PartUsage>()
  const seen = new Set<number>()
  for await (const file of readManifest(repository, snapshot)) {
    if (file.type !== 'file') continue
    const name = partOf(file.path)
    const part = parts.get(name) ?? { part: name, files: 0, plainBytes: 0, storedBytes: 0 }
    parts.set(name, part)
    part.files++
    part.plainBytes += file.size
    for (const entry of entriesOf(repository, file)) {
      if (seen.has(entry)) continue
      seen.add(entry)
      part.storedBytes += storedShare(repository, entry)
    }
  }
  return [...parts.values()].sort((a, b) => b.storedBytes - a.storedBytes)
}
