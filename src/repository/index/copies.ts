import type { ChunkBases } from '../format/directory.ts'
import { MAX_DEPTH } from '../format/limits.ts'

const ANY_DEPTH = MAX_DEPTH + 1

/** What `Copies` reads of an index. Copies of a chunk are numbered entries. */
export interface CopyColumns {
  /** Grows with every copy that is added. */
  readonly size: number
  find(ids: Uint8Array, offset?: number): number
  findNext(entry: number): number
  basesAt(entry: number): ChunkBases | undefined
}

/**
 * The copies of chunks that count for a purpose. A copy counts if it is usable by itself and each of its bases has a
 * copy of smaller depth that counts. Rule 3 of docs/format.md (present for a writer), rule 8 (a sweep may rely on it)
 * and "a reader can restore it" are this rule for different usable copies.
 *
 * The recursion ends even if a hostile index makes a circle of bases, because depth decreases at each step. It takes
 * linear time, because each copy with bases is judged once until the index grows. So `isUsable` has to give the same
 * answer for as long as the index has the same size.
 */
export class Copies {
  private readonly index: CopyColumns
  private readonly isUsable: (entry: number) => boolean
  private readonly orderOf: (entry: number, depth: number) => number
  /** Whether a copy counts, by entry. Only copies with bases are remembered. */
  private readonly judged = new Map<number, boolean>()
  private judgedSize = 0

  /** `orderOf` is 0 for the copies that `best` prefers, and greater for others. By default it is the depth. */
  constructor(
    index: CopyColumns,
    isUsable: (entry: number) => boolean,
    orderOf: (entry: number, depth: number) => number = (_, depth) => depth,
  ) {
    this.index = index
    this.isUsable = isUsable
    this.orderOf = orderOf
  }

  /** The first copy of the chunk with the id at `ids[offset]` that counts and has less than this depth, or -1. */
  find(ids: Uint8Array, offset = 0, belowDepth = ANY_DEPTH): number {
    const { index } = this
    for (let entry = index.find(ids, offset); entry >= 0; entry = index.findNext(entry)) {
      if (depthOf(index, entry) < belowDepth && this.counts(entry)) return entry
    }
    return -1
  }

  /** The copy of least order among those that `find` chooses from, or -1. */
  best(ids: Uint8Array, offset = 0, belowDepth = ANY_DEPTH): number {
    const { index } = this
    let best = -1
    let least = Infinity
    for (let entry = index.find(ids, offset); entry >= 0 && least > 0; entry = index.findNext(entry)) {
      const depth = depthOf(index, entry)
      if (depth >= belowDepth) continue
      const order = this.orderOf(entry, depth)
      if (order >= least || !this.counts(entry)) continue
      best = entry
      least = order
    }
    return best
  }

  counts(entry: number): boolean {
    if (!this.isUsable(entry)) return false
    const bases = this.index.basesAt(entry)
    if (!bases) return true
    if (this.judgedSize !== this.index.size) {
      this.judged.clear()
      this.judgedSize = this.index.size
    }
    const known = this.judged.get(entry)
    if (known !== undefined) return known
    const counts = this.missingBase(entry) === undefined
    this.judged.set(entry, counts)
    return counts
  }

  /** The id of the first base of a copy that has no counting copy of smaller depth; undefined if all bases have one. */
  missingBase(entry: number): Uint8Array | undefined {
    const bases = this.index.basesAt(entry)
    return bases?.ids.find(id => this.find(id, 0, bases.depth) < 0)
  }

  /** The counting copies of the bases of a copy that counts: one a base, in order. */
  basesOf(entry: number): number[] {
    const bases = this.index.basesAt(entry)
    return bases ? bases.ids.map(id => this.find(id, 0, bases.depth)) : []
  }
}

function depthOf(index: CopyColumns, entry: number): number {
  return index.basesAt(entry)?.depth ?? 0
}
