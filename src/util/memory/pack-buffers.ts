import { systemBuffer } from './system-buffer.ts'

/** Where a pack is put together, and stays until it is stored. */
export interface PackBuffer {
  readonly bytes: Uint8Array
  /** The pack has come to so many bytes: what lies behind them is free for the next one. */
  cut(length: number): void
  /** Nobody needs the pack's bytes any more. */
  release(): void
}

interface Area {
  readonly memory: Uint8Array
  used: number
  /** Buffers that were taken and not yet released. */
  buffers: number
}

/**
 * Buffers for packs in areas of memory that are used again, so that memory does not wait for the garbage collector. Small packs lie in one area, one after the other:
 * so the many that are under way when a push begins take no more of them than the few large ones later.
 */
export class PackBuffers {
  private readonly areaBytes: number
  private readonly free: Area[] = []
  /** From which buffers are taken. */
  private current: Area | undefined

  constructor(areaBytes: number) {
    this.areaBytes = areaBytes
  }

  /** A buffer of `length` bytes, at most an area's; the one before must have been cut. */
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
