import * as zlib from 'node:zlib'
import { AppError, corrupt } from '../util/errors.ts'
import { MAX_BLOCK_BYTES } from './limits.ts'
import { outputOf } from './zlib-output.ts'
import type { ZstdCodec } from './zstd-codec.ts'
import { assertCompressible } from './zstd-codec.ts'
import { checkZstdFrame } from './zstd-frame.ts'

/** The part of node:zlib that Node 20 and its type definitions lack. */
interface NativeZstd {
  zstdCompressSync(
    bytes: Uint8Array,
    options: { params: Record<number, number>; pledgedSrcSize: number; chunkSize: number; info: true },
  ): unknown
  zstdDecompressSync(bytes: Uint8Array, options: { maxOutputLength: number; chunkSize: number; info: true }): unknown
  constants: Record<
    'ZSTD_c_compressionLevel' | 'ZSTD_c_contentSizeFlag' | 'ZSTD_c_checksumFlag' | 'ZSTD_c_minMatch' | 'ZSTD_c_hashLog',
    number
  >
}

const HIGHEST_LEVEL = 19
/** node:zlib takes no smaller output buffer. */
const MIN_CHUNK_BYTES = 64

export function hasNativeZstd(): boolean {
  return 'zstdCompressSync' in zlib && 'zstdDecompressSync' in zlib
}

/** Call it only where `hasNativeZstd()`. */
export function nativeZstd(): ZstdCodec {
  const native = zlib as unknown as NativeZstd
  const { ZSTD_c_compressionLevel, ZSTD_c_contentSizeFlag, ZSTD_c_checksumFlag, ZSTD_c_minMatch, ZSTD_c_hashLog } = native.constants
  // the longest least match and the smallest hash table that zstd knows
  const longSearch = { [ZSTD_c_minMatch]: 7, [ZSTD_c_hashLog]: 6 }
  const codec: ZstdCodec = {
    name: 'native',
    maxPlainBytes: zstdLevel => (zstdLevel >= 1 && zstdLevel <= HIGHEST_LEVEL ? MAX_BLOCK_BYTES : 0),
    compress(plain, zstdLevel, search = 'all') {
      assertCompressible(codec, plain, zstdLevel)
      const frame = { [ZSTD_c_compressionLevel]: zstdLevel, [ZSTD_c_contentSizeFlag]: 1, [ZSTD_c_checksumFlag]: 0 }
      const params = search === 'long' ? { ...frame, ...longSearch } : frame
      // a frame that does not fit the output buffer is no gain, but must still come out whole
      const chunkSize = Math.max(MIN_CHUNK_BYTES, plain.length)
      try {
        return outputOf(native.zstdCompressSync(plain, { params, pledgedSrcSize: plain.length, chunkSize, info: true })).bytes
      } catch (error) {
        throw new AppError('io', `zstd could not compress ${plain.length} bytes.`, { cause: error })
      }
    },
    decompress(stored, plainLength) {
      checkZstdFrame(stored, plainLength)
      let plain: Uint8Array
      try {
        // one byte more than needed: a full buffer would make node:zlib allocate a second one to see whether anything follows
        const chunkSize = Math.max(MIN_CHUNK_BYTES, plainLength + 1)
        plain = outputOf(native.zstdDecompressSync(stored, { maxOutputLength: plainLength, chunkSize, info: true })).bytes
      } catch (error) {
        throw corrupt('A zstd frame', error instanceof Error ? error.message : 'it cannot be decoded')
      }
      if (plain.length !== plainLength) throw corrupt('A zstd frame', `it gives ${plain.length} bytes where ${plainLength} are expected`)
      return plain
    },
  }
  return codec
}
