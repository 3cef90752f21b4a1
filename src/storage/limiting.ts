import { throwIfAborted } from '../util/errors.ts'
import { waitOrAbort } from '../util/waiting.ts'
import { ForwardingStorage } from './forwarding.ts'
import type { ByteRange, Listing, Quota, Storage, StorageOptions } from './storage.ts'

export interface Limits {
  /** Sum of the bytes of all `put`s under way; a larger `put` passes when no other is. */
  maxInFlightBytes: number
  /** Calls of any kind under way. */
  maxConcurrent: number
}

interface Waiting {
  bytes: number
  wake: () => void
}

/**
 * Limits the calls in progress and the bytes they hold. Calls begin strictly in the order they came, so none waits
 * forever.
 */
export class LimitingStorage extends ForwardingStorage {
  private readonly limits: Limits
  private readonly queue: Waiting[] = []
  private calls = 0
  private bytes = 0

  constructor(inner: Storage, limits: Limits) {
    super(inner)
    this.limits = limits
  }

  override put(name: string, bytes: Uint8Array, options: StorageOptions = {}): Promise<{ created: number }> {
    return this.limited(bytes.length, options, () => this.inner.put(name, bytes, options))
  }

  override get(name: string, range?: ByteRange, options: StorageOptions = {}): Promise<Uint8Array> {
    return this.limited(0, options, () => this.inner.get(name, range, options))
  }

  override list(options: StorageOptions = {}): Promise<Listing> {
    return this.limited(0, options, () => this.inner.list(options))
  }

  override remove(name: string, options: StorageOptions = {}): Promise<void> {
    return this.limited(0, options, () => this.inner.remove(name, options))
  }

  override quota(options: StorageOptions = {}): Promise<Quota> {
    return this.limited(0, options, () => this.inner.quota(options))
  }

  private async limited<T>(bytes: number, { signal }: StorageOptions, call: () => Promise<T>): Promise<T> {
    throwIfAborted(signal)
    if (this.queue.length === 0 && this.fits(bytes)) this.enter(bytes)
    else await waitOrAbort(signal, wake => this.enqueue({ bytes, wake }))
    try {
      return await call()
    } finally {
      this.calls--
      this.bytes -= bytes
      this.admit()
    }
  }

  private fits(bytes: number): boolean {
    const { maxConcurrent, maxInFlightBytes } = this.limits
    return this.calls < maxConcurrent && (bytes === 0 || this.bytes === 0 || this.bytes + bytes <= maxInFlightBytes)
  }

  private enter(bytes: number): void {
    this.calls++
    this.bytes += bytes
  }

  private enqueue(waiting: Waiting): () => void {
    this.queue.push(waiting)
    return () => {
      this.queue.splice(this.queue.indexOf(waiting), 1)
      // the one that left may have been all that held back those behind it
      this.admit()
    }
  }

  /** A call enters here, before it is woken, so that nobody slips in between. */
  private admit(): void {
    for (let first = this.queue[0]; first !== undefined && this.fits(first.bytes); first = this.queue[0]) {
      this.queue.shift()
      this.enter(first.bytes)
      first.wake()
    }
  }
}
