import { MAX_DEPTH } from '../../format/limits.ts'
import type { ChunkIndex } from '../../index/chunk-index.ts'
import { predictedOf, type BackedCopies } from './backed-copies.ts'
import { UNREACHED, type Reachability } from './reachable-chunks.ts'

/**
 * Rule 8: the packs that have to stay because a chunk in them that versions reach, bases included, is not backed by others. All other packs that do not
 * themselves count for `backing` may go.
 */
export function neededPacks(index: ChunkIndex, { flags }: Reachability, backing: BackedCopies): Set<number> {
  const needed = new Set<number>()
  const visitedBlocks = new Set<number>()
  const visit = (entry: number): void => {
    const block = index.blockOf(entry)
    if (!index.hasBases || visitedBlocks.has(block)) return
    visitedBlocks.add(block)
    for (const other of predictedOf(index, block)) {
      const { ids, depth } = index.basesAt(other)!
      for (const id of ids) need(id, depth)
    }
  }
  function need(id: Uint8Array, belowDepth: number): void {
    const backed = backing.find(id, belowDepth)
    if (backed >= 0) return visit(backed)
    for (let copy = index.find(id); copy >= 0; copy = index.findNext(copy)) {
      if ((index.basesAt(copy)?.depth ?? 0) >= belowDepth) continue
      needed.add(index.packOf(copy))
      visit(copy)
    }
  }
  for (let entry = 0; entry < flags.length; entry++) if (flags[entry] !== UNREACHED) need(index.id(entry), MAX_DEPTH + 1)
  return needed
}
