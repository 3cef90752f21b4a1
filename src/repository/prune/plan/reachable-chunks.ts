/**
 * Values of `Reachability.flags`: no version reaches the chunk; only late versions do, which their pushes may still
 * replace; or a version does that counts.
 */
export const UNREACHABLE = 0
export const LATE_ONLY = 1
export const COMMITTED = 2

/** The chunks that versions reach. */
export interface Reachability {
  /** By the entry number of a chunk's first copy. */
  flags: Uint8Array
  /** True if a pending snapshot lacks chunks: they may be in a pack that can't be read. */
  lacksChunks?: true
}
