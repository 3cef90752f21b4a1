import { MAX_DEPTH } from '../../format/limits.ts'
import type { ChunkIndex } from '../../index/chunk-index.ts'

/** Which copies of chunks may be relied on when only some packs count: a copy needs all its bases, each in a copy of smaller depth that counts too. */
export class BackedCopies {
  private readonly index: ChunkIndex
  private readonly counts: (pack: number) => boolean
  /** What is known about entries with bases. */
  private readonly known = new Map<number, boolean>()

  constructor(index: ChunkIndex, counts: (pack: number) => boolean) {
    this.index = index
    this.counts = counts
  }

  /** Entry of a copy that counts, or -1. */
  find(id: Uint8Array, belowDepth = MAX_DEPTH + 1): number {
    const { index } = this
    for (let entry = index.find(id); entry >= 0; entry = index.findNext(entry)) {
      if ((index.basesAt(entry)?.depth ?? 0) < belowDepth && this.holds(entry)) return entry
    }
    return -1
  }

  private holds(entry: number): boolean {
    if (!this.counts(this.index.packOf(entry))) return false
    const bases = this.index.basesAt(entry)
    if (!bases) return true
    const known = this.known.get(entry)
    if (known !== undefined) return known
    const holds = bases.ids.every(id => this.find(id, bases.depth) >= 0)
    this.known.set(entry, holds)
    return holds
  }
}

/** Entries of a block that have bases: a block is decoded whole, so whoever needs one of its chunks may need the bases of all. */
export function* predictedOf(index: ChunkIndex, block: number): Generator<number> {
  if (!index.hasBases) return
  const { firstChunk, chunkCount } = index.blocks[block]!
  for (let entry = firstChunk; entry < firstChunk + chunkCount; entry++) if (index.basesAt(entry)) yield entry
}
