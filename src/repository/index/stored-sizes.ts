import { FILTER_NONE, usesBase } from '../../compression/filters.ts'
import type { ChunkIndex } from './chunk-index.ts'

/** Bytes saved by each way to store chunks. A chunk counts for the filter of its block. */
export interface Savings {
  /** Saved by compressing bytes as they are. */
  compression: number
  /** Saved by splitting tensors into byte planes and tables into columns, and compressing each of these by itself. */
  filters: number
  /** Saved by storing tensors as differences, less the bases that exist only for that. Negative if these take more. */
  deltas: number
}

export interface Sizes {
  /** Bytes of the files. */
  plainBytes: number
  /** Bytes of their chunks, each chunk counted once. */
  distinctBytes: number
  /** Bytes of those chunks in packs: `distinctBytes` less all `saved`. */
  storedBytes: number
  saved: Savings
}

export function noSizes(plainBytes = 0): Sizes {
  return { plainBytes, distinctBytes: 0, storedBytes: 0, saved: { compression: 0, filters: 0, deltas: 0 } }
}

/** Adds a chunk, given by its entry number, to `sizes`. If it is not content, it is only a base of others. */
export function countChunk(sizes: Sizes, index: ChunkIndex, entry: number, isContent: boolean): void {
  const plain = isContent ? index.length(entry) : 0
  const stored = storedShare(index, entry)
  sizes.distinctBytes += plain
  sizes.storedBytes += stored
  sizes.saved[isContent ? wayOf(index, entry) : 'deltas'] += plain - stored
}

/** A chunk's share of the stored bytes of its block, in proportion to its plain bytes. */
export function storedShare(index: ChunkIndex, entry: number): number {
  const { storedLength, plainLength } = index.blocks[index.blockOf(entry)]!
  return (index.length(entry) / plainLength) * storedLength
}

function wayOf(index: ChunkIndex, entry: number): keyof Savings {
  const { filter } = index.blocks[index.blockOf(entry)]!
  if (usesBase(filter)) return 'deltas'
  return filter === FILTER_NONE ? 'compression' : 'filters'
}
