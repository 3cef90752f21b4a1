import { ByteLru } from '../util/byte-lru.ts'
import { ForwardingStorage } from './forwarding.ts'
import { resolveRange } from './object-checks.ts'
import type { ByteRange, Storage, StorageOptions } from './storage.ts'

export interface SmallObjectOptions {
  /** Sizes of objects by name, if known. */
  sizeOf: (name: string) => number | undefined
  /** Larger objects (bytes) are read by ranges, as requested. */
  objectBytes: number
  /** Maximum bytes of cached objects. */
  totalBytes: number
}

/**
 * Reads a small object whole when its first range is requested, and serves other ranges from memory. For readers that
 * need most of an object, in pieces at different times: a round trip costs more than the rest of a small object.
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
