import { ByteLru } from '../util/byte-lru.ts'
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
  private readonly kept: ByteLru<string, Promise<Uint8Array>>

  constructor(inner: Storage, options: SmallObjectOptions) {
    super(inner)
    this.options = options
    this.kept = new ByteLru(options.totalBytes)
  }

  override async get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    const size = this.options.sizeOf(name)
    if (range === undefined || size === undefined || size > this.options.objectBytes) return this.inner.get(name, range, options)
    const bytes = await this.whole(name, size, options)
    const { start, end } = resolveRange(name, bytes.length, range)
    return bytes.subarray(start, end)
  }

  private async whole(name: string, size: number, options?: StorageOptions): Promise<Uint8Array> {
    const kept = this.kept.get(name)
    const bytes = kept ?? this.inner.get(name, undefined, options)
    if (kept === undefined) this.kept.set(name, bytes, size)
    try {
      return await bytes
    } catch (error) {
      if (this.kept.get(name) === bytes) this.kept.delete(name)
      throw error
    }
  }
}
