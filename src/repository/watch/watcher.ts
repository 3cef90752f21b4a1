/*
 * Decides when to save a folder: finds the files that changed, the finished ones among them, and their metrics. The
 * caller's `push` saves it.
 */

import { AppError, errnoOf, isAppError, messageOf, throwIfAborted } from '../../util/errors.ts'
import type { Sleep } from '../../util/waiting.ts'
import type { PushResult } from '../push/push.ts'
import type { Scan, Scanner } from './scanner.ts'

export type WatchEvent =
  | { kind: 'pushed'; result: PushResult; scan: Scan }
  /** Called once, however often the same failure is repeated. */
  | { kind: 'trouble'; error: AppError }
  | { kind: 'recovered'; afterMs: number }
  | { kind: 'stopping'; why: StopReason }
  /** Called after every scan, with the ms until the next one, and until the next version may be made. */
  | { kind: 'looked'; scan: Scan; nextLookMs: number; nextPushMs: number }

export type StopReason = 'signal' | 'process-ended'

export interface WatcherOptions {
  scanner: Scanner
  /** Makes a version of a scan. */
  push: (scan: Scan) => Promise<PushResult>
  /** Time between two versions, at least, ms. */
  everyMs: number
  settleMs: number
  /** Time to end after `stop`, at most, ms. */
  graceMs: number
  /** True if the process that writes the files has ended. */
  hasEnded?: (() => boolean) | undefined
  /** When aborted, the watch ends after a last version. */
  stop: AbortSignal
  /**
   * Aborted when `graceMs` are over, or by the caller to end at once. A push under way then fails with `interrupted`.
   */
  abort: AbortController
  monotonic: () => number
  random: () => number
  sleep: Sleep
  onEvent: (event: WatchEvent) => void
}

/**
 * The pause between two scans, ms: short enough for the time in which files settle, and long enough that scans take no
 * more than this share of the time.
 */
const MIN_PAUSE_MS = 100
const MAX_PAUSE_MS = 5_000
const SCAN_SHARE = 0.05

/** How long a last version waits for a source that can't be scanned, for example while a mount is being restored. */
const SOURCE_WAIT_MS = 10 * 60_000

/** Backoff after a failed push. */
const FIRST_WAIT_MS = 5_000
const MAX_WAIT_MS = 5 * 60_000
/** The same after `stop`: a last version has only `graceMs`. */
const HURRIED_WAIT_MS = 2_000
/** `setTimeout` fires at once for a longer time. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * Makes a version of a source whenever files in it are finished, one at a time, and a last one at the end. Reports a
 * failure once and retries until it succeeds, because nobody attends a training that runs for days.
 */
export class Watcher {
  private readonly options: WatcherOptions
  /** Aborted by `stop` or `abort`, to end a pause. */
  private readonly stopOrAbort: AbortSignal
  private nextPush = -Infinity
  /** When a last version must be made, by the monotonic clock, ms. */
  private graceEnds = Infinity
  private failures = 0
  private trouble: { since: number; code: string } | undefined
  private readonly leastPauseMs: number
  private pauseMs: number
  /** How long the previous scan took, ms. */
  private scanMs = 0

  constructor(options: WatcherOptions) {
    this.options = options
    this.stopOrAbort = AbortSignal.any([options.stop, options.abort.signal])
    this.leastPauseMs = Math.min(MAX_PAUSE_MS, Math.max(MIN_PAUSE_MS, options.settleMs / 3))
    this.pauseMs = this.leastPauseMs
  }

  /** Resolves with the last scan. Throws `interrupted` if it was aborted. */
  async run(): Promise<Scan | undefined> {
    const { stop, abort, graceMs, monotonic, onEvent } = this.options
    let graceTimer: NodeJS.Timeout | undefined
    const onStop = (): void => {
      this.graceEnds = monotonic() + graceMs
      graceTimer = setTimeout(() => abort.abort(), Math.min(graceMs, MAX_TIMER_MS))
      // also while a push is under way, which may have to wait for the store
      onEvent({ kind: 'stopping', why: 'signal' })
    }
    if (stop.aborted) onStop()
    else stop.addEventListener('abort', onStop, { once: true })
    try {
      for (;;) {
        throwIfAborted(abort.signal)
        const why = this.reasonToStop()
        if (why !== undefined) {
          if (why !== 'signal') onEvent({ kind: 'stopping', why })
          return await this.finish()
        }
        const scan = await this.scan()
        if (scan && scan.fresh.length > 0 && !scan.isShrinking && monotonic() >= this.nextPush) await this.push(scan)
        await this.pause(this.pauseMs)
      }
    } finally {
      clearTimeout(graceTimer)
      stop.removeEventListener('abort', onStop)
    }
  }

