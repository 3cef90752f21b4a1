import { ByteLru } from '../../util/byte-lru.ts'
import { corrupt, missing } from '../../util/errors.ts'
import { HASH_BYTES, toHex } from '../../util/hash.ts'
import { formatCount, plural } from '../../util/words.ts'
import { idAt } from '../format/chunk-ids.ts'
import type { FileEntry } from '../format/manifest.ts'
import { chunkMatches, fetchBlocks, readOtherCopy, type BlockSource } from './read-chunks.ts'

/** Plain bytes of the decoded blocks that are kept for the next read. */
const KEPT_BYTES = 32 * 1024 * 1024

interface KeptBlock {
  plain: Uint8Array
  /** Entry numbers of the chunks that were verified. Small reads of one chunk need not hash it again. */
  verified: Set<number>
}

/** One chunk of a file, at its place in it. */
export interface PlacedChunk {
  offset: number
  length: number
  /** In hex. */
  id: string
  /** The id of other bytes, if they were a chunk of this repository. */
  idOf: (bytes: Uint8Array) => Uint8Array
}

/**
 * A file of a version that is read in pieces. Fetches only the blocks of the piece, and verifies each chunk before it
 * returns any of its bytes.
 *
 * Time of a read: linear in its length, and in the bytes of the blocks that are fetched for it. Memory: linear in the
 * number of chunks of the file.
 */
export class StoredFile {
  readonly size: number
  private readonly source: BlockSource
  private readonly what: string
  private readonly ids: Uint8Array
  /** The copy (entry number) of each chunk of the file. */
  private readonly copies: number[] = []
  /** Where each chunk begins. The last number is the size of the file. */
  private readonly starts: number[] = [0]
  /** Decoded blocks by their numbers. */
  private readonly kept = new ByteLru<number, KeptBlock>(KEPT_BYTES)

  /** Throws `corrupt` if a chunk is in no pack. `what` is the file's name for messages. */
  constructor(source: BlockSource, entry: FileEntry, what: string) {
    this.source = source
    this.what = what
    this.ids = entry.chunks
    this.size = entry.size
    for (let i = 0; i < this.ids.length; i += HASH_BYTES) {
      const found = source.index.find(this.ids, i)
      if (found < 0) throw missing(what, `chunk ${toHex(this.ids.subarray(i, i + 6))} is in no pack of the repository`)
      this.copies.push(found)
      this.starts.push(this.starts.at(-1)! + source.index.length(found))
    }
    if (this.starts.at(-1) !== this.size)
      throw corrupt(what, `its chunks have ${plural(this.starts.at(-1)!, 'byte')} instead of ${formatCount(this.size)}`)
  }

  /** Reads the bytes [offset, offset + length), or fewer if the file ends before. */
  readonly read = async (offset: number, length: number): Promise<Uint8Array> => {
    const end = Math.min(offset + length, this.size)
    const bytes = new Uint8Array(Math.max(0, end - offset))
    if (bytes.length === 0) return bytes
    const wanted = this.numbersOf(offset, end)
    const byBlock = new Map<number, number[]>()
    for (const number of wanted) {
      const block = this.source.index.blockOf(this.copies[number]!)
      const numbers = byBlock.get(block)
      if (numbers) numbers.push(number)
      else byBlock.set(block, [number])
    }
    const fetch: number[] = []
    for (const [block, numbers] of byBlock) {
      const kept = this.kept.get(block)
      if (kept === undefined) fetch.push(block)
      else {
        for (const number of numbers) this.copy(number, await this.verified(number, kept), bytes, offset)
      }
    }
    for await (const { number: block, plain, error } of fetchBlocks(
      this.source,
      fetch.sort((a, b) => a - b),
    )) {
      const kept = plain && { plain, verified: new Set<number>() }
      if (kept) this.kept.set(block, kept, kept.plain.length)
      for (const number of byBlock.get(block)!) this.copy(number, await this.verified(number, kept, error), bytes, offset)
    }
    return bytes
  }

  /** The chunks that overlap [offset, offset + length), in order. */
  chunksOf(offset: number, length: number): PlacedChunk[] {
    const { idOf } = this.source.index.chunkKeys
    return this.numbersOf(offset, Math.min(offset + length, this.size)).map(number => ({
      offset: this.starts[number]!,
      length: this.starts[number + 1]! - this.starts[number]!,
      id: toHex(idAt(this.ids, number)),
      idOf,
    }))
  }

  private numbersOf(start: number, end: number): number[] {
    if (start >= end) return []
    let [low, high] = [0, this.copies.length - 1]
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (this.starts[middle]! <= start) low = middle
      else high = middle - 1
    }
    const numbers: number[] = []
    for (let number = low; number < this.copies.length && this.starts[number]! < end; number++) numbers.push(number)
    return numbers
  }

  private async verified(number: number, kept: KeptBlock | undefined, error?: Parameters<typeof readOtherCopy>[2]): Promise<Uint8Array> {
    const { index } = this.source
    const copy = this.copies[number]!
    const { offset, length } = index.location(copy)
    const chunk = kept?.plain.subarray(offset, offset + length)
    if (!chunk || !(kept!.verified.has(copy) || chunkMatches(index, index.id(copy), chunk)))
      return readOtherCopy(this.source, copy, error, this.what)
    kept!.verified.add(copy)
    return chunk
  }

  /** Copies the bytes of a chunk that `bytes` needs. `bytes` begins at `offset` of the file. */
  private copy(number: number, chunk: Uint8Array, bytes: Uint8Array, offset: number): void {
    const start = this.starts[number]!
    const skipped = Math.max(0, offset - start)
    bytes.set(chunk.subarray(skipped, Math.min(chunk.length, offset + bytes.length - start)), Math.max(0, start - offset))
  }
}
