/**
 * Plain bytes in a block, at most, but for long blocks. The portable zstd codec decodes 4 MiB made at any level, and
 * fails at 6 MiB. Part of the format.
 */
export const MAX_BLOCK_BYTES = 4 * 1024 * 1024

/** Plain bytes in a long block, at most: one without a filter, raw or with copies. Part of the format. */
export const MAX_LONG_BLOCK_BYTES = 16 * 1024 * 1024

/** Maximum bytes by which a stored block or part may exceed its plain bytes. Part of the format. */
export const MAX_STORED_EXCESS = 64

/** How hard to compress. Not part of the format. `high` is what a push may change to while it waits for a link. */
export type Level = 'fast' | 'balanced' | 'high' | 'max'

/** `auto`: `high` while a push waits for its link and the processors are idle, else `balanced`. */
export type LevelChoice = Level | 'auto'
