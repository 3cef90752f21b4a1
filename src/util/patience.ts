import { AppError, isAppError, throwIfAborted } from './errors.ts'
import type { Sleep } from './waiting.ts'
import { asSentence } from './words.ts'

/** How long calls are repeated without any success, ms. */
const LONG_MS = 10 * 60_000
/** The same for failures that hardly pass by themselves. */
export const BRIEF_MS = 30_000
/** The first wait is random between 0 and this. Each further wait doubles that bound, up to the longest one. */
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 32_000
/** The longest wait of a command that was asked to end and makes a last attempt. */
const HURRIED_WAIT_MS = 2_000
/** Shorter outages are not told: they are part of normal work. */
const TOLD_FROM_MS = 5_000

const AGAIN = 'Run the same command again later: it continues where it stopped.'

/** What the patience of a command comes to, for people. Times are ms from now. */
export type Outage =
  { kind: 'waiting'; error: AppError; nextTryMs: number; leftMs: number } | { kind: 'over'; afterMs: number } | { kind: 'given-up' }

export interface PatienceOptions {
  sleep: Sleep
  random: () => number
  /** Monotonic ms. */
  now: () => number
  /** Instead of ten minutes. */
  longestMs?: number
  onOutage?: (outage: Outage) => void
  /** Called before each wait. */
  onRetry?: (error: AppError, delayMs: number) => void
}

/** When calls began to fail, for each limit (ms) that their failures have. */
type Failing = Map<number, number>

/**
 * Repeats calls that are `throttled` or `unavailable`, with exponential backoff and full jitter, and at least as late
 * as the other side asks for. All calls of a command share one instance. A limit is a time, not a number of tries. It
 * counts from the first failure since the last success: of that call, and of all calls together. So calls that begin
 * late in an outage do not prolong it, and one call that always fails ends although others succeed.
 */
export class Patience {
  private readonly options: PatienceOptions
  private readonly longestMs: number
  private readonly failing: Failing = new Map()
  /** When the waits that are under way end. */
  private readonly waits = new Set<{ endsAt: number }>()
  private longestWaitMs = LONGEST_WAIT_MS
  private nap = new AbortController()
  /** Whether the other side has ever answered. */
  private answered = false
  /** Since when there is an outage that was told. */
  private toldSince: number | undefined

  constructor(options: PatienceOptions) {
    this.options = options
    this.longestMs = options.longestMs ?? LONG_MS
  }

  /** Repeats a call until it succeeds, fails for good, or the patience ends. */
  async persist<T>(signal: AbortSignal | undefined, call: () => Promise<T>): Promise<T> {
    const tries = this.tries()
    for (;;) {
      throwIfAborted(signal)
      try {
        const result = await call()
        tries.succeeded()
        return result
      } catch (error) {
        await tries.failed(error, signal)
      }
    }
  }

  /** For a call that keeps what it has reached when it fails. */
  tries(): Tries {
    let failures = 0
    const failing: Failing = new Map()
    return {
      succeeded: () => {
        failures = 0
        failing.clear()
        this.succeeded()
      },
      failed: (error, signal) => this.wait(error, ++failures, failing, signal),
    }
  }

  /** Ends all waits. Those that follow are short, but for what the other side asks for. */
  hurry(): void {
    this.longestWaitMs = HURRIED_WAIT_MS
    this.wake()
  }

  private wake(): void {
    this.nap.abort()
    this.nap = new AbortController()
  }

  private succeeded(): void {
    this.answered = true
    this.failing.clear()
    if (this.toldSince === undefined) return
    this.options.onOutage?.({ kind: 'over', afterMs: this.options.now() - this.toldSince })
    this.toldSince = undefined
    // what helped one call helps the others
    this.wake()
  }

