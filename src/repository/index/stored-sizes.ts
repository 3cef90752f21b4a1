import { FILTER_NONE, usesBase } from '../../compression/filters.ts'
import type { ChunkIndex } from './chunk-index.ts'

/** What the ways to store chunks have saved, in bytes. A chunk counts for the way its block is stored in. */
export interface Savings {
  /** Bytes compressed as they are. */
  compression: number
  /** Tensors split into byte planes, and tables into columns, each compressed by itself: what both have saved together. */
  filters: number
  /** Tensors stored as what differs from others, less those others where they are there for that alone: below zero where they take more. */
  deltas: number
}

export interface Sizes {
  /** What the files have. */
  plainBytes: number
  /** What is left of it when each chunk counts once. */
  distinctBytes: number
  /** What those chunks take in packs: `distinctBytes` less all `saved`. */
  storedBytes: number
  saved: Savings
}

export function noSizes(plainBytes = 0): Sizes {
  return { plainBytes, distinctBytes: 0, storedBytes: 0, saved: { compression: 0, filters: 0, deltas: 0 } }
}

/** Counts a chunk once more; one that is no `isContent` is there only as a base of others. */
export function countChunk(sizes: Sizes, index: ChunkIndex, entry: number, isContent: boolean): void {
  const plain = isContent ? index.length(entry) : 0
  const stored = storedShare(index, entry)
  sizes.distinctBytes += plain
  sizes.storedBytes += stored
  sizes.saved[isContent ? wayOf(index, entry) : 'deltas'] += plain - stored
}

/** A chunk's share of its block's stored bytes is its share of the plain ones. */
export function storedShare(index: ChunkIndex, entry: number): number {
  const { storedLength, plainLength } = index.blocks[index.blockOf(entry)]!
  return (index.length(entry) / plainLength) * storedLength
}

function wayOf(index: ChunkIndex, entry: number): keyof Savings {
  const { filter } = index.blocks[index.blockOf(entry)]!
  if (usesBase(filter)) return 'deltas'
  return filter === FILTER_NONE ? 'compression' : 'filters'
}
