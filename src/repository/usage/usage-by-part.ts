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
 * Files of one folder, extension or kind, or the tensors of one type in them. A chunk that several files share counts
 * for the first of them.
 */
export interface PartUsage extends Sizes {
  part: string
  files: number
}

/** Names the part for a chunk of the file. `type`: the type of a tensor's elements, or only their width, if known. */
export type PartOf = (path: string, type?: string) => string

/** Measures one version by folder, extension or kind. */
export async function measureParts(repository: OpenRepository, snapshot: StoredSnapshot, partOf: PartOf): Promise<PartUsage[]> {
  const parts = new Parts(repository.index, partOf)
  for await (const file of readManifest(repository, snapshot)) parts.add(file)
  return parts.list()
}

/**
 * Measures what `entries` take in new packs, which a push has made or would make. Their other chunks are in `before`.
 */
export function measureNewParts(packs: readonly IndexedPack[], before: ChunkIndex, entries: readonly Entry[], partOf: PartOf): PartUsage[] {
  const index = new ChunkIndex()
  for (const pack of packs) index.add({ id: pack.id, size: pack.size, writable: true }, decodeIndexedPack(pack))
  const parts = new Parts(index, partOf, before)
  for (const entry of entries) parts.add(entry)
  return parts.list()
}

class Parts {
  private readonly index: ChunkIndex
  private readonly partOf: PartOf
  /** Holds the chunks that `index` lacks. */
  private readonly before: ChunkIndex | undefined
  private readonly parts = new Map<string, PartUsage>()
  private readonly seen = new Set<number>()
  private readonly predicted: { entry: number; part: PartUsage }[] = []

  constructor(index: ChunkIndex, partOf: PartOf, before?: ChunkIndex) {
    this.index = index
    this.partOf = partOf
    this.before = before
  }

  add(file: Entry): void {
    if (file.type !== 'file') return
    const parts = new Set<PartUsage>()
    let unknown = file.size
    for (let i = 0; i < file.chunks.length; i += HASH_BYTES) {
      const entry = findCopy(this.index, file.chunks, i)
      const known = entry >= 0 ? this.index : this.before
      const copy = entry >= 0 ? entry : known ? findCopy(known, file.chunks, i) : -1
      if (copy < 0) continue
      const { block, length } = known!.location(copy)
      const part = this.part(this.partOf(file.path, typeOf(known!.blocks[block]!)))
      parts.add(part)
      part.plainBytes += length
      unknown -= length
      if (entry < 0 || this.seen.has(entry)) continue
      this.seen.add(entry)
      countChunk(part, this.index, entry, true)
      if (this.index.basesAt(entry)) this.predicted.push({ entry, part })
    }
    if (unknown > 0 || parts.size === 0) {
      const part = this.part(this.partOf(file.path))
      parts.add(part)
      part.plainBytes += unknown
    }
    for (const part of parts) part.files++
  }

  private part(name: string): PartUsage {
    const part = this.parts.get(name) ?? { part: name, files: 0, ...noSizes() }
    this.parts.set(name, part)
    return part
  }

  /** A base that is in no file counts for the part with the chunk of least depth that needs it. */
  list(): PartUsage[] {
    const predicted = this.predicted.splice(0).sort((a, b) => this.index.depth(a.entry) - this.index.depth(b.entry))
    for (const { entry, part } of predicted) {
      for (const base of basesUnder(this.index, entry, this.seen)) countChunk(part, this.index, base, false)
    }
    return [...this.parts.values()].sort((a, b) => b.storedBytes - a.storedBytes || b.plainBytes - a.plainBytes)
  }
}

/** The type of a block's elements. If they have no known name, or only samples told their width, the width. */
function typeOf(block: IndexedBlock): string | undefined {
  const width = elementWidthOf(block)
  return elementTypeOf(block) ?? (width === undefined ? undefined : typeOfWidth(width))
}

/** The entries of those of `chunks` that the index has: of copies that can be restored, if there are any. */
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
 * Yields every base that the chunk needs, directly or indirectly, and that is not in `seen` yet; adds each to `seen`.
 */
export function* basesUnder(index: ChunkIndex, entry: number, seen: Set<number>): Generator<number> {
  const bases = index.basesAt(entry)
  for (const id of bases?.ids ?? []) {
    const whole = index.whole.best(id, 0, bases!.depth)
    const base = whole < 0 ? index.findBase(id, bases!.depth) : whole
    if (base < 0) continue
    if (!seen.has(base)) {
      seen.add(base)
      yield base
    }
    yield* basesUnder(index, base, seen)
  }
}
