import { MAX_DEPTH } from '../../format/limits.ts'
import type { ChunkIndex } from '../../index/chunk-index.ts'
import { Copies } from '../../index/copies.ts'
import { UNREACHABLE, type Reachability } from './reachable-chunks.ts'

/**
 * Rule 8: the packs that have to stay, because they hold a needed chunk without a copy that counts among those for
 * which `isReliable` is true. Any other pack may be deleted, unless a copy in it is reliable itself. Calls `onRelied`
 * with the copies that this rests on. It takes linear time, whatever the index says.
 */
export function neededPacks(
  index: ChunkIndex,
  { flags }: Reachability,
  isReliable: (entry: number) => boolean,
  onRelied: (entry: number) => void = () => undefined,
): Set<number> {
  const reliable = new Copies(index, isReliable)
  const needed = new Set<number>()
  const known = new Set<number>()
  const blocks: number[] = []
  /** Chunks without a reliable copy below a depth, by `first * (MAX_DEPTH + 2) + depth`. Each is looked at once. */
  const unreliable = new Set<number>()
  const visit = (entry: number): void => {
    if (!index.hasBases) return
    const block = index.blockOf(entry)
    if (known.has(block)) return
    known.add(block)
    blocks.push(block)
  }
  const need = (id: Uint8Array, belowDepth: number): void => {
    const found = reliable.find(id, 0, belowDepth)
    if (found >= 0) {
      onRelied(found)
      return visit(found)
    }
    const key = index.find(id) * (MAX_DEPTH + 2) + belowDepth
    if (unreliable.has(key)) return
    unreliable.add(key)
    for (let copy = index.findBase(id, belowDepth); copy >= 0; copy = index.findBase(id, belowDepth, copy)) {
      needed.add(index.packOf(copy))
      visit(copy)
    }
  }
  for (let entry = 0; entry < flags.length; entry++) {
    if (flags[entry] !== UNREACHABLE) need(index.id(entry), MAX_DEPTH + 1)
    for (let block = blocks.pop(); block !== undefined; block = blocks.pop())
      for (const other of index.predictedIn(block)) {
        const { ids, depth } = index.basesAt(other)!
        for (const id of ids) need(id, depth)
      }
  }
  return needed
}
