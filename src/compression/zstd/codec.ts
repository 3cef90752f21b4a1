/*
 * zstd, one frame at a time: the interface of a codec, the codec of Node.js itself, and the frame format (RFC 8878). It
 * does not know blocks and does not choose between codecs.
 */

/** `native` is node:zlib's (Node 22.15 and later), `portable` is WebAssembly. Each reads what the other writes. */
export type ZstdName = 'native' | 'portable'

/**
 * Matches that the encoder searches for: all that its level allows (the default), or only long repeats. The latter is
 * smaller and faster if bytes are skewed but short matches are chance, as in the exponents of floats.
 */
type ZstdSearch = 'all' | 'long'

/** Maximum plain bytes of a frame: the portable codec can make and decode this many at any level that it has. */
const MAX_PLAIN_BYTES = 4 * 1024 * 1024

/**
 * zstd for single blocks: each call makes or reads exactly one frame that states its content size. Frames are made
 * without a checksum. Prints nothing.
 */
export interface ZstdCodec {
  readonly name: ZstdName
  /**
   * The zstd level for each level of the program, and that of `balanced` for text and programs. `max` is the highest
   * that it supports.
   */
  readonly levels: Readonly<Record<'fast' | 'balanced' | 'text' | 'high' | 'max', number>>
  /** The searches that it supports, most likely to win first. */
  readonly searches: readonly ZstdSearch[]
  /**
   * `plain` has 1 to `MAX_PLAIN_BYTES` bytes, and the level is from 1 to `levels.max`, else RangeError. Throws AppError
   * `io` if the encoder fails.
   */
  compress(plain: Uint8Array, zstdLevel: number, search?: ZstdSearch): Uint8Array
  /**
   * Exactly `plainLength` (1 to `MAX_PLAIN_BYTES`) bytes of a frame of any level, or AppError `corrupt`. Allocates at
   * most `plainLength` + 64 bytes for the result.
   */
  decompress(stored: Uint8Array, plainLength: number): Uint8Array
}

/** Throws RangeError unless the codec accepts this many bytes at this level. */
export function assertCompressible(codec: ZstdCodec, plain: Uint8Array, zstdLevel: number): void {
  const { name, levels } = codec
  if (zstdLevel < 1 || zstdLevel > levels.max) throw new RangeError(`${name} zstd has levels 1 to ${levels.max}, not ${zstdLevel}`)
  if (plain.length === 0 || plain.length > MAX_PLAIN_BYTES) {
    throw new RangeError(`${name} zstd takes 1 to ${MAX_PLAIN_BYTES} bytes, not ${plain.length}`)
  }
}
