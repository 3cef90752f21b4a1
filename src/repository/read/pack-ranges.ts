import type { ChunkIndex } from '../index/chunk-index.ts'

const MiB = 1024 * 1024
/** A gap of up to this many bytes between two wanted blocks is read too: that is cheaper than another request. */
const JOIN_GAP_BYTES = 256 * 1024
const MAX_RANGE_BYTES = 8 * MiB
/**
 * Plain bytes of one range, at most. All its blocks are decoded together, and plain bytes may be a hundred times more
 * than stored bytes.
 */
const MAX_RANGE_PLAIN_BYTES = 24 * MiB
/**
 * Ranges that are read in parallel. More are allowed while they are short together, as when packs are read in turns.
 */
const PARALLEL_RANGES = 4
const PARALLEL_SHORT_RANGES = 8
const SHORT_TOGETHER_BYTES = 24 * MiB
/** Plain bytes of all ranges under way, at most. It bounds the memory of a reader. One range may always be read. */
const MAX_PLAIN_BYTES_AHEAD = 64 * MiB

export interface Range {
  pack: number
  offset: number
  length: number
  plainBytes: number
  blocks: number[]
}

/** Ranges of packs that cover `blocks` in the given order. Blocks that follow each other in a pack share a range. */
export function planRanges(index: ChunkIndex, blocks: readonly number[]): Range[] {
  const ranges: Range[] = []
  for (const number of blocks) {
    const block = index.blocks[number]!
    const last = ranges.at(-1)
    const end = block.offset + block.storedLength
    if (
      last &&
      last.pack === block.pack &&
      block.offset >= last.offset &&
      block.offset - (last.offset + last.length) <= JOIN_GAP_BYTES &&
      end - last.offset <= MAX_RANGE_BYTES &&
      last.plainBytes + block.plainLength <= MAX_RANGE_PLAIN_BYTES
    ) {
      last.length = Math.max(last.length, end - last.offset)
      last.plainBytes += block.plainLength
      last.blocks.push(number)
    } else
      ranges.push({
        pack: block.pack,
        offset: block.offset,
        length: block.storedLength,
        plainBytes: block.plainLength,
        blocks: [number],
      })
  }
  return ranges
}

/** Whether one more range may be read while the ranges `ahead` are being read or wait for the consumer. */
export function mayBegin(range: Range, ahead: readonly Range[]): boolean {
  if (ahead.length === 0) return true
  if (ahead.length >= PARALLEL_SHORT_RANGES) return false
  const together = ahead.reduce((sum, { plainBytes }) => sum + plainBytes, range.plainBytes)
  return together <= (ahead.length < PARALLEL_RANGES ? MAX_PLAIN_BYTES_AHEAD : SHORT_TOGETHER_BYTES)
}
