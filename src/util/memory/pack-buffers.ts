import { systemBuffer } from './system-buffer.ts'

/** A buffer for one pack, held until the pack is stored. */
export interface PackBuffer {
  readonly bytes: Uint8Array
  /** Returns the bytes after the first `length`. */
  cut(length: number): void
  /** Returns the whole buffer. */
  release(): void
}

interface Area {
  readonly memory: Uint8Array
  used: number
  /** The number of buffers that are taken and not yet released. */
  buffers: number
}

/**
 * Buffers for packs, in reused areas of memory. Small packs share an area, one after the other, so that the many small
 * packs at the start of a push need no more areas than the few large ones later.
 */
export class PackBuffers {
  private readonly areaBytes: number
  private readonly free: Area[] = []
  /** The area from which buffers are taken. */
  private current: Area | undefined

  constructor(areaBytes: number) {
    this.areaBytes = areaBytes
  }

  /** Takes a buffer of at most an area's bytes. Call `cut` on the previous buffer first. */
  take(length: number): PackBuffer {
    if (!this.current || this.areaBytes - this.current.used < length) {
      this.current = this.free.pop() ?? { memory: systemBuffer(this.areaBytes), used: 0, buffers: 0 }
    }
    const area = this.current
    const start = area.used
    area.used += length
    area.buffers++
    return {
      bytes: area.memory.subarray(start, start + length),
      cut: needed => void (area.used = start + Math.min(needed, length)),
      release: () => this.release(area),
    }
  }

  private release(area: Area): void {
    if (--area.buffers > 0) return
    area.used = 0
    if (area !== this.current) this.free.push(area)
  }
}
