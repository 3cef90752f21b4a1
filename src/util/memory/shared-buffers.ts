/**
 * The allocator takes a buffer of this size straight from the system. Pages that were never written then take no
 * memory.
 */
const SLAB_BYTES = 32 * 1024 * 1024

/**
 * Buffers of one size in shared memory. Worker threads read them in place, without copying or transferring them. They
 * are reused, so they never wait for the garbage collector.
 */
export class SharedBuffers {
  private readonly bytes: number
  private readonly free: Uint8Array[] = []

  constructor(bytes: number) {
    this.bytes = bytes
  }

  /** Takes a buffer. Its old contents are not cleared. */
  take(): Uint8Array {
    if (this.free.length === 0) this.addSlab()
    return this.free.pop()!
  }

  private addSlab(): void {
    const count = Math.ceil(SLAB_BYTES / this.bytes)
    const slab = new SharedArrayBuffer(count * this.bytes)
    for (let i = count - 1; i >= 0; i--) this.free.push(new Uint8Array(slab, i * this.bytes, this.bytes))
  }

  /** Returns a buffer that came from `take`. */
  give(buffer: Uint8Array): void {
    this.free.push(buffer)
  }
}
