/** `native` is node:zlib's (Node 22.15 and later), `portable` is WebAssembly. What either writes, the other reads. */
export type ZstdName = 'native' | 'portable'

/**
 * What the encoder looks for: everything its level does (the default), or long repeats alone, which is smaller and faster where bytes are skewed but
 * short matches are chance, as in the exponents of floats. The portable codec knows only the former.
 */
export type ZstdSearch = 'all' | 'long'

/** zstd for single blocks: each call makes or reads exactly one frame that states its content size and carries no checksum. Prints nothing. */
export interface ZstdCodec {
  readonly name: ZstdName
  /** The most plain bytes that `compress` takes at this zstd level; 0 where it can't do that level. `decompress` takes 4 MiB made at any level. */
  maxPlainBytes(zstdLevel: number): number
  /** `plain` has 1 to `maxPlainBytes(zstdLevel)` bytes, else RangeError. Throws AppError `io` if the encoder fails. */
  compress(plain: Uint8Array, zstdLevel: number, search?: ZstdSearch): Uint8Array
  /** Exactly `plainLength` (1 to 4 MiB) bytes, or AppError `corrupt`; nothing beyond `plainLength` + 64 bytes is allocated for the result. */
  decompress(stored: Uint8Array, plainLength: number): Uint8Array
}

export function assertCompressible(codec: ZstdCodec, plain: Uint8Array, zstdLevel: number): void {
  const most = codec.maxPlainBytes(zstdLevel)
  if (plain.length === 0 || plain.length > most) {
    throw new RangeError(`${codec.name} zstd level ${zstdLevel} takes 1 to ${most} bytes, not ${plain.length}`)
  }
}
