import type { ChunkIndex } from '../../index/chunk-index.ts'
import { predictedOf } from './backed-copies.ts'

/**
 * Packs, of those that stay and `mayGo`, which would hold bases back that nothing needs: a block is read whole, so rule 8 lets nothing go that a chunk of a block in use is predicted from, also
 * where that chunk itself is not needed. Written anew without such chunks, they hold nothing.
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
  const known = new Map<number, boolean>()
  const survives = (id: Uint8Array, belowDepth: number): boolean => {
    for (let copy = index.find(id); copy >= 0; copy = index.findNext(copy)) {
      if (index.depth(copy) < belowDepth && (chosen[copy] !== 0 || (stays(index.packOf(copy)) && hasBases(copy)))) return true
    }
    return false
  }
  const hasBases = (entry: number): boolean => {
    const bases = index.basesAt(entry)
    if (!bases) return true
    const has = known.get(entry) ?? bases.ids.every(id => survives(id, bases.depth))
    known.set(entry, has)
    return has
  }
  const isTethered = (block: number): boolean => {
    const dead = [...predictedOf(index, block)].filter(entry => chosen[entry] === 0)
    if (dead.length === 0) return false
    return index.entriesIn(block).some(entry => inUse[index.find(index.id(entry))] === 1) && !dead.every(hasBases)
  }
  return index.packs.flatMap((_, pack) => {
    if (!stays(pack) || !mayGo(pack)) return []
    const { first, end } = index.blocksOf(pack)
    for (let block = first; block < end; block++) if (isTethered(block)) return [pack]
    return []
  })
}
