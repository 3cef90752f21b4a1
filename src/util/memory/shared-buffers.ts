/** So large that the allocator takes it straight from the system: pages that were never written take no memory. */
const SLAB_BYTES = 32 * 1024 * 1024

/**
 * Buffers of one size in memory that all threads see. Worker threads read them where they are: they are neither copied
 * nor transferred. They are used again and never wait for the garbage collector.
 */
export class SharedBuffers {
  private readonly bytes: number
  private readonly free: Uint8Array[] = []

  constructor(bytes: number) {
    this.bytes = bytes
  }

  /** Takes a buffer, with whatever it held before. */
  take(): Uint8Array {
    if (this.free.length === 0) this.addSlab()
    return this.free.pop()!
  }

  private addSlab(): void {
    const count = Math.ceil(SLAB_BYTES / this.bytes)
    const slab = new SharedArrayBuffer(count * this.bytes)
    for (let i = count - 1; i >= 0; i--) this.free.push(new Uint8Array(slab, i * this.bytes, this.bytes))
  }

  /** Gives back a buffer that came from `take`. */
  give(buffer: Uint8Array): void {
    this.free.push(buffer)
  }
}
