/** The largest block, in plain bytes: what every zstd codec can decode at any level. Part of the format. */
export const MAX_BLOCK_BYTES = 4 * 1024 * 1024

/** How much longer than its plain bytes a stored block or part may be, at most. Part of the format. */
export const MAX_STORED_EXCESS = 64

/** The trade of time for space, as on the command line; not part of the format. */
export type Level = 'fast' | 'balanced' | 'max'
