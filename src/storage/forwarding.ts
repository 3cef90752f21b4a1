import { readBack } from './confirm-object.ts'
import type { ByteRange, Listing, Quota, Storage, StorageOptions } from './storage.ts'

/** Forwards every call. Decorators override some of them. */
export class ForwardingStorage implements Storage {
  readonly location: string
  protected readonly inner: Storage

  constructor(inner: Storage) {
    this.location = inner.location
    this.inner = inner
  }

  get chunkKeys(): Storage['chunkKeys'] {
    return this.inner.chunkKeys
  }

  put(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<{ created: number }> {
    return this.inner.put(name, bytes, options)
  }

  get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    return this.inner.get(name, range, options)
  }

  list(options?: StorageOptions): Promise<Listing> {
    return this.inner.list(options)
  }

  remove(name: string, options?: StorageOptions): Promise<void> {
    return this.inner.remove(name, options)
  }

  quota(options?: StorageOptions): Promise<Quota> {
    return this.inner.quota(options)
  }

  keeper(name: string): string | undefined {
    return this.inner.keeper?.(name)
  }

  async prepare(options?: StorageOptions): Promise<void> {
    await this.inner.prepare?.(options)
  }

  async confirm(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<void> {
    if (this.inner.confirm) await this.inner.confirm(name, bytes, options)
    else await readBack(this, name, bytes, options)
  }
}