  private async wait(error: unknown, failures: number, failing: Failing, signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal)
    if (!isAppError(error, 'throttled', 'unavailable') || error.repeat === 'never') throw error
    const { random, now } = this.options
    const limit = this.limitOf(error)
    forgetBelow(this.failing, limit)
    forgetBelow(failing, limit)
    const outage = sinceIn(this.failing, limit, now())
    const began = Math.min(outage, sinceIn(failing, limit, now()))
    const left = began + limit - now()
    const asked = error.retryAfterMs ?? 0
    if (left <= 0 || asked > left) {
      if (this.toldSince !== undefined) this.options.onOutage?.({ kind: 'given-up' })
      this.toldSince = undefined
      throw givenUp(error, now() - began)
    }
    const bound = Math.min(this.longestWaitMs, FIRST_WAIT_MS * 2 ** (failures - 1))
    await this.sleep(error, Math.min(left, asked + random() * bound), left, outage, signal)
  }

  private limitOf(error: AppError): number {
    const { repeat } = error
    const long = error.code === 'throttled' || repeat === 'long'
    if (long) this.answered = true
    return Math.min(this.longestMs, long || (repeat === 'if-answered' && this.answered) ? LONG_MS : BRIEF_MS)
  }

  private async sleep(error: AppError, ms: number, leftMs: number, since: number, signal: AbortSignal | undefined): Promise<void> {
    const { sleep, now, onOutage, onRetry } = this.options
    onRetry?.(error, ms)
    const wait = { endsAt: now() + ms }
    this.waits.add(wait)
    const next = Math.min(...[...this.waits].map(({ endsAt }) => endsAt))
    if (this.toldSince !== undefined || next - since >= TOLD_FROM_MS) {
      this.toldSince ??= since
      onOutage?.({ kind: 'waiting', error, nextTryMs: next - now(), leftMs })
    }
    const nap = this.nap.signal
    try {
      await sleep(ms, signal ? AbortSignal.any([signal, nap]) : nap)
    } catch (interrupted) {
      throwIfAborted(signal)
      if (!nap.aborted) throw interrupted
    } finally {
      this.waits.delete(wait)
    }
  }
}

export interface Tries {
  /** There is progress: the limits count anew. */
  succeeded(): void
  /** Waits before the next try. Throws what is not to be repeated, or not any longer. */
  failed(error: unknown, signal: AbortSignal | undefined): Promise<void>
}

/** What passes with time takes nothing from the shorter limits of other failures. */
function forgetBelow(failing: Failing, limit: number): void {
  for (const other of failing.keys()) if (other < limit) failing.delete(other)
}

function sinceIn(failing: Failing, limit: number, now: number): number {
  const since = failing.get(limit) ?? now
  failing.set(limit, since)
  return since
}

function givenUp(error: AppError, triedMs: number): AppError {
  const { message, code, retryAfterMs } = error
  const tried = triedMs < 1000 ? '' : ` It was tried for ${inWords(triedMs)}.`
  return new AppError(code, `${asSentence(message)}${tried}`, {
    // nothing but Drive asks for a wait
    hint:
      retryAfterMs === undefined
        ? (error.hint ?? AGAIN)
        : `Drive asks to wait ${inWords(retryAfterMs)}, until ${clockIn(retryAfterMs)}: run the same command again then, it continues where it stopped.`,
    cause: error,
    repeat: 'never',
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  })
}

const TODAY_MS = 12 * 3_600_000

/** `14:32`, or with the day where it may not be clear: `2026-11-20 14:32`. */
function clockIn(ms: number): string {
  const at = new Date(Date.now() + ms)
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${ms < TODAY_MS ? '' : `${day} `}${at.toTimeString().slice(0, 5)}`
}

/** `40 s`, `10 min`, `1 h 20 min` */
function inWords(ms: number): string {
  if (ms < 90_000) return `${Math.round(ms / 1000)} s`
  const minutes = Math.round(ms / 60_000)
  if (minutes < 60) return `${minutes} min`
  return `${Math.floor(minutes / 60)} h${minutes % 60 === 0 ? '' : ` ${minutes % 60} min`}`
}
