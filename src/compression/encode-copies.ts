import { CODEC_COPIES, CODEC_RAW, joinCopies } from './codecs.ts'
import { takeCopies } from './copies.ts'
import { type EncodedPart, encodeWhole } from './encode-whole.ts'
import type { Level } from './limits.ts'
import type { ZstdCodec } from './zstd/codec.ts'

/** Every codec finds the repeats of fewer bytes. */
const MIN_BYTES = 128 * 1024

/** Encodes bytes without their long repeats; undefined if few of them repeat. */
export function encodeCopies(plain: Uint8Array, level: Level, zstd: ZstdCodec | undefined): EncodedPart | undefined {
  const copies = plain.length < MIN_BYTES ? undefined : takeCopies(plain)
  if (copies === undefined) return undefined
  const { literals, gaps, lengths, distances } = copies
  const pieces = [literals, gaps, lengths, distances].map(bytes => {
    const encoded = encodeWhole(bytes, level, zstd)
    const shorter = encoded.bytes.length < bytes.length ? encoded : { codec: CODEC_RAW, bytes }
    return { ...shorter, plainLength: bytes.length }
  })
  return { codec: CODEC_COPIES, bytes: joinCopies(pieces) }
}
