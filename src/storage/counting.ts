import type { CallKind } from './storage.ts'
import type { ByteRange, Listing, Quota, Storage, StorageOptions } from './storage.ts'

/** Counts the calls that reach a store, by kind, for the receipt. */
export class CountingStorage implements Storage {
  readonly location: string
  readonly calls: Record<CallKind, number> = { put: 0, get: 0, list: 0, remove: 0, quota: 0 }
  private readonly inner: Storage

  constructor(inner: Storage) {
    this.location = inner.location
    this.inner = inner
  }

  get total(): number {
    return Object.values(this.calls).reduce((sum, count) => sum + count, 0)
  }

  get chunkKeys(): Storage['chunkKeys'] {
    return this.inner.chunkKeys
  }

  put(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<{ created: number }> {
    this.calls.put++
    return this.inner.put(name, bytes, options)
  }

  get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    this.calls.get++
    return this.inner.get(name, range, options)
  }

  list(options?: StorageOptions): Promise<Listing> {
    this.calls.list++
    return this.inner.list(options)
  }

  remove(name: string, options?: StorageOptions): Promise<void> {
    this.calls.remove++
    return this.inner.remove(name, options)
  }

  quota(options?: StorageOptions): Promise<Quota> {
    this.calls.quota++
    return this.inner.quota(options)
  }
}
