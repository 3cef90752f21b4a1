import { CODEC_COPIES, CODEC_LONG_COPIES, CODEC_RAW, joinCopies, joinLongCopies, type Piece } from './codecs.ts'
import { takeCopies } from './copies.ts'
import { type EncodedPart, encodeWhole } from './encode-whole.ts'
import { type Level, MAX_BLOCK_BYTES } from './limits.ts'
import { freeUnusedBuffers } from '../util/memory/unused-memory.ts'
import type { ZstdCodec } from './zstd/codec.ts'

/** Every codec finds the repeats of fewer bytes. */
const MIN_BYTES = 128 * 1024

/** Encodes bytes without their long repeats; undefined if few of them repeat, unless they are a long block. */
export function encodeCopies(plain: Uint8Array, level: Level, zstd: ZstdCodec | undefined): EncodedPart | undefined {
  const copies = plain.length < MIN_BYTES ? undefined : takeCopies(plain)
  if (copies === undefined) return undefined
  const encode = (bytes: Uint8Array): Piece => {
    const encoded = encodeWhole(bytes, level, zstd)
    const shorter = encoded.bytes.length < bytes.length ? encoded : { codec: CODEC_RAW, bytes }
    return { ...shorter, plainLength: bytes.length }
  }
  const literals: Piece[] = []
  for (const piece of copies.literals) {
    literals.push(encode(piece))
    freeUnusedBuffers(piece.length)
  }
  const numbers = [copies.gaps, copies.lengths, copies.distances].map(encode)
  return plain.length <= MAX_BLOCK_BYTES
    ? { codec: CODEC_COPIES, bytes: joinCopies([...literals, ...numbers]) }
    : { codec: CODEC_LONG_COPIES, bytes: joinLongCopies(literals, numbers) }
}
