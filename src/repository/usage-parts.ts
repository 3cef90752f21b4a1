import { ChunkIndex } from './chunk-index.ts'
import type { OpenRepository } from './context.ts'
import { decodeIndexedPack, type IndexedPack } from './index-object.ts'
import type { Entry } from './manifest.ts'
import { readManifest } from './manifest-reader.ts'
import type { StoredSnapshot } from './snapshot.ts'

/** Files of one folder, extension or kind. A chunk that several files share counts for the first of them. */
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

export type PartOf = (path: string) => string

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

  constructor(index: ChunkIndex, partOf: PartOf) {
    this.index = index
    this.partOf = partOf
  }

  add(file: Entry): void {
    if (file.type !== 'file') return
    const name = this.partOf(file.path)
    const part = this.parts.get(name) ?? { part: name, files: 0, plainBytes: 0, distinctBytes: 0, storedBytes: 0 }
    this.parts.set(name, part)
    part.files++
    part.plainBytes += file.size
    for (const entry of entriesOf(this.index, file)) {
      if (this.seen.has(entry)) continue
      this.seen.add(entry)
      part.distinctBytes += this.index.length(entry)
      part.storedBytes += storedShare(this.index, entry)
    }
  }

  list(): PartUsage[] {
    return [...this.parts.values()].sort((a, b) => b.storedBytes - a.storedBytes || b.plainBytes - a.plainBytes)
  }
}

/** Those chunks of a file that the index has. */
export function* entriesOf(index: ChunkIndex, file: Entry): Generator<number> {
  if (file.type !== 'file') return
  for (let i = 0; i < file.chunks.length; i += 32) {
    const entry = index.find(file.chunks, i)
    if (entry >= 0) yield entry
  }
}

/** A chunk's share of its block's stored bytes is its share of the plain ones. */
export function storedShare(index: ChunkIndex, entry: number): number {
  const { block, length } = index.location(entry)
  const { storedLength, plainLength } = index.blocks[block]!
  return (length / plainLength) * storedLength
}
