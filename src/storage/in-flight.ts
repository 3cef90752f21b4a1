import { ForwardingStorage } from './forwarding.ts'
import type { ByteRange, Storage, StorageOptions } from './storage.ts'

/**
 * Counts the objects that are being sent or fetched. Calls `onSent` after each sent object, because the end of a push
 * waits for nothing else.
 */
export class InFlightStorage extends ForwardingStorage {
  private readonly onSent: () => void
  objects = 0

  constructor(inner: Storage, onSent: () => void) {
    super(inner)
    this.onSent = onSent
  }

  override async put(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<{ created: number }> {
    const sent = await this.during(this.inner.put(name, bytes, options))
    this.onSent()
    return sent
  }

  override get(name: string, range?: ByteRange, options?: StorageOptions): Promise<Uint8Array> {
    return this.during(this.inner.get(name, range, options))
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
