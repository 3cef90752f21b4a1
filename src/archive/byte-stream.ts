import type { Duplex } from 'node:stream'

/** Bytes piece by piece. A piece is valid until the next one is requested. */
export type ByteStream = AsyncIterable<Uint8Array>

/** A piece of this buffer stands for a hole: zeros that a file need not hold. */
const HOLE = new Uint8Array(1024 * 1024)

export function isHole(piece: Uint8Array): boolean {
  return piece.buffer === HOLE.buffer
}

/** `length` zeros, for a file that may have a hole there. */
export function* holeOf(length: number): Generator<Uint8Array> {
  for (let left = length; left > 0; left -= HOLE.length) yield HOLE.subarray(0, left)
}

/**
 * The output of a transform of node:zlib that reads `bytes`. It gets one piece at a time, so at its end all but a part
 * of the last piece was used. Before an error, also one of `bytes`, comes what was given before.
 */
export async function* pipeThrough(bytes: ByteStream, transform: Duplex): AsyncGenerator<Uint8Array> {
  let failed: { error: unknown } | undefined
  let resume = (): void => undefined
  transform.once('close', () => resume())
  async function feed(): Promise<void> {
    try {
      for await (const piece of bytes) {
        await new Promise<void>(resolve => {
          resume = resolve
          transform.write(piece, () => resolve())
        })
        if (transform.destroyed) return
      }
    } catch (error) {
      failed = { error }
    }
    transform.end()
  }
  void feed()
  try {
    for await (const piece of transform) yield piece as Uint8Array
  } catch (error) {
    for (let piece: unknown; (piece = transform.read()) !== null;) yield piece as Uint8Array
    failed ??= { error }
  } finally {
    transform.destroy()
  }
  if (failed !== undefined) throw failed.error
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

  /** Takes `count` bytes. Call `fill` first, which waits for them. Takes fewer at the end. */
  take(count: number): Uint8Array {
    const taken = this.peek(count)
    this.drop(taken.length)
    return taken
  }

  /** Takes at least one and at most `most` bytes, without joining pieces. Call `fill(1)` first. */
  takeSome(most: number): Uint8Array {
    const taken = this.pieces[0]!.subarray(0, most)
    this.drop(taken.length)
    return taken
  }

  /** Puts bytes back that were taken last. */
  putBack(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.pieces.unshift(bytes)
    this.available += bytes.length
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
