import type { ByteRange, Listing, Quota, Storage, StorageOptions } from './storage.ts'

/** Counts the objects that are being sent or fetched. `onSent` is called after each that was sent: at the end of a push nothing else is waited for. */
export class InFlightStorage implements Storage {
  readonly location: string
  private readonly inner: Storage
  private readonly onSent: () => void
  objects = 0

  constructor(inner: Storage, onSent: () => void) {
    this.location = inner.location
    this.inner = inner
    this.onSent = onSent
  }

  async put(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<{ created: number }> {
    const sent = await this.during(this.inner.put(name, bytes, options))
    this.onSent()
    return sent
  }

  get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    return this.during(this.inner.get(name, range, options))
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

  private async during<T>(call: Promise<T>): Promise<T> {
    this.objects++
    try {
      return await call
    } finally {
      this.objects--
    }
  }
}
