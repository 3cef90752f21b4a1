import type { ChunkBases } from '../format/directory.ts'
import { MAX_DEPTH } from '../format/limits.ts'

const ANY_DEPTH = MAX_DEPTH + 1
/** Up to this many copies are looked at again rather than remembered. */
const MANY_COPIES = 8

/** The part of a chunk index that `Copies` reads. Copies are given by their entry numbers. */
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
 * linear time and memory in the number of copies and bases: until the index grows, each copy with bases is judged
 * once, and many copies of a chunk are compared once for each depth. So `isUsable` and `orderOf` have to give the same
 * answers while the index has the same size.
 */
export class Copies {
  private readonly index: CopyColumns
  private readonly isUsable: (entry: number) => boolean
  private readonly orderOf: (entry: number, depth: number) => number
  /** Whether a copy counts, by entry number. Only copies with bases are in it. */
  private readonly judged = new Map<number, boolean>()
  /** Results of `find` and `best`, by `keyOf`. Only chunks with many copies are in them, so they take little memory. */
  private readonly firstByKey = new Map<number, number>()
  private readonly bestByKey = new Map<number, number>()
  /** Size of the index that the three maps are for. */
  private knownSize = 0

  /** `orderOf` is 0 for the copies that `best` prefers, and greater for others. It is the depth by default. */
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
    const first = index.find(ids, offset)
    if (first < 0 || this.isAllowed(first, belowDepth)) return first
    let entry = index.findNext(first)
    if (entry < 0) return -1
    this.forgetIfGrown()
    const key = keyOf(first, belowDepth)
    const known = this.firstByKey.get(key)
    if (known !== undefined) return known
    let steps = 1
    for (; entry >= 0 && !this.isAllowed(entry, belowDepth); steps++) entry = index.findNext(entry)
    if (steps > MANY_COPIES) this.firstByKey.set(key, entry)
    return entry
  }

  /** The first copy of least order among those that `find` chooses from, or -1. */
  best(ids: Uint8Array, offset = 0, belowDepth = ANY_DEPTH): number {
    const { index } = this
    const first = index.find(ids, offset)
    if (first < 0) return -1
    let best = this.isAllowed(first, belowDepth) ? first : -1
    let least = best < 0 ? Infinity : this.orderOf(best, depthOf(index, best))
    if (least === 0) return best
    let entry = index.findNext(first)
    if (entry < 0) return best
    this.forgetIfGrown()
    const key = keyOf(first, belowDepth)
    const known = this.bestByKey.get(key)
    if (known !== undefined) return known
    let steps = 1
    for (; entry >= 0 && least > 0; entry = index.findNext(entry), steps++) {
      const order = this.orderOf(entry, depthOf(index, entry))
      if (order >= least || !this.isAllowed(entry, belowDepth)) continue
      best = entry
      least = order
    }
    if (steps > MANY_COPIES) this.bestByKey.set(key, best)
    return best
  }

  private isAllowed(entry: number, belowDepth: number): boolean {
    return depthOf(this.index, entry) < belowDepth && this.counts(entry)
  }

  private forgetIfGrown(): void {
    if (this.knownSize === this.index.size) return
    this.judged.clear()
    this.firstByKey.clear()
    this.bestByKey.clear()
    this.knownSize = this.index.size
  }

  counts(entry: number): boolean {
    if (!this.isUsable(entry)) return false
    const bases = this.index.basesAt(entry)
    if (!bases) return true
    this.forgetIfGrown()
    const known = this.judged.get(entry)
    if (known !== undefined) return known
    const counts = this.missingBase(entry) === undefined
    this.judged.set(entry, counts)
    return counts
  }

  /**
   * The id of the first base of a copy without a copy of smaller depth that counts; undefined if all bases have one.
   */
  missingBase(entry: number): Uint8Array | undefined {
    const bases = this.index.basesAt(entry)
    return bases?.ids.find(id => this.find(id, 0, bases.depth) < 0)
  }

  /** For each base of a copy that counts, in order: the first copy of smaller depth that counts. */
  basesOf(entry: number): number[] {
    const bases = this.index.basesAt(entry)
    return bases ? bases.ids.map(id => this.find(id, 0, bases.depth)) : []
  }
}

/** All copies, whether or not their bases have copies. */
export class AnyCopies extends Copies {
  override counts(): boolean {
    return true
  }
}

/** Names a chunk by its first copy, and a limit of depth, in one number. */
function keyOf(first: number, belowDepth: number): number {
  return first * (ANY_DEPTH + 1) + belowDepth
}

function depthOf(index: CopyColumns, entry: number): number {
  return index.basesAt(entry)?.depth ?? 0
}
