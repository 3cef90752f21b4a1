/** Version of the repository format that this program reads and writes (docs/format.md). */
export const FORMAT = 1

const MiB = 1024 * 1024
const MINUTE = 60_000

/** Plain bytes in a block, at most: the portable zstd codec decodes 4 MiB made at any level, and fails at 6. */
export const MAX_BLOCK_BYTES = 4 * MiB
/** Chunks in a block, at most: bounds what a decoder has to hold for one block. */
export const MAX_BLOCK_CHUNKS = 65_536
/** Longest chain of bases under a chunk. */
export const MAX_DEPTH = 8

/**
 * A push's first packs are small: uploading begins early, the last one takes little time, and on Drive each is one request. Stores create few objects a second,
 * so later packs are larger: of `PACK_SHARE` of what the push has stored before, up to `PACK_BYTES`.
 */
export const FIRST_PACK_BYTES = 4 * MiB
export const PACK_SHARE = 1 / 2
export const PACK_BYTES = 20 * MiB
/** A pack that is filled to this share of its size goes up without waiting for more. */
export const PACK_FULL_FROM = 3 / 4
/** A pack with so many chunks is closed however few bytes they take: so its directory, some 35 bytes a chunk, fits one index. */
export const MAX_PACK_CHUNKS = 256 * 1024
/** Bytes of packs being uploaded at one time, at most: three large ones, so that Drive's answers are not waited for. */
export const UPLOAD_BYTES_IN_FLIGHT = 60 * MiB

/** While a long push runs, what it has stored so far is indexed this often, so that an interrupted push goes on where it was. */
export const INDEX_EVERY_BYTES = 64 * MiB
export const INDEX_EVERY_MS = 30_000
export const MAX_INDEX_BYTES = 16 * MiB

/** G, D and L of docs/format.md, "Deleting without locks". Safety needs D + 2 L < G. */
export const GRACE_MS = 60 * MINUTE
export const COMMIT_WINDOW_MS = GRACE_MS / 3
export const LISTING_LAG_MS = 19 * MINUTE

/** Chunk ids in one manifest row, at most; a longer file goes on in `part` rows. */
export const CHUNKS_PER_ROW = 1024
