/**
 * Memory that all threads see, used again and again: worker threads read it where it is, so it is neither copied nor given away, and it does not wait for the
 * garbage collector.
 */
export class SharedBuffers {
  private readonly free = new Map<number, Uint8Array[]>()

  /** A buffer of that many bytes; what it held before may still be in it. */
  take(bytes: number): Uint8Array {
    return this.free.get(bytes)?.pop() ?? new Uint8Array(new SharedArrayBuffer(bytes))
  }

  /** For a buffer that came from `take` and that nobody uses any more. */
  give(buffer: Uint8Array): void {
    const free = this.free.get(buffer.length)
    if (free) free.push(buffer)
    else this.free.set(buffer.length, [buffer])
  }
}
