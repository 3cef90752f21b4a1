import { type ByteQueue, type ByteStream, holeOf } from './byte-stream.ts'
import { numberAt, TAR_BLOCK_BYTES, type TarHeader } from './tar-header.ts'
import { paxSize, type PaxSparse } from './tar-pax.ts'

/** A file with holes. */
export interface SparseMap {
  /** Bytes of the file with its holes. */
  size: number
  /** Where its data lies: offset and length, by turns. All else are zeros. */
  extents: number[]
}

/** More of them would take too much memory. */
const MAX_EXTENTS = 1_000_000
const EXTENT_BYTES = 24
/** Where a header of GNU tar has its map, how many extents fit, and where it says that more follow. */
const IN_HEADER = { at: 386, count: 4, moreAt: 482 }
const IN_EXTENSION = { at: 0, count: 21, moreAt: 504 }
const SIZE_AT = 483
/** Longest number in a map of form 1.0, with its newline. */
const MAX_LINE_BYTES = 21

/**
 * The map of a header of type S, and of the blocks that follow it. `extents` is empty and `size` is NaN if a number is
 * none. Undefined if the archive ends before.
 */
export async function oldSparseMap({ block }: TarHeader, input: ByteQueue): Promise<SparseMap | undefined> {
  const extents: number[] = []
  let isComplete = addOldExtents(extents, block, IN_HEADER)
  for (let more = block[IN_HEADER.moreAt] !== 0; more;) {
    if (!(await input.fill(TAR_BLOCK_BYTES))) return undefined
    const next = Buffer.from(input.take(TAR_BLOCK_BYTES))
    more = next[IN_EXTENSION.moreAt] !== 0
    if (!isComplete) isComplete = addOldExtents(extents, next, IN_EXTENSION)
  }
  return { size: numberAt(block, SIZE_AT, 12) ?? NaN, extents }
}

/** True at the end of the map: an unused extent. */
function addOldExtents(extents: number[], block: Buffer, { at, count }: typeof IN_HEADER): boolean {
  for (let i = 0; i < count; i++) {
    const extent = at + i * EXTENT_BYTES
    if (block[extent + 12] === 0) return true
    if (extents.length < 2 * MAX_EXTENTS + 2) extents.push(numberAt(block, extent, 12) ?? NaN, numberAt(block, extent + 12, 12) ?? NaN)
  }
  return false
}

/** The map of a pax header of form 0.0 or 0.1. */
export function paxSparseMap({ size = '', map = [] }: PaxSparse): SparseMap {
  return { size: paxSize(size) ?? NaN, extents: map.map(number => paxSize(number) ?? NaN) }
}

/**
 * Form 1.0: the number of extents, then their numbers, a line each, padded to whole blocks, of the `stored` bytes that
 * follow. Resolves to the map and the bytes that it took; to a map without a size if it is malformed. Undefined if the
 * archive ends before.
 */
export async function storedSparseMap(
  { size = '' }: PaxSparse,
  input: ByteQueue,
  stored: number,
): Promise<{ map: SparseMap; taken: number } | undefined> {
  const malformed = { size: NaN, extents: [] }
  const numbers: number[] = []
  let taken = 0
  let line = ''
  for (let expected = 1; numbers.length < expected;) {
    if (taken + TAR_BLOCK_BYTES > stored || line.length > MAX_LINE_BYTES) return { map: malformed, taken }
    if (!(await input.fill(TAR_BLOCK_BYTES))) return undefined
    const lines = (line + Buffer.from(input.take(TAR_BLOCK_BYTES)).toString('latin1')).split('\n')
    taken += TAR_BLOCK_BYTES
    line = lines.pop()!
    for (const text of lines) {
      if (numbers.length === expected) break
      numbers.push(paxSize(text) ?? NaN)
      expected = 1 + 2 * numbers[0]!
      if (!(expected <= 1 + 2 * MAX_EXTENTS)) return { map: malformed, taken }
    }
  }
  return { map: { size: paxSize(size) ?? NaN, extents: numbers.slice(1) }, taken }
}

/** Why a file can't be made of `stored` bytes and this map; undefined if it can. */
export function faultOf({ size, extents }: SparseMap, stored: number): string | undefined {
  if (extents.length > 2 * MAX_EXTENTS) return `it has more than ${MAX_EXTENTS} pieces between holes`
  let end = 0
  let sum = 0
  for (let i = 0; i < extents.length; i += 2) {
    const [offset, length = NaN] = [extents[i]!, extents[i + 1]]
    if (!(offset >= end && length >= 0)) return DAMAGED
    end = offset + length
    sum += length
  }
  return end <= size && Number.isSafeInteger(size) && sum === stored ? undefined : DAMAGED
}

const DAMAGED = 'the map of its holes is damaged'

/** The content of a file with holes. `data` are the bytes of its extents. */
export async function* withHoles({ size, extents }: SparseMap, data: ByteStream): AsyncGenerator<Uint8Array> {
  let at = 0
  let i = 0
  for await (const bytes of data) {
    for (let piece = bytes; piece.length > 0;) {
      while (at >= extents[i]! + extents[i + 1]!) i += 2
      yield* holeOf(extents[i]! - at)
      at = Math.max(at, extents[i]!)
      const part = piece.subarray(0, extents[i]! + extents[i + 1]! - at)
      yield part
      at += part.length
      piece = piece.subarray(part.length)
    }
  }
  yield* holeOf(size - at)
}
