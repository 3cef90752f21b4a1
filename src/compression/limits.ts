/**
 * Plain bytes in a block, at most. The portable zstd codec decodes 4 MiB made at any level, and fails at 6 MiB. Part of
 * the format.
 */
export const MAX_BLOCK_BYTES = 4 * 1024 * 1024

/** How much longer than its plain bytes a stored block or part may be, at most. Part of the format. */
export const MAX_STORED_EXCESS = 64

/** The trade of time for space, as on the command line; not part of the format. */
export type Level = 'fast' | 'balanced' | 'max'
