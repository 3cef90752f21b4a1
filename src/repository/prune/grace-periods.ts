import { GRACE_MS, LISTING_LAG_MS } from '../format/limits.ts'

/** How long what deletes has to wait for what else may be going on. */
export interface GracePeriods {
  /** G: from a tomb to the listing that its packs may go by; from an index or a marker to what it makes superfluous. */
  graceMs: number
  /** L: until every listing shows what was made, and no listing shows what was deleted. */
  lagMs: number
  /** What no version refers to yet may belong to a push under way, which would have to send it again. This saves work, it is not for safety. */
  orphanMs: number
}

export const SAFE_GRACE_PERIODS: GracePeriods = { graceMs: GRACE_MS, lagMs: LISTING_LAG_MS, orphanMs: 24 * 60 * 60 * 1000 }

/** Drive tells the time in whole seconds, and its servers need not quite agree on it: what was made a moment ago may seem to come after a listing that shows it. */
const CLOCK_MS = 60 * 1000

/** For somebody who says that nothing else is running, and nothing has ended a moment ago: all that a listing shows is old enough. */
export const NO_GRACE_PERIODS: GracePeriods = { graceMs: -CLOCK_MS, lagMs: -CLOCK_MS, orphanMs: -CLOCK_MS }

/** Late snapshots that lack something are nobody's after this: their pushers have long made others (rule 5). */
export const LATE_MS = 24 * 60 * 60 * 1000

/** An upload that has not ended after this never will: Drive gives one up after a week. */
export const UPLOAD_MS = 8 * 24 * 60 * 60 * 1000
