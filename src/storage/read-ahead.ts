import { ForwardingStorage } from './forwarding.ts'
import type { ByteRange, Listing, StorageOptions } from './storage.ts'

/**
 * Starts reads that will be needed soon, so that round trips overlap with other work. Each result is returned once. A
 * failure is thrown when the object is requested.
 */
export class ReadAheadStorage extends ForwardingStorage {
  private readonly begun = new Map<string, Promise<Uint8Array>>()
  private listing: Promise<Listing> | undefined

  beginList(options?: StorageOptions): void {
    this.listing = this.inner.list(options)
    this.listing.catch(() => undefined)
  }

  override list(options?: StorageOptions): Promise<Listing> {
    const begun = this.listing ?? this.inner.list(options)
    this.listing = undefined
    return begun
  }

  begin(name: string, options?: StorageOptions): void {
    if (this.begun.has(name)) return
    const reading = this.inner.get(name, undefined, options)
    reading.catch(() => undefined)
    this.begun.set(name, reading)
  }

  override get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    const begun = range === undefined ? this.begun.get(name) : undefined
    if (begun === undefined) return this.inner.get(name, range, options)
    this.begun.delete(name)
    return begun
  }
}
