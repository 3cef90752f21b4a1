import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { readInto } from '../../local/read-at.ts'
import { fsPath } from '../../util/paths.ts'
import { idAt, idCount } from '../format/chunk-ids.ts'
import type { FileEntry } from '../format/manifest.ts'
import { chunkMatches } from '../read/read-chunks.ts'

/**
 * Returns for each chunk of `entry` whether a local file has it at its place. `lengthOf` gives a chunk's plain length
 * by its number in the entry. Reads the file once, front to back.
 */
export async function matchingChunks(
  localPath: string,
  entry: FileEntry,
  lengthOf: (chunk: number) => number,
  signal?: AbortSignal,
): Promise<boolean[]> {
  const count = idCount(entry.chunks)
  const matches = new Array<boolean>(count).fill(false)
  const file = await open(fsPath(localPath), constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0))
  try {
    let buffer = Buffer.alloc(0)
    let position = 0
    for (let i = 0; i < count && !signal?.aborted; i++) {
      const length = lengthOf(i)
      if (buffer.length < length) buffer = Buffer.alloc(length)
      const bytes = buffer.subarray(0, length)
      if ((await readInto(file, bytes, position)) < length) break
      matches[i] = chunkMatches(idAt(entry.chunks, i), bytes)
      position += length
    }
  } finally {
    await file.close()
  }
  return matches
}
