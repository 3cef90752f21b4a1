import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'

/** Bytes piece by piece. A piece is valid until the next one is requested. */
export type ByteStream = AsyncIterable<Uint8Array>

/** The output of a transform, such as one of node:zlib's, that reads `bytes`. */
export async function* pipeThrough(bytes: ByteStream, transform: Duplex): AsyncGenerator<Uint8Array> {
  const fed = pipeline(bytes, transform)
  fed.catch(() => undefined)
  try {
    for await (const piece of transform) yield piece as Uint8Array
    await fed
  } catch (error) {
    // if the source failed, its own error says more
    await fed
    throw error
  } finally {
    transform.destroy()
  }
}

/** Calls `onPiece` with the length of each piece that passes. */
export async function* countBytes(bytes: ByteStream, onPiece: (length: number) => void): AsyncGenerator<Uint8Array> {
  for await (const piece of bytes) {
    onPiece(piece.length)
    yield piece
  }
}

/** Reads a byte stream in portions of the reader's choosing. */
export class ByteQueue {
  private readonly source: AsyncIterator<Uint8Array>
  private pieces: Uint8Array[] = []
  /** Buffered bytes. */
  private available = 0

  constructor(bytes: ByteStream) {
    this.source = bytes[Symbol.asyncIterator]()
  }

  /** Waits for `count` bytes. False when the stream ends before. */
  async fill(count: number): Promise<boolean> {
    while (this.available < count) {
      const next = await this.source.next()
      if (next.done === true) return false
      if (next.value.length === 0) continue
      this.pieces.push(next.value)
      this.available += next.value.length
    }
    return true
  }

  /** The next bytes, at most `count`, without removing them. May return fewer. */
  peek(count: number): Uint8Array {
    const first = this.pieces[0]
    if (first === undefined) return new Uint8Array(0)
    if (first.length < Math.min(count, this.available)) this.pieces = [Buffer.concat(this.pieces)]
    return this.pieces[0]!.subarray(0, count)
  }

  /** Takes `count` bytes. Call `fill` first, which waits for them. */
  take(count: number): Uint8Array {
    const taken = this.peek(count)
    this.drop(count)
    return taken
  }

  /** Takes at least one and at most `most` bytes, without joining pieces. Call `fill(1)` first. */
  takeSome(most: number): Uint8Array {
    const taken = this.pieces[0]!.subarray(0, most)
    this.drop(taken.length)
    return taken
  }

  private drop(count: number): void {
    this.available -= count
    while (count > 0) {
      const first = this.pieces[0]!
      if (first.length > count) {
        this.pieces[0] = first.subarray(count)
        return
      }
      count -= first.length
      this.pieces.shift()
    }
  }

  /** Skips bytes without buffering them. False when the stream ends before. */
  async skip(count: number): Promise<boolean> {
    for (let left = count; left > 0;) {
      if (!(await this.fill(1))) return false
      const step = Math.min(left, this.available)
      this.drop(step)
      left -= step
    }
    return true
  }

  /** All remaining bytes. */
  async *rest(): AsyncGenerator<Uint8Array> {
    try {
      while (await this.fill(1)) yield this.take(this.available)
    } finally {
      await this.close()
    }
  }

  async close(): Promise<void> {
    await this.source.return?.()
  }
}
