/** So large an allocation comes from the system by itself: pages of it that were never written take no memory, and nothing small comes to lie around it. */
const SLAB_BYTES = 32 * 1024 * 1024

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
    if (this.free.length === 0) this.addSlab()
    return this.free.pop()!
  }

  private addSlab(): void {
    const count = Math.ceil(SLAB_BYTES / this.bytes)
    const slab = new SharedArrayBuffer(count * this.bytes)
    for (let i = count - 1; i >= 0; i--) this.free.push(new Uint8Array(slab, i * this.bytes, this.bytes))
  }

  /** For a buffer that came from `take` and that nobody uses any more. */
  give(buffer: Uint8Array): void {
    this.free.push(buffer)
  }
}
