import { GRACE_MS, LISTING_LAG_MS } from '../format/limits.ts'

/** How long deletions wait, because other processes may be running. */
export interface GracePeriods {
  /** G: how old a tomb, an index or a marker must be before the objects that it makes superfluous may be deleted. */
  graceMs: number
  /** L: how long a listing may lag behind a creation or a deletion. */
  lagMs: number
  /** How long packs that no version needs are spared, so that a push under way need not store their chunks again. */
  orphanMs: number
}

export const SAFE_GRACE_PERIODS: GracePeriods = { graceMs: GRACE_MS, lagMs: LISTING_LAG_MS, orphanMs: 24 * 60 * 60 * 1000 }

/**
 * Drive gives times in whole seconds, and the clocks of its servers differ slightly. So an object may seem to be newer
 * than a listing that shows it.
 */
const CLOCK_MS = 60 * 1000

/** For `--now`, when nothing else is running: every listed object is old enough. */
export const NO_GRACE_PERIODS: GracePeriods = { graceMs: -CLOCK_MS, lagMs: -CLOCK_MS, orphanMs: -CLOCK_MS }

/** No upload takes longer than this: Drive drops uploads after a week. */
export const UPLOAD_MS = 8 * 24 * 60 * 60 * 1000
