/** Version of the repository format that this program reads and writes (docs/format.md). */
export const FORMAT = 1

const MiB = 1024 * 1024
const MINUTE = 60_000

/** Plain bytes in a block, at most: the portable zstd codec decodes 4 MiB made at any level, and fails at 6 MiB. */
export const MAX_BLOCK_BYTES = 4 * MiB
/** Chunks in a block, at most: bounds what a decoder has to hold for one block. */
export const MAX_BLOCK_CHUNKS = 65_536
/** Length of the longest chain of bases under a chunk. */
export const MAX_DEPTH = 8

export const MAX_INDEX_BYTES = 16 * MiB

/** How large a writer makes packs, how many of them it uploads at a time, and how often it indexes them. */
export interface PackPolicy {
  /** Bytes of a writer's first packs, and of the largest. A block that is larger gets a pack of its own. */
  firstBytes: number
  bytes: number
  /** A pack may take this share of what the writer has packed before, within these bounds. */
  share: number
  /** A pack that is filled to this share of its size is uploaded without waiting for more. */
  fullFrom: number
  /** A pack with this many chunks is closed, however few bytes they take. */
  maxChunks: number
  /** Bytes of packs that are being uploaded at the same time, at most. */
  uploadBytesInFlight: number
  /** A long push indexes what it has stored after this many bytes or ms, so that an interrupted push can be resumed. */
  indexEveryBytes: number
  indexEveryMs: number
}

/**
 * The first packs are small: uploading begins early, the last one takes little time, and on Drive each is one request.
 * Stores create few objects a second, so later packs are larger. The directory of a pack, some 35 bytes a chunk, must
 * fit into one index. Three large packs in flight hide the time that Drive takes to answer.
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

/** Chunk ids in one manifest row, at most; a longer file continues in `part` rows. */
export const CHUNKS_PER_ROW = 1024
