import { readIntoSync } from '../../local/read-at.ts'
import type { ChunkKeys } from '../../util/chunk-keys.ts'
import { Breather } from '../../util/event-loop.ts'
import { idAt, idCount } from '../format/chunk-ids.ts'
import type { FileEntry } from '../format/manifest.ts'
import { chunkMatches } from '../read/read-chunks.ts'

/**
 * Returns for each chunk of `entry` whether an open file has it at its place. `lengthOf` gives a chunk's plain length
 * by its number in the entry. Reads the file once, front to back.
 */
export async function matchingChunks(
  fd: number,
  entry: FileEntry,
  lengthOf: (chunk: number) => number,
  chunkKeys: ChunkKeys,
  signal?: AbortSignal,
): Promise<boolean[]> {
  const count = idCount(entry.chunks)
  const matches = new Array<boolean>(count).fill(false)
  const turns = new Breather()
  let buffer = Buffer.alloc(0)
  let position = 0
  for (let i = 0; i < count && !signal?.aborted; i++) {
    if (turns.isDue()) await turns.breathe()
    const length = lengthOf(i)
    if (buffer.length < length) buffer = Buffer.alloc(length)
    const bytes = buffer.subarray(0, length)
    if (readIntoSync(fd, bytes, position) < length) break
    matches[i] = chunkMatches({ chunkKeys }, idAt(entry.chunks, i), bytes)
    position += length
  }
  return matches
}
