import type { Duplex } from 'node:stream'
import * as zlib from 'node:zlib'
import { AppError, corrupt } from '../../util/errors.ts'
import { chunkSizeFor, outputOf } from '../../util/memory/zlib-output.ts'
import { assertCompressible, type ZstdCodec } from './codec.ts'
import { checkFrame, ZSTD_FRAME } from './frame.ts'

/** The parts of node:zlib that Node 20 and its type definitions lack. */
interface NativeZstd {
  zstdCompressSync(
    bytes: Uint8Array,
    options: { params: Record<number, number>; pledgedSrcSize: number; chunkSize: number; info: true },
  ): unknown
  zstdDecompressSync(bytes: Uint8Array, options: { maxOutputLength: number; chunkSize: number; info: true }): unknown
  createZstdDecompress(): Duplex
  constants: Record<
    'ZSTD_c_compressionLevel' | 'ZSTD_c_contentSizeFlag' | 'ZSTD_c_checksumFlag' | 'ZSTD_c_minMatch' | 'ZSTD_c_hashLog',
    number
  >
}

const native = zlib as unknown as NativeZstd

const LEVELS = { fast: 1, balanced: 3, text: 6, high: 8, max: 19 } as const

/** The longest window that `nativeDecoder` supports: that of `zstd --long=27`. */
export const MAX_NATIVE_WINDOW_BYTES = 128 * 1024 * 1024

export function hasNativeZstd(): boolean {
  return 'zstdCompressSync' in zlib && 'zstdDecompressSync' in zlib
}

/** Call it only if `hasNativeZstd()`. */
export function nativeZstd(): ZstdCodec {
  const { ZSTD_c_compressionLevel, ZSTD_c_contentSizeFlag, ZSTD_c_checksumFlag, ZSTD_c_minMatch, ZSTD_c_hashLog } = native.constants
  // the longest minimum match and the smallest hash table that zstd has
  const longSearch = { [ZSTD_c_minMatch]: 7, [ZSTD_c_hashLog]: 6 }
  const codec: ZstdCodec = {
    name: 'native',
    levels: LEVELS,
    searches: ['long', 'all'],
    compress(plain, zstdLevel, search = 'all') {
      assertCompressible(codec, plain, zstdLevel)
      const frame = { [ZSTD_c_compressionLevel]: zstdLevel, [ZSTD_c_contentSizeFlag]: 1, [ZSTD_c_checksumFlag]: 0 }
      const params = search === 'long' ? { ...frame, ...longSearch } : frame
      // a frame that does not fit into one buffer is no gain, but it must still be complete
      const chunkSize = chunkSizeFor(plain.length)
      try {
        return outputOf(native.zstdCompressSync(plain, { params, pledgedSrcSize: plain.length, chunkSize, info: true })).bytes
      } catch (error) {
        throw new AppError('io', `zstd could not compress ${plain.length} bytes.`, { cause: error })
      }
    },
    decompress(stored, plainLength) {
      checkFrame(stored, plainLength)
      let plain: Uint8Array
      try {
        // one byte more than needed: node:zlib allocates a second buffer when the first one is full
        const chunkSize = chunkSizeFor(plainLength + 1)
        plain = outputOf(native.zstdDecompressSync(stored, { maxOutputLength: plainLength, chunkSize, info: true })).bytes
      } catch (error) {
        throw corrupt(ZSTD_FRAME, error instanceof Error ? error.message : 'it cannot be decoded')
      }
      if (plain.length !== plainLength) throw corrupt(ZSTD_FRAME, `it gives ${plain.length} bytes where ${plainLength} are expected`)
      return plain
    },
  }
  return codec
}

/** Decodes a frame of any size as a stream, and verifies its checksum. Call it only if `hasNativeZstd()`. */
export function nativeDecoder(): Duplex {
  return native.createZstdDecompress()
}
