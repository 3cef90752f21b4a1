import type { StoredSnapshot } from '../../format/snapshot.ts'

/** Values of `Reachability.flags`. */
export const UNREACHED = 0

export const LATE_ONLY = 1

export const COMMITTED = 2

/** Which chunks versions reach. */
export interface Reachability {
  /** By the entry of a chunk's first copy. */
  flags: Uint8Array
  /** Late snapshots that lack something: they count for nothing, and what is left of them is kept all the same. */
  incomplete: StoredSnapshot[]
}
