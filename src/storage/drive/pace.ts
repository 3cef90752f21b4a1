import type { Sleep } from '../../util/waiting.ts'

const FIRST_SPACING_MS = 100
/** Each call that is refused waits by itself too, so that more would only slow down what comes after a storm. */
const MAX_SPACING_MS = 1_000
/** The longest time that one answer delays other calls: each of them learns by itself what Drive asks of it. */
const MAX_HELD_MS = 32_000
const SLOWING = 1.5
const RECOVERY = 0.95
const NEGLIGIBLE_MS = 10

/**
 * Paces all calls to one Drive. Calls are not delayed until Drive says "too fast". Then they are spaced out, more with
 * each such response, and less again with each success. Everything that uses one account shares one instance.
 */
export class Pace {
  private spacing = 0
  private nextAt = 0
  /** Time of the last slowdown. */
  private slowedAt = -Infinity
  private readonly sleep: Sleep
  private readonly now: () => number

  /** `now`: monotonic ms. */
  constructor(sleep: Sleep, now: () => number) {
    this.sleep = sleep
    this.now = now
  }

  /** Resolves when the next call may begin, with the time of that moment. */
  async turn(signal?: AbortSignal): Promise<number> {
    const now = this.now()
    const at = Math.max(now, this.nextAt)
    if (this.spacing > 0) this.nextAt = at + this.spacing
    if (at > now) await this.sleep(at - now, signal)
    return at
  }

  /**
   * Reports "too fast" for a call that began at `begun`. Several calls that ran at the same time slow the pace only
   * once.
   */
  throttled(begun: number, retryAfterMs = 0): void {
    if (begun > this.slowedAt) {
      this.spacing = Math.min(MAX_SPACING_MS, Math.max(FIRST_SPACING_MS, this.spacing * SLOWING))
      this.slowedAt = this.now()
    }
    this.nextAt = Math.max(this.nextAt, this.now() + Math.max(this.spacing, Math.min(MAX_HELD_MS, retryAfterMs)))
  }

  succeeded(): void {
    this.spacing = this.spacing < NEGLIGIBLE_MS ? 0 : this.spacing * RECOVERY
  }
}
