import type { ChunkIndex } from '../../index/chunk-index.ts'
import { isDivisible } from './block-content.ts'

/** A pack is rewritten when more than this share of its blocks' bytes is dead. */
export const REWRITE_FROM = 1 / 3

export interface UsedShare {
  /** Whether any chunk of the pack is needed, and whether all of them are. */
  needed: boolean
  full: boolean
  /** The share of the stored bytes of its blocks that could be freed. */
  dead: number
}

/** Measures how much of a pack is needed. */
export function usedShareOf(index: ChunkIndex, pack: number, isNeeded: (entry: number) => boolean): UsedShare {
  const { first, end } = index.blocksOf(pack)
  let live = 0
  let all = 0
  let full = true
  for (let number = first; number < end; number++) {
    const block = index.blocks[number]!
    let plain = 0
    for (let entry = block.firstChunk; entry < block.firstChunk + block.chunkCount; entry++)
      if (isNeeded(entry)) plain += index.length(entry)
    all += block.storedLength
    if (plain > 0) live += isDivisible(block) ? (plain / block.plainLength) * block.storedLength : block.storedLength
    if (plain < block.plainLength) full = false
  }
  return { needed: live > 0, full, dead: all === 0 ? 1 : 1 - live / all }
}
