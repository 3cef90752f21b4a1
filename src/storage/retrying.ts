import { AppError, isAppError, throwIfAborted } from '../util/errors.ts'
import { sleep as realSleep, type Sleep } from '../util/waiting.ts'
import { ForwardingStorage } from './forwarding.ts'
import type { CallKind } from './storage.ts'
import type { ByteRange, Listing, Quota, Storage, StorageOptions } from './storage.ts'

export interface RetryEvent {
  kind: CallKind
  /** Empty for `list` and `quota`. */
  name: string
  /** Number of failures so far, at least 1. */
  failures: number
  delayMs: number
  error: AppError
}

export interface RetryOptions {
  /** Maximum number of attempts, at least 1. */
  attempts: number
  /** The first wait is random between 0 and this. Each further wait doubles that bound, up to `capMs`. */
  baseMs: number
  capMs: number
  /** No wait may end later than this after the start of the call. */
  budgetMs: number
  sleep?: Sleep
  random?: () => number
  /** Monotonic ms. */
  now?: () => number
  onRetry?: (event: RetryEvent) => void
}

/**
 * Retries `throttled` and `unavailable` calls with exponential backoff and full jitter. Waits at least as long as the
 * store asked for. Every kind of call may be repeated: a `put` or `remove` that took effect although its response was
 * lost succeeds again.
 */
export class RetryingStorage extends ForwardingStorage {
  private readonly options: RetryOptions

  constructor(inner: Storage, options: RetryOptions) {
    super(inner)
    this.options = options
  }

  override put(name: string, bytes: Uint8Array, options: StorageOptions = {}): Promise<{ created: number }> {
    return this.persist('put', name, options, () => this.inner.put(name, bytes, options))
  }

  override get(name: string, range?: ByteRange, options: StorageOptions = {}): Promise<Uint8Array> {
    return this.persist('get', name, options, () => this.inner.get(name, range, options))
  }

  override list(options: StorageOptions = {}): Promise<Listing> {
    return this.persist('list', '', options, () => this.inner.list(options))
  }

  override remove(name: string, options: StorageOptions = {}): Promise<void> {
    return this.persist('remove', name, options, () => this.inner.remove(name, options))
  }

  override quota(options: StorageOptions = {}): Promise<Quota> {
    return this.persist('quota', '', options, () => this.inner.quota(options))
  }

  override confirm(name: string, bytes: Uint8Array, options: StorageOptions = {}): Promise<void> {
    // reading back is a call of its own that retries
    if (!this.inner.confirm) return super.confirm(name, bytes, options)
    return this.persist('get', name, options, () => super.confirm(name, bytes, options))
  }

  private persist<T>(kind: CallKind, name: string, { signal }: StorageOptions, call: () => Promise<T>): Promise<T> {
    return persist({ kind, name, location: this.location, signal }, this.options, call)
  }
}

export interface CallContext {
  kind: CallKind
  name: string
  /** For messages: the store's location. */
  location: string
  signal: AbortSignal | undefined
}

/** Repeats a call while it is `throttled` or `unavailable`, within the limits of `options`. */
export async function persist<T>(context: CallContext, options: RetryOptions, call: () => Promise<T>): Promise<T> {
  const { kind, name, location, signal } = context
  const { attempts, baseMs, capMs, budgetMs, onRetry, sleep = realSleep, random = Math.random, now = () => performance.now() } = options
  const began = now()
  for (let failures = 1; ; failures++) {
    throwIfAborted(signal)
    try {
      return await call()
    } catch (error) {
      if (!isAppError(error, 'throttled', 'unavailable')) throw error
      const elapsed = now() - began
      const delayMs = (error.retryAfterMs ?? 0) + random() * Math.min(capMs, baseMs * 2 ** (failures - 1))
      if (failures >= attempts || elapsed + delayMs > budgetMs) throw givenUp(error, failures, elapsed, location)
      onRetry?.({ kind, name, failures, delayMs, error })
      await sleep(delayMs, signal)
    }
  }
}

function givenUp(error: AppError, tries: number, elapsedMs: number, location: string): AppError {
  const advice =
    error.code === 'throttled'
      ? `Too many requests reach ${location} right now: wait a few minutes`
      : `Check the connection to ${location} and wait a minute`
  const times = tries === 1 ? 'once' : `${tries} times`
  return new AppError(error.code, `${error.message} Tried ${times} in ${Math.round(elapsedMs / 1000)} s.`, {
    hint: `${advice}, then run the same command again: it continues where it stopped.`,
    cause: error,
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
  })
}
