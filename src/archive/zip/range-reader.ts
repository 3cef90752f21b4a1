import { ByteLru } from '../../util/byte-lru.ts'

/** A file of which any range can be read. */
export interface RangeSource {
  size: number
  /** Bytes [start, end). */
  range(start: number, end: number): Promise<Uint8Array>
  /** Bytes per read, however few are needed; 4 MiB by default: each request to a server costs a round trip. */
  blockBytes?: number
}

const BLOCK_BYTES = 4 * 1024 * 1024
/** Blocks that are cached: reads of a zip alternate between its directory and its contents. */
const KEPT_BLOCKS = 4

/**
 * Reads a file in blocks, each of which answers all reads near it. A file that ends before its stated size throws a
 * plain `Error`.
 */
export class RangeReader {
  readonly size: number
  private readonly source: RangeSource
  private readonly blockBytes: number
  /** Keyed by block number. */
  private readonly blocks: ByteLru<number, Promise<Uint8Array>>

  constructor(source: RangeSource) {
    this.source = source
    this.size = source.size
    this.blockBytes = source.blockBytes ?? BLOCK_BYTES
    this.blocks = new ByteLru(KEPT_BLOCKS * this.blockBytes)
  }

  /** Bytes [start, end), which must lie in the file. They may be shared with other reads: don't change them. */
  async read(start: number, end: number): Promise<Buffer> {
    const number = Math.floor(start / this.blockBytes)
    if (start < end && end <= (number + 1) * this.blockBytes) {
      const block = await this.block(number)
      const from = start - number * this.blockBytes
      if (from + end - start > block.length) throw cutOff()
      return Buffer.from(block.buffer, block.byteOffset + from, end - start)
    }
    const pieces: Uint8Array[] = []
    for await (const piece of this.pieces(start, end)) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  /** The same, piece by piece. The next block is requested before it is needed. */
  async *pieces(start: number, end: number): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end;) {
      const number = Math.floor(at / this.blockBytes)
      const wanted = this.block(number)
      if ((number + 1) * this.blockBytes < end) void this.block(number + 1)
      const block = await wanted
      const piece = block.subarray(at - number * this.blockBytes, end - number * this.blockBytes)
      if (piece.length === 0) throw cutOff()
      yield piece
      at += piece.length
    }
  }

  private block(number: number): Promise<Uint8Array> {
    const kept = this.blocks.get(number)
    if (kept !== undefined) return kept
    const start = number * this.blockBytes
    const block = this.source.range(start, Math.min(this.size, start + this.blockBytes))
    this.blocks.set(number, block, this.blockBytes)
    // a failed block is fetched again
    block.catch(() => this.blocks.delete(number))
    return block
  }
}

function cutOff(): Error {
  return new Error('it is shorter than it was when it was opened')
}
