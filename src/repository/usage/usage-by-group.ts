import { elementTypeOf, elementWidthOf } from '../../compression/filters.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { decodeIndexedPack, type IndexedPack } from '../format/index-object.ts'
import type { Entry } from '../format/manifest.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import { ChunkIndex, type IndexedBlock } from '../index/chunk-index.ts'
import { countChunk, noSizes, type Sizes } from '../index/stored-sizes.ts'
import type { OpenRepository } from '../open/open.ts'
import { readManifest } from '../read/read-manifest.ts'
import { typeOfWidth } from './file-kinds.ts'

/**
 * Bytes of the files of one folder, extension or kind, or of the tensors of one type in them. A chunk that several
 * files share counts for the first of them.
 */
export interface GroupUsage extends Sizes {
  group: string
  files: number
}

/** Names the group for a chunk of a file. `type`: the type of a tensor's elements, or their width, if known. */
export type GroupOf = (path: string, type?: string) => string

/** Measures one version by folder, extension or kind. */
export async function measureGroups(repository: OpenRepository, snapshot: StoredSnapshot, groupOf: GroupOf): Promise<GroupUsage[]> {
  const groups = new Groups(repository.index, groupOf)
  for await (const file of readManifest(repository, snapshot)) groups.add(file)
  return groups.list()
}

/**
 * Measures the bytes of `entries` in new packs, which a push has made or would make. Their other chunks are in
 * `before`.
 */
export function measureNewGroups(
  packs: readonly IndexedPack[],
  before: ChunkIndex,
  entries: readonly Entry[],
  groupOf: GroupOf,
): GroupUsage[] {
  const index = new ChunkIndex(before.chunkKeys)
  for (const pack of packs) index.add({ id: pack.id, size: pack.size, writable: true }, decodeIndexedPack(pack))
  const groups = new Groups(index, groupOf, before)
  for (const entry of entries) groups.add(entry)
  return groups.list()
}

class Groups {
  private readonly index: ChunkIndex
  private readonly groupOf: GroupOf
  /** The chunk index with the chunks that `index` lacks. */
  private readonly before: ChunkIndex | undefined
  private readonly groups = new Map<string, GroupUsage>()
  private readonly seen = new Set<number>()
  private readonly predicted: { entry: number; group: GroupUsage }[] = []

  constructor(index: ChunkIndex, groupOf: GroupOf, before?: ChunkIndex) {
    this.index = index
    this.groupOf = groupOf
    this.before = before
  }

  add(file: Entry): void {
    if (file.type !== 'file') return
    const groups = new Set<GroupUsage>()
    let unknown = file.size
    for (let i = 0; i < file.chunks.length; i += HASH_BYTES) {
      const entry = findCopy(this.index, file.chunks, i)
      const known = entry >= 0 ? this.index : this.before
      const copy = entry >= 0 ? entry : known ? findCopy(known, file.chunks, i) : -1
      if (copy < 0) continue
      const { block, length } = known!.location(copy)
      const group = this.group(this.groupOf(file.path, typeOf(known!.blocks[block]!)))
      groups.add(group)
      group.plainBytes += length
      unknown -= length
      if (entry < 0 || this.seen.has(entry)) continue
      this.seen.add(entry)
      countChunk(group, this.index, entry, true)
      if (this.index.basesAt(entry)) this.predicted.push({ entry, group })
    }
    if (unknown > 0 || groups.size === 0) {
      const group = this.group(this.groupOf(file.path))
      groups.add(group)
      group.plainBytes += unknown
    }
    for (const group of groups) group.files++
  }

  private group(name: string): GroupUsage {
    const group = this.groups.get(name) ?? { group: name, files: 0, ...noSizes() }
    this.groups.set(name, group)
    return group
  }

  /** Lists the groups. A base that is in no file counts for the group with the chunk of least depth that needs it. */
  list(): GroupUsage[] {
    const predicted = this.predicted.splice(0).sort((a, b) => this.index.depth(a.entry) - this.index.depth(b.entry))
    for (const { entry, group } of predicted) {
      for (const base of basesUnder(this.index, entry, this.seen)) countChunk(group, this.index, base, false)
    }
    return [...this.groups.values()].sort((a, b) => b.storedBytes - a.storedBytes || b.plainBytes - a.plainBytes)
  }
}

/** The type of a block's elements, or their width if they have no known name or only samples showed the width. */
function typeOf(block: IndexedBlock): string | undefined {
  const width = elementWidthOf(block)
  return elementTypeOf(block) ?? (width === undefined ? undefined : typeOfWidth(width))
}

/** The entry numbers of those of `chunks` that the index has. Prefers copies that can be restored. */
export function* entriesOf(index: ChunkIndex, chunks: Uint8Array): Generator<number> {
  for (let i = 0; i < chunks.length; i += HASH_BYTES) {
    const entry = findCopy(index, chunks, i)
    if (entry >= 0) yield entry
  }
}

function findCopy(index: ChunkIndex, chunks: Uint8Array, offset: number): number {
  const whole = index.whole.best(chunks, offset)
  return whole < 0 ? index.find(chunks, offset) : whole
}

/**
 * Yields the entry number of every base that a copy needs, also indirectly, and adds it to `seen`. Passes over those in
 * `seen`, with their bases: call it for each of these copies. All calls together take linear time.
 */
export function* basesUnder(index: ChunkIndex, entry: number, seen: Set<number>): Generator<number> {
  const bases = index.basesAt(entry)
  for (const id of bases?.ids ?? []) {
    const whole = index.whole.best(id, 0, bases!.depth)
    const base = whole < 0 ? index.findBase(id, bases!.depth) : whole
    if (base < 0 || seen.has(base)) continue
    seen.add(base)
    yield base
    yield* basesUnder(index, base, seen)
  }
}
