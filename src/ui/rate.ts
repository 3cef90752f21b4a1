/** A report may be this late (ms) before its absence counts as a pause. */
const PATIENCE_MS = 3_000

/**
 * Bytes per second, averaged over about the last `windowMs`: a byte's weight decays exponentially with its age. Spreads
 * the bytes of a report evenly over the time since the last report, so bursts and irregular reports need no special
 * handling.
 */
export class RateMeter {
  private readonly windowMs: number
  private readonly started: number
  private at: number
  private weighted = 0

  constructor(windowMs: number, now: number) {
    this.windowMs = windowMs
    this.started = now
    this.at = now
  }

  add(now: number, bytes: number): void {
    const windows = (now - this.at) / this.windowMs
    const fade = Math.exp(-windows)
    this.weighted = this.weighted * fade + bytes * (windows > 0 ? (1 - fade) / windows : 1)
    this.at = now
  }

  /** Undefined in the first half second, when a single report would dominate. */
  rate(now: number): number | undefined {
    if (now - this.started < 500) return undefined
    const until = Math.max(this.at, now - PATIENCE_MS)
    const faded = this.weighted * Math.exp((this.at - until) / this.windowMs)
    const weights = (this.windowMs / 1000) * (1 - Math.exp((this.started - until) / this.windowMs))
    return weights > 0 ? faded / weights : 0
  }
}

const FOLLOW_MS = 8_000
const QUICKEST_FOLLOW_MS = 500

/**
 * Counts down to an estimated end. A new estimate moves that end gradually, so that the time left does not jump or
 * flicker. Near the end it moves faster, so that the countdown ends with the work.
 */
export class Countdown {
  private end: number | undefined
  private at = 0

  /** Milliseconds left to show, given the latest estimate. */
  left(now: number, estimateMs: number): number {
    const estimatedEnd = now + estimateMs
    const followMs = Math.min(FOLLOW_MS, Math.max(QUICKEST_FOLLOW_MS, estimateMs / 2))
    const step = this.end === undefined ? 1 : 1 - Math.exp((this.at - now) / followMs)
    this.end = this.end === undefined ? estimatedEnd : this.end + (estimatedEnd - this.end) * step
    this.at = now
    return Math.max(0, this.end - now)
  }
}
