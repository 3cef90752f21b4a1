import { ForwardingStorage } from './forwarding.ts'
import type { ByteRange, StorageOptions } from './storage.ts'

/** Begins to read objects that will be asked for soon, so that a round trip overlaps with others. Each is handed out once. */
export class ReadAheadStorage extends ForwardingStorage {
  private readonly begun = new Map<string, Promise<Uint8Array>>()

  /** A failure shows when the object is asked for. */
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
