import { elementTypeOf } from '../compression/filters.ts'
import { ChunkIndex } from './chunk-index.ts'
import type { OpenRepository } from './context.ts'
import { decodeIndexedPack, type IndexedPack } from './index-object.ts'
import type { Entry } from './manifest.ts'
import { readManifest } from './manifest-reader.ts'
import type { StoredSnapshot } from './snapshot.ts'

/** Files of one folder, extension or kind, or the tensors in them of one type. A chunk that several files share counts for the first of them. */
export interface PartUsage {
  part: string
  files: number
  /** What the files have. */
  plainBytes: number
  /** What is left of it when each chunk counts once. */
  distinctBytes: number
  /** What those chunks take in packs. */
  storedBytes: number
}

/** `type` is that of a tensor's elements, where it is known, of a chunk of the file. */
export type PartOf = (path: string, type?: string) => string

/** One version by folder, extension or kind. */
export async function measureParts(repository: OpenRepository, snapshot: StoredSnapshot, partOf: PartOf): Promise<PartUsage[]> {
  const parts = new Parts(repository.index, partOf)
  for await (const file of readManifest(repository, snapshot)) parts.add(file)
  return parts.list()
}

/** What of `entries` lies in new packs, which a push has made or would make. */
export function measureNewParts(packs: readonly IndexedPack[], entries: readonly Entry[], partOf: PartOf): PartUsage[] {
  const index = new ChunkIndex()
  for (const pack of packs) index.add({ id: pack.id, size: pack.size, writable: true }, decodeIndexedPack(pack))
  const parts = new Parts(index, partOf)
  for (const entry of entries) parts.add(entry)
  return parts.list()
}

class Parts {
  private readonly index: ChunkIndex
  private readonly partOf: PartOf
  private readonly parts = new Map<string, PartUsage>()
  private readonly seen = new Set<number>()
  private readonly predicted: { entry: number; part: PartUsage }[] = []

  constructor(index: ChunkIndex, partOf: PartOf) {
    this.index = index
    this.partOf = partOf
  }

  add(file: Entry): void {
    if (file.type !== 'file') return
    const parts = new Set<PartUsage>()
    let unknown = file.size
    for (const entry of entriesOf(this.index, file.chunks)) {
      const { block, length } = this.index.location(entry)
      const part = this.part(this.partOf(file.path, elementTypeOf(this.index.blocks[block]!)))
      parts.add(part)
      part.plainBytes += length
      unknown -= length
      if (this.seen.has(entry)) continue
      this.seen.add(entry)
      part.distinctBytes += length
      part.storedBytes += storedShare(this.index, entry)
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
    const part = this.parts.get(name) ?? { part: name, files: 0, plainBytes: 0, distinctBytes: 0, storedBytes: 0 }
    this.parts.set(name, part)
    return part
  }

  /** What chunks are predicted from, and no file has, counts for the part with the least deep chunk that needs it. */
  list(): PartUsage[] {
    const predicted = this.predicted.splice(0).sort((a, b) => this.index.depth(a.entry) - this.index.depth(b.entry))
    for (const { entry, part } of predicted) {
      for (const base of basesUnder(this.index, entry, this.seen)) part.storedBytes += storedShare(this.index, base)
    }
    return [...this.parts.values()].sort((a, b) => b.storedBytes - a.storedBytes || b.plainBytes - a.plainBytes)
  }
}

/** Those of these chunks that the index has: whole copies if there are any. */
export function* entriesOf(index: ChunkIndex, chunks: Uint8Array): Generator<number> {
  for (let i = 0; i < chunks.length; i += 32) {
    const whole = index.findWhole(chunks, i)
    const entry = whole < 0 ? index.find(chunks, i) : whole
    if (entry >= 0) yield entry
  }
}

/** All that a chunk is predicted from and without which it is worth nothing, as far as it is not in `seen`, where it is then. */
export function* basesUnder(index: ChunkIndex, entry: number, seen: Set<number>): Generator<number> {
  const bases = index.basesAt(entry)
  for (const id of bases?.ids ?? []) {
    const whole = index.findWhole(id)
    const base = whole >= 0 && index.depth(whole) < bases!.depth ? whole : index.findBase(id, bases!.depth)
    if (base < 0) continue
    if (!seen.has(base)) {
      seen.add(base)
      yield base
    }
    yield* basesUnder(index, base, seen)
  }
}

/** A chunk's share of its block's stored bytes is its share of the plain ones. */
export function storedShare(index: ChunkIndex, entry: number): number {
  const { block, length } = index.location(entry)
  const { storedLength, plainLength } = index.blocks[block]!
  return (length / plainLength) * storedLength
}
