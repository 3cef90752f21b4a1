import { GRACE_MS, LISTING_LAG_MS } from '../format/limits.ts'

/** How long deletions wait for other processes that may be running. */
export interface GracePeriods {
  /** G: how old a tomb has to be before its packs may go, and an index or a marker before what it replaces may go. */
  graceMs: number
  /** L: until every listing shows an object that was made, and none shows an object that was deleted. */
  lagMs: number
  /**
   * How long packs that no version needs are spared: a push under way would have to send them again. Saves work only.
   */
  orphanMs: number
}

export const SAFE_GRACE_PERIODS: GracePeriods = { graceMs: GRACE_MS, lagMs: LISTING_LAG_MS, orphanMs: 24 * 60 * 60 * 1000 }

/**
 * Drive gives times in whole seconds, and the clocks of its servers differ slightly. So a new object may seem to be
 * newer than a listing that shows it.
 */
const CLOCK_MS = 60 * 1000

/** For users who say that nothing else is running or has just ended: everything that a listing shows is old enough. */
export const NO_GRACE_PERIODS: GracePeriods = { graceMs: -CLOCK_MS, lagMs: -CLOCK_MS, orphanMs: -CLOCK_MS }

/**
 * After this, a late snapshot that lacks something belongs to no push any more: its pusher has made another (rule 5).
 */
export const LATE_MS = 24 * 60 * 60 * 1000

/** An upload that has not ended after this never will: Drive drops uploads after a week. */
export const UPLOAD_MS = 8 * 24 * 60 * 60 * 1000
