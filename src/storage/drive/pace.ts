import type { Sleep } from '../waiting.ts'

const FIRST_SPACING_MS = 100
const MAX_SPACING_MS = 8_000
const RECOVERY = 0.85
const NEGLIGIBLE_MS = 10

/**
 * The pace of all calls to one Drive: free until Drive says "too fast", then spaced out (twice as far with each such answer) and quicker again with each success. One
 * instance is shared by everything that talks to one account.
 */
export class Pace {
  private spacing = 0
  private nextAt = 0
  private readonly sleep: Sleep
  private readonly now: () => number

  /** `now`: ms that only ever grow. */
  constructor(sleep: Sleep, now: () => number) {
    this.sleep = sleep
    this.now = now
  }

  /** Resolves when the next call may begin. */
  async turn(signal?: AbortSignal): Promise<void> {
    const now = this.now()
    const at = Math.max(now, this.nextAt)
    if (this.spacing > 0) this.nextAt = at + this.spacing
    if (at > now) await this.sleep(at - now, signal)
  }

  throttled(retryAfterMs = 0): void {
    this.spacing = Math.min(MAX_SPACING_MS, Math.max(FIRST_SPACING_MS, this.spacing * 2))
    this.nextAt = Math.max(this.nextAt, this.now() + Math.max(this.spacing, retryAfterMs))
  }

  succeeded(): void {
    this.spacing = this.spacing < NEGLIGIBLE_MS ? 0 : this.spacing * RECOVERY
  }
}
