import { Readable } from 'node:stream'
import { RandomAccessReader } from 'yauzl'
import { ByteLru } from '../util/byte-lru.ts'

/** A remote file of which any range can be read. */
export interface RangeSource {
  size: number
  /** Bytes [start, end). */
  range(start: number, end: number): Promise<Uint8Array>
}

/** Bytes per request, however few are needed: each request costs a round trip. */
const BLOCK_BYTES = 4 * 1024 * 1024
/** Bytes of cached blocks: reads of a zip alternate between its directory and its content. */
const KEPT_BYTES = 4 * BLOCK_BYTES

/** Lets yauzl read a remote zip file. */
export class RangeReader extends RandomAccessReader {
  private readonly source: RangeSource
  /** Keyed by block number. */
  private readonly blocks = new ByteLru<number, Promise<Uint8Array>>(KEPT_BYTES)

  constructor(source: RangeSource) {
    super()
    this.source = source
  }

  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.pieces(start, end), { objectMode: false })
  }

  override read(buffer: Buffer, offset: number, length: number, position: number, callback: (error: Error | null) => void): void {
    this.fill(buffer.subarray(offset, offset + length), position).then(() => callback(null), callback)
  }

  private async fill(buffer: Buffer, position: number): Promise<void> {
    let done = 0
    for await (const piece of this.pieces(position, position + buffer.length)) {
      buffer.set(piece, done)
      done += piece.length
    }
  }

  private async *pieces(start: number, end: number): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end;) {
      const number = Math.floor(at / BLOCK_BYTES)
      const block = await this.block(number)
      const piece = block.subarray(at - number * BLOCK_BYTES, end - number * BLOCK_BYTES)
      if (piece.length === 0) throw new Error('it is cut off')
      yield piece
      at += piece.length
    }
  }

  private block(number: number): Promise<Uint8Array> {
    const kept = this.blocks.get(number)
    if (kept !== undefined) return kept
    const start = number * BLOCK_BYTES
    const block = this.source.range(start, Math.min(this.source.size, start + BLOCK_BYTES))
    this.blocks.set(number, block, BLOCK_BYTES)
    // a failed block is fetched again
    block.catch(() => this.blocks.delete(number))
    return block
  }
}
