import { ByteLru } from '../../util/byte-lru.ts'
import { isAppError } from '../../util/errors.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import type { FileEntry } from '../format/manifest.ts'
import { type BlockSource, type PlainBlocks, readSequence } from './read-chunks.ts'

const MiB = 1024 * 1024
/** A window is read at once, in the order of the store. */
const WINDOW_BYTES = 16 * MiB
const WINDOW_FILES = 4096
/** Of decoded blocks: neighbours in a folder may lie in as many blocks as there are kinds of files. */
const CACHE_BYTES = 64 * MiB

/**
 * Reads many small files of a version in the order of their paths, which is not that of the store: files that share
 * blocks are read together. Memory: the window and the blocks that are kept, 80 MiB.
 */
export class SmallFileReader {
  private readonly source: BlockSource
  /** In the order in which they will be asked for. */
  private readonly files: readonly FileEntry[]
  private readonly cache: PlainBlocks = new ByteLru(CACHE_BYTES)
  private next = 0
  private window = new Map<FileEntry, Buffer>()

  constructor(source: BlockSource, files: readonly FileEntry[]) {
    this.source = source
    this.files = files
  }

  /** The verified content of a file. Throws `corrupt` if it can't be read. */
  async read(file: FileEntry): Promise<Buffer> {
    if (!this.window.has(file)) await this.fill(file)
    return this.window.get(file) ?? joined(readSequence(this.source, file.chunks, file.path, this.cache), file.size)
  }

  /** Reads the window that begins with a file. Leaves out all its files if one is damaged: each is then read alone. */
  private async fill(first: FileEntry): Promise<void> {
    this.window = new Map()
    while (this.next < this.files.length && this.files[this.next] !== first) this.next++
    const files: FileEntry[] = []
    for (let bytes = 0; this.next < this.files.length && bytes < WINDOW_BYTES && files.length < WINDOW_FILES; this.next++) {
      const file = this.files[this.next]!
      files.push(file)
      bytes += file.size
    }
    const ids = Buffer.concat(files.map(({ chunks }) => chunks))
    const pieces = readSequence(this.source, ids, first.path, this.cache)
    const window = new Map<FileEntry, Buffer>()
    try {
      for (const file of files) {
        const chunks: Uint8Array[] = []
        for (let count = file.chunks.length / HASH_BYTES; count > 0; count--) chunks.push((await pieces.next()).value as Uint8Array)
        window.set(file, Buffer.concat(chunks))
      }
    } catch (error) {
      if (!isAppError(error, 'corrupt')) throw error
    }
    this.window = window
  }
}

async function joined(pieces: AsyncIterable<Uint8Array>, size: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const piece of pieces) chunks.push(piece)
  return Buffer.concat(chunks, size)
}
