/** Largest block, in plain bytes: what the portable zstd codec can decode at any level. Part of the format. */
export const MAX_BLOCK_BYTES = 4 * 1024 * 1024

/** A stored block or part exceeds its plain bytes by no more than this. Part of the format. */
export const MAX_STORED_EXCESS = 64

/** How a person trades time for space; part of the command line, not of the format. */
export type Level = 'fast' | 'balanced' | 'max'
