import type { Patience } from '../util/patience.ts'
import { ForwardingStorage } from './forwarding.ts'
import type { ByteRange, Listing, Quota, Storage, StorageOptions } from './storage.ts'

/**
 * Repeats `throttled` and `unavailable` calls. Every kind of call may be repeated: a `put` or `remove` that took effect
 * although its response was lost succeeds again.
 */
export class RetryingStorage extends ForwardingStorage {
  private readonly patience: Patience

  constructor(inner: Storage, patience: Patience) {
    super(inner)
    this.patience = patience
  }

  override put(name: string, bytes: Uint8Array, options: StorageOptions = {}): Promise<{ created: number }> {
    return this.patience.persist(options.signal, () => this.inner.put(name, bytes, options))
  }

  override get(name: string, range?: ByteRange, options: StorageOptions = {}): Promise<Uint8Array> {
    return this.patience.persist(options.signal, () => this.inner.get(name, range, options))
  }

  override list(options: StorageOptions = {}): Promise<Listing> {
    return this.patience.persist(options.signal, () => this.inner.list(options))
  }

  override remove(name: string, options: StorageOptions = {}): Promise<void> {
    return this.patience.persist(options.signal, () => this.inner.remove(name, options))
  }

  override quota(options: StorageOptions = {}): Promise<Quota> {
    return this.patience.persist(options.signal, () => this.inner.quota(options))
  }

  override confirm(name: string, bytes: Uint8Array, options: StorageOptions = {}): Promise<void> {
    // reading back is a call of its own that retries
    if (!this.inner.confirm) return super.confirm(name, bytes, options)
    return this.patience.persist(options.signal, () => super.confirm(name, bytes, options))
  }
}