  private reasonToStop(): StopReason | undefined {
    if (this.options.stop.aborted) return 'signal'
    return this.options.hasEnded?.() === true ? 'process-ended' : undefined
  }

  /** Waits for files that are being written, within `graceMs`, and makes a last version. */
  private async finish(): Promise<Scan | undefined> {
    const { settleMs, stop, monotonic } = this.options
    const look = (): Promise<Scan | undefined> => this.scan({ atOnce: true })
    let scan = await look()
    // counted from the first look on: only that tells since when a file has not changed
    const until = monotonic() + Math.min(2 * settleMs, (this.graceEnds - monotonic()) / 2 - this.scanMs)
    while (monotonic() < until && (scan === undefined || isBusy(scan))) {
      await this.pause(Math.min(this.leastPauseMs, until - monotonic()))
      scan = await look()
    }
    const giveUp = monotonic() + SOURCE_WAIT_MS
    while (scan === undefined ? !stop.aborted && monotonic() < giveUp : scan.fresh.length + scan.grown.length > 0) {
      if (scan && (await this.push(scan))) break
      await this.pause(Math.max(this.leastPauseMs, this.nextPush - monotonic()))
      scan = await look()
    }
    return scan
  }

  /** Scans the source. Undefined if it can't be scanned now. */
  private async scan(how: { atOnce?: boolean } = {}): Promise<Scan | undefined> {
    const { scanner, monotonic, onEvent } = this.options
    const began = monotonic()
    try {
      const scan = await scanner.scan(how)
      if (this.trouble?.code === SOURCE) this.recover()
      const tookMs = monotonic() - began
      // the faster of two scans counts, so that one slow scan on a busy machine does not delay the next
      this.pauseMs = Math.max(this.leastPauseMs, Math.min(60_000, Math.min(tookMs, this.scanMs) / SCAN_SHARE))
      this.scanMs = tookMs
      onEvent({ kind: 'looked', scan, nextLookMs: this.pauseMs, nextPushMs: Math.max(0, this.nextPush - monotonic()) })
      return scan
    } catch (error) {
      this.fail(error, SOURCE)
      return undefined
    }
  }

  /** Makes a version of a scan. True if all files of the scan are saved. */
  private async push(scan: Scan): Promise<boolean> {
    const { scanner, push, everyMs, stop, monotonic, onEvent } = this.options
    const began = monotonic()
    try {
      const result = await push(scan)
      if (result.outcome === 'moved') {
        scanner.markUnreadable(scan, result.unreadable ?? [])
        this.nextPush = monotonic()
        return false
      }
      scanner.markSaved(scan)
      this.recover()
      this.nextPush = began + everyMs
      onEvent({ kind: 'pushed', result, scan })
      return true
    } catch (error) {
      this.fail(error)
      const longest = stop.aborted ? HURRIED_WAIT_MS : MAX_WAIT_MS
      const wait = Math.min(longest, Math.min(FIRST_WAIT_MS, everyMs) * 2 ** this.failures++)
      const asked = isAppError(error) ? (error.retryAfterMs ?? 0) : 0
      this.nextPush = monotonic() + asked + wait * (0.5 + this.options.random() / 2)
      return false
    }
  }

  private fail(thrown: unknown, code?: string): void {
    throwIfAborted(this.options.abort.signal)
    if (!isAppError(thrown) && errnoOf(thrown) === undefined) throw thrown
    const error = isAppError(thrown) ? thrown : new AppError('io', messageOf(thrown), { cause: thrown })
    const known = code ?? error.code
    if (this.trouble?.code === known) return
    this.trouble = { since: this.trouble?.since ?? this.options.monotonic(), code: known }
    this.options.onEvent({ kind: 'trouble', error })
  }

  private recover(): void {
    this.failures = 0
    if (this.trouble === undefined) return
    this.options.onEvent({ kind: 'recovered', afterMs: this.options.monotonic() - this.trouble.since })
    this.trouble = undefined
  }

  private async pause(ms: number): Promise<void> {
    const { stop, abort, sleep } = this.options
    try {
      await sleep(ms, stop.aborted ? abort.signal : this.stopOrAbort)
    } catch (error) {
      throwIfAborted(abort.signal)
      if (!isAppError(error, 'interrupted')) throw error
    }
  }
}

/** The code of an error of the source, not of the store. */
const SOURCE = 'source'

const isBusy = ({ held, isShrinking }: Scan): boolean => isShrinking || [...held.values()].some(({ kind }) => kind === 'changing')
