import type { BasePolicy } from '../bases/base-finder.ts'
import type { RetentionPolicy } from '../versions/retention.ts'

/** With fewer versions, the bases that only the oldest one needs take more than the others save. */
const MIN_VERSIONS = 3

/**
 * Which tensors a push may store as differences if older versions are forgotten after it; undefined if none. The last n
 * versions never take more than without differences, also if nothing is encoded anew.
 */
export function basesUnderRules({ last = 0 }: RetentionPolicy): Pick<BasePolicy, 'minSavedShare'> | undefined {
  return last < MIN_VERSIONS ? undefined : { minSavedShare: depth => 1 - largestShare(last, depth) }
}

/**
 * How much of a whole tensor a difference may take if a whole one comes before each `depth` differences. At worst, the
 * oldest of the last n versions is the last difference of its row: it needs the whole tensor and `depth` differences.
 * The n - 1 others are rows from their whole tensors on. Together these are at most n whole tensors.
 */
function largestShare(last: number, depth: number): number {
  const whole = Math.ceil((last - 1) / (depth + 1))
  const differences = last - 1 - whole
  return differences / (depth + differences)
}
