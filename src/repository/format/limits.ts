/** The number of the repository format that this program reads and writes (docs/format.md). */
export const FORMAT = 1

const MiB = 1024 * 1024
const MINUTE = 60_000

/** Chunks in a block, at most. It bounds the memory that a decoder needs for one block. */
export const MAX_BLOCK_CHUNKS = 65_536
/** Depth of a copy, at most. */
export const MAX_DEPTH = 8

export const MAX_INDEX_BYTES = 16 * MiB

/** How large a writer makes packs, how many of them it uploads at a time, and how often it indexes them. */
export interface PackPolicy {
  /** Bytes of a writer's first packs, and bytes of any pack, at most. A larger block gets a pack of its own. */
  firstBytes: number
  bytes: number
  /** The size of a pack, as a share of the bytes that the writer has packed before, within these bounds. */
  share: number
  /** A pack that is filled to this share of its size is uploaded without waiting for more. */
  fullFrom: number
  /** A pack with this many chunks is closed, however few bytes they take. */
  maxChunks: number
  /** Bytes of packs that are being uploaded at the same time, at most. */
  uploadBytesInFlight: number
  /** A push writes an index after this many bytes or ms, so that the next push can continue an interrupted one. */
  indexEveryBytes: number
  indexEveryMs: number
}

/**
 * The first packs are small, so that uploading begins early and ends soon, and on Drive each is one request. Stores
 * create few objects a second, so later packs are larger. A directory takes some 35 bytes a chunk and must fit into one
 * index. Three large packs in flight hide the time that Drive takes to answer.
 */
export const PACK_POLICY: PackPolicy = {
  firstBytes: 4 * MiB,
  bytes: 20 * MiB,
  share: 1 / 2,
  fullFrom: 3 / 4,
  maxChunks: 256 * 1024,
  uploadBytesInFlight: 60 * MiB,
  indexEveryBytes: 64 * MiB,
  indexEveryMs: 30_000,
}

/** G, D and L of docs/format.md, "Deleting without locks". Safety needs D + 2 L < G. */
export const GRACE_MS = 60 * MINUTE
export const COMMIT_WINDOW_MS = GRACE_MS / 3
export const LISTING_LAG_MS = 19 * MINUTE

/** Chunk ids in one manifest row, at most. A longer file continues in part rows. */
export const CHUNKS_PER_ROW = 1024
