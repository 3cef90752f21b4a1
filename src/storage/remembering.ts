import { ByteLru } from '../util/byte-lru.ts'
import { throwIfAborted } from '../util/errors.ts'
import { ForwardingStorage } from './forwarding.ts'
import type { ByteRange, Storage, StorageOptions } from './storage.ts'

export interface RememberingOptions {
  /**
   * Selects objects by name. Selected objects must never change, and it must not matter if a deleted one is still
   * returned.
   */
  remembers: (name: string) => boolean
  /** Larger objects (bytes) are not cached. */
  objectBytes: number
  /** Maximum bytes of cached objects. */
  totalBytes: number
}

/**
 * Caches whole objects in memory after they were read or written, for programs that run for a long time and read the
 * same small objects again and again.
 */
export class RememberingStorage extends ForwardingStorage {
  private readonly options: RememberingOptions
  private readonly kept: ByteLru<string, Uint8Array>

  constructor(inner: Storage, options: RememberingOptions) {
    super(inner)
    this.options = options
    this.kept = new ByteLru(options.totalBytes)
  }

  override async put(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<{ created: number }> {
    const own = this.options.remembers(name) ? new Uint8Array(bytes) : undefined
    const put = await this.inner.put(name, bytes, options)
    if (own) this.keep(name, own)
    return put
  }

  override async get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    if (range !== undefined || !this.options.remembers(name)) return this.inner.get(name, range, options)
    throwIfAborted(options?.signal)
    const bytes = this.kept.get(name) ?? (await this.inner.get(name, undefined, options))
    this.keep(name, bytes)
    return new Uint8Array(bytes)
  }

  override async remove(name: string, options?: StorageOptions): Promise<void> {
    this.kept.delete(name)
    await this.inner.remove(name, options)
  }

  private keep(name: string, bytes: Uint8Array): void {
    if (bytes.length > this.options.objectBytes) this.kept.delete(name)
    else this.kept.set(name, bytes, bytes.length)
  }
}
