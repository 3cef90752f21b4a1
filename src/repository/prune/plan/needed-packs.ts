import { MAX_DEPTH } from '../../format/limits.ts'
import type { ChunkIndex } from '../../index/chunk-index.ts'
import { Copies } from '../../index/copies.ts'
import { UNREACHABLE, type Reachability } from './reachable-chunks.ts'

/**
 * Rule 8: the packs that have to stay, because they hold a needed chunk without a copy that counts in the packs for
 * which `isReliable` is true. Any other pack may be deleted, unless it is reliable itself.
 */
export function neededPacks(index: ChunkIndex, { flags }: Reachability, isReliable: (pack: number) => boolean): Set<number> {
  const reliable = new Copies(index, entry => isReliable(index.packOf(entry)))
  const needed = new Set<number>()
  const visitedBlocks = new Set<number>()
  const visit = (entry: number): void => {
    const block = index.blockOf(entry)
    if (!index.hasBases || visitedBlocks.has(block)) return
    visitedBlocks.add(block)
    for (const other of index.predictedIn(block)) {
      const { ids, depth } = index.basesAt(other)!
      for (const id of ids) need(id, depth)
    }
  }
  function need(id: Uint8Array, belowDepth: number): void {
    const found = reliable.find(id, 0, belowDepth)
    if (found >= 0) return visit(found)
    for (let copy = index.findBase(id, belowDepth); copy >= 0; copy = index.findBase(id, belowDepth, copy)) {
      needed.add(index.packOf(copy))
      visit(copy)
    }
  }
  for (let entry = 0; entry < flags.length; entry++) if (flags[entry] !== UNREACHABLE) need(index.id(entry), MAX_DEPTH + 1)
  return needed
}
