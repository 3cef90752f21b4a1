/**
 * Buffers of one size in memory that all threads see, used again and again: worker threads read them where they are, so they are neither copied nor given away,
 * and do not wait for the garbage collector.
 */
export class SharedBuffers {
  private readonly bytes: number
  private readonly free: Uint8Array[] = []

  constructor(bytes: number) {
    this.bytes = bytes
  }

  /** A buffer; what it held before may still be in it. */
  take(): Uint8Array {
    return this.free.pop() ?? new Uint8Array(new SharedArrayBuffer(this.bytes))
  }

  /** For a buffer that came from `take` and that nobody uses any more. */
  give(buffer: Uint8Array): void {
    this.free.push(buffer)
  }
}
