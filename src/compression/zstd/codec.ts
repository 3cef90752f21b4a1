/*
 * zstd, one frame at a time: what a codec is, the codec of Node.js itself, and what a frame looks like (RFC 8878). It
 * knows no blocks and does not choose between codecs.
 */

/** `native` is node:zlib's (Node 22.15 and later), `portable` is WebAssembly. Each reads what the other writes. */
export type ZstdName = 'native' | 'portable'

/**
 * What the encoder looks for: everything its level does (the default), or long repeats alone. The latter is smaller and
 * faster where bytes are skewed but short matches are chance, as in the exponents of floats.
 */
type ZstdSearch = 'all' | 'long'

/** The most plain bytes of a frame: what the portable codec can decode at any level. */
export const MAX_PLAIN_BYTES = 4 * 1024 * 1024

/**
 * zstd for single blocks: each call makes or reads exactly one frame that states its content size. Frames are made
 * without a checksum. Prints nothing.
 */
export interface ZstdCodec {
  readonly name: ZstdName
  /** The zstd level of each level of the command line. */
  readonly levels: Readonly<Record<'fast' | 'balanced' | 'max', number>>
  /** The searches that it knows, the likeliest to win first. */
  readonly searches: readonly ZstdSearch[]
  /** The most plain bytes that `compress` takes at a zstd level; 0 for a level that it does not have. */
  maxPlainBytes(zstdLevel: number): number
  /** `plain` has 1 to `maxPlainBytes(zstdLevel)` bytes, else RangeError. Throws AppError `io` if the encoder fails. */
  compress(plain: Uint8Array, zstdLevel: number, search?: ZstdSearch): Uint8Array
  /**
   * Exactly `plainLength` (1 to `MAX_PLAIN_BYTES`) bytes of a frame made at any level, or AppError `corrupt`. Allocates
   * no more than `plainLength` + 64 bytes for the result.
   */
  decompress(stored: Uint8Array, plainLength: number): Uint8Array
}

/** Throws RangeError unless the codec takes this many bytes at this level. */
export function assertCompressible(codec: ZstdCodec, plain: Uint8Array, zstdLevel: number): void {
  const most = codec.maxPlainBytes(zstdLevel)
  if (plain.length === 0 || plain.length > most) {
    throw new RangeError(`${codec.name} zstd level ${zstdLevel} takes 1 to ${most} bytes, not ${plain.length}`)
  }
}
