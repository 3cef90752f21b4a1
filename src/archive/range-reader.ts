import { Readable } from 'node:stream'
import { RandomAccessReader } from 'yauzl'

/** A file elsewhere, any part of which can be had. */
export interface RangeSource {
  size: number
  /** Bytes [start, end). */
  range(start: number, end: number): Promise<Uint8Array>
}

/** Fetched at a time, whatever little of it is asked for: each request waits for its answer. */
const BLOCK_BYTES = 4 * 1024 * 1024
/** Blocks kept: a zip's directory and its content are read in turns. */
const BLOCKS_KEPT = 4

/** Lets yauzl read a zip file that is not on this machine. */
export class RangeReader extends RandomAccessReader {
  private readonly source: RangeSource
  /** By their number; the one used last is the last. */
  private readonly blocks = new Map<number, Promise<Uint8Array>>()

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
    const start = number * BLOCK_BYTES
    const block = this.blocks.get(number) ?? this.source.range(start, Math.min(this.source.size, start + BLOCK_BYTES))
    this.blocks.delete(number)
    this.blocks.set(number, block)
    for (const [oldest] of this.blocks) {
      if (this.blocks.size <= BLOCKS_KEPT) break
      this.blocks.delete(oldest)
    }
    // one that failed is fetched anew
    block.catch(() => this.blocks.delete(number))
    return block
  }
}
