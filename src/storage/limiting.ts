import { throwIfAborted } from '../util/errors.ts'
import { waitOrAbort } from '../util/waiting.ts'
import { ForwardingStorage } from './forwarding.ts'
import type { ByteRange, Listing, Quota, Storage, StorageOptions } from './storage.ts'

export interface CallLimits {
  /** Maximum bytes of all running `put`s together. A larger `put` runs alone. */
  maxInFlightBytes: number
  /** Maximum number of running calls of any kind. */
  maxConcurrent: number
}

interface Waiting {
  bytes: number
  wake: () => void
}

/**
 * Limits the running calls and the bytes they hold. Calls start strictly in order of arrival, so none waits forever.
 */
export class LimitingStorage extends ForwardingStorage {
  private readonly limits: CallLimits
  private readonly queue: Waiting[] = []
  private calls = 0
  private bytes = 0

  constructor(inner: Storage, limits: CallLimits) {
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

  override confirm(name: string, bytes: Uint8Array, options: StorageOptions = {}): Promise<void> {
    if (!this.inner.confirm) return super.confirm(name, bytes, options)
    return this.limited(0, options, () => super.confirm(name, bytes, options))
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
      // the finished call may have been the only one that blocked those behind it
      this.admit()
    }
  }

  /** Counts a call before it is woken, so that no other call can take its place. */
  private admit(): void {
    for (let first = this.queue[0]; first !== undefined && this.fits(first.bytes); first = this.queue[0]) {
      this.queue.shift()
      this.enter(first.bytes)
      first.wake()
    }
  }
}
