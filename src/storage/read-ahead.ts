import type { ByteRange, Listing, Quota, Storage, StorageOptions } from './storage.ts'

/** Begins to read objects that will be asked for soon, so that a round trip overlaps with others. Each is handed out once. */
export class ReadAheadStorage implements Storage {
  readonly location: string
  private readonly inner: Storage
  private readonly begun = new Map<string, Promise<Uint8Array>>()

  constructor(inner: Storage) {
    this.location = inner.location
    this.inner = inner
  }

  /** A failure shows when the object is asked for. */
  begin(name: string, options?: StorageOptions): void {
    if (this.begun.has(name)) return
    const reading = this.inner.get(name, undefined, options)
    reading.catch(() => undefined)
    this.begun.set(name, reading)
  }

  get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    const begun = range === undefined ? this.begun.get(name) : undefined
    if (begun === undefined) return this.inner.get(name, range, options)
    this.begun.delete(name)
    return begun
  }

  put(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<{ created: number }> {
    return this.inner.put(name, bytes, options)
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
}
