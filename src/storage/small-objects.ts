import { ForwardingStorage } from './forwarding.ts'
import { resolveRange } from './object-checks.ts'
import type { ByteRange, Storage, StorageOptions } from './storage.ts'

export interface SmallObjectOptions {
  /** Bytes of an object by its name, where known. */
  sizeOf: (name: string) => number | undefined
  /** Larger objects (bytes) are read by ranges, as asked. */
  objectBytes: number
  /** Kept at a time, at most. */
  totalBytes: number
}

/**
 * Reads small objects whole at the first range that is asked of them, and answers the others from memory: for those who will want most of an object, in
 * pieces and at different times. A round trip costs more than the rest of a small object.
 */
export class SmallObjectStorage extends ForwardingStorage {
  private readonly options: SmallObjectOptions
  /** In the order of last use. */
  private readonly kept = new Map<string, { size: number; bytes: Promise<Uint8Array> }>()

  constructor(inner: Storage, options: SmallObjectOptions) {
    super(inner)
    this.options = options
  }

  override async get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    const size = this.options.sizeOf(name)
    if (range === undefined || size === undefined || size > this.options.objectBytes) return this.inner.get(name, range, options)
    const bytes = await this.whole(name, size, options)
    const { start, end } = resolveRange(name, bytes.length, range)
    return bytes.subarray(start, end)
  }

  private async whole(name: string, size: number, options?: StorageOptions): Promise<Uint8Array> {
    const object = this.kept.get(name) ?? { size, bytes: this.inner.get(name, undefined, options) }
    this.kept.delete(name)
    this.kept.set(name, object)
    this.dropOldest()
    try {
      return await object.bytes
    } catch (error) {
      if (this.kept.get(name) === object) this.kept.delete(name)
      throw error
    }
  }

  private dropOldest(): void {
    let total = [...this.kept.values()].reduce((sum, { size }) => sum + size, 0)
    for (const [name, { size }] of this.kept) {
      if (total <= this.options.totalBytes) return
      this.kept.delete(name)
      total -= size
    }
  }
}
