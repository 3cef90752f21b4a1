import type { ChunkIndex } from '../../index/chunk-index.ts'
import { Copies } from '../../index/copies.ts'

/**
 * Finds packs whose blocks hold bases for chunks that nobody needs. A block is decoded whole, so rule 8 keeps the bases
 * of all chunks of a block that is in use, even the bases of dead chunks. These bases can go if the pack is rewritten
 * without its dead chunks. Looks at packs that stay and for which `mayGo` is true. Time: linear in the number of copies
 * and bases.
 */
export function packsHoldingDeadBases(
  index: ChunkIndex,
  chosen: Uint8Array,
  stays: (pack: number) => boolean,
  mayGo: (pack: number) => boolean,
): number[] {
  if (!index.hasBases) return []
  const inUse = new Uint8Array(index.size)
  for (let entry = 0; entry < index.size; entry++) if (chosen[entry] !== 0) inUse[index.find(index.id(entry))] = 1
  const remaining = new RemainingCopies(index, chosen, stays)
  const holdsDeadBases = (block: number): boolean => {
    const dead = [...index.predictedIn(block)].filter(entry => chosen[entry] === 0)
    if (dead.every(entry => remaining.counts(entry))) return false
    return index.entriesIn(block).some(entry => inUse[index.find(index.id(entry))] === 1)
  }
  return index.packs.flatMap((_, pack) => {
    if (!stays(pack) || !mayGo(pack)) return []
    const { first, end } = index.blocksOf(pack)
    for (let block = first; block < end; block++) if (holdsDeadBases(block)) return [pack]
    return []
  })
}

/** The copies that exist after a prune: those in packs that stay, and the chosen ones, which may be copied. */
class RemainingCopies extends Copies {
  private readonly chosen: Uint8Array

  constructor(index: ChunkIndex, chosen: Uint8Array, stays: (pack: number) => boolean) {
    super(index, entry => stays(index.packOf(entry)))
    this.chosen = chosen
  }

  /** The bases of a chosen copy are chosen too, or it is encoded without them. */
  override counts(entry: number): boolean {
    return this.chosen[entry] !== 0 || super.counts(entry)
  }
}
