/*
 * When a folder is worth saving: which files changed, which are finished, what metrics they tell. Saving itself is
 * done by whoever is called back.
 */

import { AppError, errnoOf, isAppError, messageOf, throwIfAborted } from '../../util/errors.ts'
import type { Sleep } from '../../util/waiting.ts'
import type { PushResult } from '../push/push.ts'
import type { Scan, Scanner } from './scanner.ts'

export type WatchEvent =
  | { kind: 'pushed'; result: PushResult; scan: Scan }
  /** Told once for as long as it lasts. */
  | { kind: 'trouble'; error: AppError }
  | { kind: 'recovered'; afterMs: number }
  | { kind: 'stopping'; why: StopReason }
  /** After every look, so that a status can be shown. */
  | { kind: 'looked'; scan: Scan }

export type StopReason = 'signal' | 'process-ended'

export interface WatcherOptions {
  scanner: Scanner
  /** Makes a version of what a scan found. */
  push: (scan: Scan) => Promise<PushResult>
  /** The least time between two versions, ms. */
  everyMs: number
  settleMs: number
  /** How long it may take to end after `stop`, ms. */
  graceMs: number
  /** Tells that the process is gone whose files these are. */
  hasEnded?: (() => boolean) | undefined
  /** To end after a last version. */
  stop: AbortSignal
  /** Aborted when `graceMs` are over, or by somebody else to end at once; what is under way then ends with `interrupted`. */
  abort: AbortController
  monotonic: () => number
  random: () => number
  sleep: Sleep
  onEvent: (event: WatchEvent) => void
}

/** Between two looks, ms: often enough for the time that files settle, and never more than this share of the time is spent with looking. */
const LEAST_PAUSE_MS = 100
const MOST_PAUSE_MS = 5_000
const LOOKING_SHARE = 0.05

/** How long a last version waits for a source that can't be looked at, as when a mount is being restored. */
const SOURCE_PATIENCE_MS = 10 * 60_000

const FIRST_WAIT_MS = 5_000
const LONGEST_WAIT_MS = 5 * 60_000
/** `setTimeout` takes a longer time for none. */
const LONGEST_TIMER_MS = 2 ** 31 - 1

/**
 * Makes versions of a source as files in it are finished, one at a time. Whatever keeps a version from being made is told once and tried again for as long as it
 * takes: what watches over a training of days has nobody beside it. Ends with a last version.
 */
export class Watcher {
  private readonly options: WatcherOptions
  /** Stop or abort: ends a pause. */
  private readonly either: AbortSignal
  private nextPush = -Infinity
  private failures = 0
  private trouble: { since: number; code: string } | undefined
  private readonly leastPauseMs: number
  private pauseMs: number
  /** How long the look before took. */
  private lookMs = 0

  constructor(options: WatcherOptions) {
    this.options = options
    this.either = AbortSignal.any([options.stop, options.abort.signal])
    this.leastPauseMs = Math.min(MOST_PAUSE_MS, Math.max(LEAST_PAUSE_MS, options.settleMs / 3))
    this.pauseMs = this.leastPauseMs
  }

  /** The last look at the source. Errors: `interrupted` when it was aborted. */
  async run(): Promise<Scan | undefined> {
    const { stop, abort, graceMs, monotonic, onEvent } = this.options
    let graceTimer: NodeJS.Timeout | undefined
    const onStop = (): void => void (graceTimer = setTimeout(() => abort.abort(), Math.min(graceMs, LONGEST_TIMER_MS)))
    if (stop.aborted) onStop()
    else stop.addEventListener('abort', onStop, { once: true })
    try {
      for (;;) {
        throwIfAborted(abort.signal)
        const why = this.reasonToStop()
        if (why !== undefined) {
          onEvent({ kind: 'stopping', why })
          return await this.finish()
        }
        const scan = await this.look()
        if (scan && scan.fresh.length > 0 && monotonic() >= this.nextPush) await this.push(scan)
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

  /** Waits until what is being written is finished, if it is soon, and makes a last version. */
  private async finish(): Promise<Scan | undefined> {
    const { settleMs, graceMs, stop, monotonic } = this.options
    const until = monotonic() + (stop.aborted ? Math.min(2 * settleMs, graceMs / 2) : 2 * settleMs)
    let scan = await this.look()
    while (monotonic() < until && (scan === undefined || isBusy(scan))) {
      await this.pause(this.pauseMs)
      scan = await this.look()
    }
    const giveUp = monotonic() + (stop.aborted ? 0 : SOURCE_PATIENCE_MS)
    while (scan === undefined ? monotonic() < giveUp : scan.fresh.length + scan.grown.length > 0) {
      if (scan && (await this.push(scan))) break
      await this.pause(Math.max(this.pauseMs, this.nextPush - monotonic()))
      scan = await this.look()
    }
    return scan
  }

  /** Undefined when the source can't be looked at now. */
  private async look(): Promise<Scan | undefined> {
    const { scanner, monotonic, onEvent } = this.options
    const began = monotonic()
    try {
      const scan = await scanner.scan()
      if (this.trouble?.code === SOURCE) this.recover()
      const tookMs = monotonic() - began
      // of two, the quicker: a single slow look, as when the machine is busy for a moment, slows nothing down
      this.pauseMs = Math.max(this.leastPauseMs, Math.min(60_000, Math.min(tookMs, this.lookMs) / LOOKING_SHARE))
      this.lookMs = tookMs
      onEvent({ kind: 'looked', scan })
      return scan
    } catch (error) {
      this.fail(error, SOURCE)
      return undefined
    }
  }

  /** True when nothing of the scan is left to be saved. */
  private async push(scan: Scan): Promise<boolean> {
    const { scanner, push, everyMs, monotonic, onEvent } = this.options
    const began = monotonic()
    try {
      const result = await push(scan)
      if (result.outcome === 'moved') {
        scanner.markUnreadable(scan, result.unreadable ?? [])
        return false
      }
      scanner.markSaved(scan)
      this.recover()
      this.nextPush = began + everyMs
      onEvent({ kind: 'pushed', result, scan })
      return true
    } catch (error) {
      this.fail(error)
      const wait = Math.min(LONGEST_WAIT_MS, Math.min(FIRST_WAIT_MS, everyMs) * 2 ** this.failures++)
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
      await sleep(ms, stop.aborted ? abort.signal : this.either)
    } catch (error) {
      throwIfAborted(abort.signal)
      if (!isAppError(error, 'interrupted')) throw error
    }
  }
}

/** Trouble with the source itself, not with the store. */
const SOURCE = 'source'

const isBusy = ({ held }: Scan): boolean => [...held.values()].some(({ kind }) => kind === 'changing')
