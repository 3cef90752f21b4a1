import type { StoredSnapshot } from '../../format/snapshot.ts'

/** Values of `Reachability.flags`: no version reaches the chunk, only late versions do, or a committed version does. */
export const UNREACHABLE = 0
export const LATE_ONLY = 1
export const COMMITTED = 2

/** The chunks that versions reach. */
export interface Reachability {
  /** By the entry number of a chunk's first copy. */
  flags: Uint8Array
  /** Late snapshots that lack chunks. They are not versions, but the chunks that they have are kept. */
  incomplete: StoredSnapshot[]
}
