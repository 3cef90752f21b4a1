import * as zlib from 'node:zlib'
import { ByteReader, ByteWriter } from '../util/bytes.ts'
import { AppError, corrupt, newerFormat } from '../util/errors.ts'
import { freeUnusedBuffers } from '../util/memory/unused-memory.ts'
import { chunkSizeFor, outputOf } from '../util/memory/zlib-output.ts'
import { decodeContexts } from './contexts.ts'
import { applyCopies } from './copies.ts'
import { MAX_BLOCK_BYTES, MAX_LONG_BLOCK_BYTES, MAX_STORED_EXCESS } from './limits.ts'
import { unpackPairs } from './pairs.ts'
import type { ZstdCodec } from './zstd/codec.ts'

/** Codec ids of parts. Permanent: they are written into repositories. */
export const CODEC_RAW = 0
/** One zstd frame (RFC 8878) that states its content size. */
export const CODEC_ZSTD = 1
/** Raw deflate (RFC 1951). */
export const CODEC_DEFLATE = 2
/** `u8 count`, that many symbols, then raw deflate of pairs of them: see pairs.ts. Not written any more. */
export const CODEC_PAIRS = 3
/** Numbers in contexts, of blocks with filter 11, 12 or 13: see numbers.ts. */
export const CODEC_NUMBERS = 4
/** Literals, and copies of what was decoded before (copies.ts), in four pieces with codecs of their own. */
export const CODEC_COPIES = 5
/** Bytes, each in the context of the byte before it: see contexts.ts. */
export const CODEC_CONTEXTS = 6
/** Like copies, with literals in several pieces. */
export const CODEC_LONG_COPIES = 7

/** How one part of a block is stored, as the pack's directory states it. Lengths are in bytes. */
export interface PartLayout {
  codec: number
  storedLength: number
  plainLength: number
}

const CODECS = [CODEC_RAW, CODEC_ZSTD, CODEC_DEFLATE, CODEC_PAIRS, CODEC_NUMBERS, CODEC_COPIES, CODEC_CONTEXTS, CODEC_LONG_COPIES]
/** Codecs whose stored bytes are never more than the plain bytes. */
const NEVER_LONGER = [CODEC_RAW, CODEC_NUMBERS, CODEC_CONTEXTS]
/** Codecs that a long block may have. The others need as much memory again, and some of it is fixed. */
const LONG_CODECS = [CODEC_RAW, CODEC_LONG_COPIES]
/** Codecs that the pieces of codec copies may have. */
const PIECE_CODECS = [CODEC_RAW, CODEC_ZSTD, CODEC_DEFLATE]
const MAX_LITERAL_PIECES = MAX_LONG_BLOCK_BYTES / MAX_BLOCK_BYTES

const SUBJECT = 'A block'

export const isKnownCodec = (codec: number): boolean => CODECS.includes(codec)

/** Throws unless the lengths of a part in a directory are possible. Call it before allocating memory for the part. */
export function checkPart(part: PartLayout): void {
  const { codec, storedLength, plainLength } = part
  if (!isKnownCodec(codec)) throw newerFormat(`A block with codec ${codec}`)
  const most = LONG_CODECS.includes(codec) ? MAX_LONG_BLOCK_BYTES : MAX_BLOCK_BYTES
  if (!Number.isSafeInteger(plainLength) || plainLength < 1 || plainLength > most) {
    throw corrupt(SUBJECT, `a part of ${plainLength} bytes is impossible`)
  }
  const longest = NEVER_LONGER.includes(codec) ? plainLength : plainLength + MAX_STORED_EXCESS
  const shortest = codec === CODEC_RAW ? plainLength : 1
  if (!Number.isSafeInteger(storedLength) || storedLength < shortest || storedLength > longest) {
    throw corrupt(SUBJECT, `${plainLength} bytes cannot be stored in ${storedLength}`)
  }
}

/**
 * The plain bytes of a part; a view of `stored` for codec raw. Throws `corrupt` unless `stored` decodes to exactly
 * `part.plainLength` bytes, `newer-format` for an unknown codec, `unsupported` when zstd is needed and `zstd`
 * undefined. Frames have no checksum, so damage may also give wrong bytes of the right length. The hashes of the
 * chunks detect that. Time and memory: linear in the stored and the plain length.
 */
export function decodePart(part: PartLayout, stored: Uint8Array, zstd: ZstdCodec | undefined): Uint8Array {
  checkPart(part)
  if (stored.length !== part.storedLength) throw corrupt(SUBJECT, `${stored.length} bytes were read where ${part.storedLength} are stored`)
  if (part.codec === CODEC_RAW) return stored
  if (part.codec === CODEC_DEFLATE) return inflate(stored, part.plainLength)
  if (part.codec === CODEC_PAIRS) return inflatePairs(stored, part.plainLength)
  if (part.codec === CODEC_COPIES || part.codec === CODEC_LONG_COPIES) return decodeCopies(part, stored, zstd)
  if (part.codec === CODEC_CONTEXTS) return decodeContexts(stored, part.plainLength)
  if (part.codec === CODEC_NUMBERS) throw corrupt(SUBJECT, 'numbers are coded where its filter makes none')
  if (zstd === undefined) {
    throw new AppError('unsupported', 'The data is compressed with zstd, and no zstd codec can be loaded on this machine.', {
      hint: 'Use Node.js 22.15 or later, which has zstd built in.',
    })
  }
  return zstd.decompress(stored, part.plainLength)
}

/** Whether `decodePart` may need a zstd codec for a part. */
export function mayNeedZstd({ codec }: PartLayout): boolean {
  return codec === CODEC_ZSTD || codec === CODEC_COPIES || codec === CODEC_LONG_COPIES
}

/** A piece of a part of codec copies. */
export interface Piece {
  codec: number
  bytes: Uint8Array
  plainLength: number
}

/** A part of codec copies: `u8 codec, varint stored, varint plain` of each of its four pieces, then the pieces. */
export function joinCopies(pieces: readonly Piece[]): Uint8Array {
  return joinPieces(new ByteWriter(32), pieces)
}

/** A part of codec long copies: the number of pieces of literals, then as in codec copies. */
export function joinLongCopies(literals: readonly Piece[], numbers: readonly Piece[]): Uint8Array {
  const out = new ByteWriter(64)
  out.varint(literals.length)
  return joinPieces(out, [...literals, ...numbers])
}

function joinPieces(heads: ByteWriter, pieces: readonly Piece[]): Uint8Array {
  for (const { codec, bytes, plainLength } of pieces) {
    heads.byte(codec)
    heads.varint(bytes.length)
    heads.varint(plainLength)
  }
  return Buffer.concat([heads.view(), ...pieces.map(({ bytes }) => bytes)])
}

function decodeCopies({ codec, plainLength }: PartLayout, stored: Uint8Array, zstd: ZstdCodec | undefined): Uint8Array {
  const reader = new ByteReader(stored, SUBJECT)
  const count = codec === CODEC_COPIES ? 1 : reader.varint(MAX_LITERAL_PIECES)
  let left = plainLength
  const layouts = Array.from({ length: count + 3 }, () => {
    const piece = { codec: reader.byte(), storedLength: reader.varint(stored.length), plainLength: reader.varint(left) }
    if (!isKnownCodec(piece.codec)) throw newerFormat(`A block with codec ${piece.codec}`)
    if (!PIECE_CODECS.includes(piece.codec)) throw corrupt(SUBJECT, `copies can't have codec ${piece.codec} within`)
    left -= piece.plainLength
    return piece
  })
  const pieces = layouts.map(piece => ({ piece, bytes: reader.take(piece.storedLength) }))
  reader.finish()
  const decode = ({ piece, bytes }: (typeof pieces)[number]): Uint8Array => decodePart(piece, bytes, zstd)
  const [gaps, lengths, distances] = pieces.slice(count).map(decode) as [Uint8Array, Uint8Array, Uint8Array]
  return applyCopies({ literals: each(pieces.slice(0, count), decode), gaps, lengths, distances }, plainLength)
}

/** Maps as it is asked, so that one piece of literals at a time is in memory. */
function* each<From>(values: readonly From[], map: (value: From) => Uint8Array): Generator<Uint8Array> {
  for (const value of values) {
    const piece = map(value)
    yield piece
    freeUnusedBuffers(piece.length)
  }
}

export function deflate(plain: Uint8Array): Uint8Array {
  return zlib.deflateRawSync(plain, { level: 6 })
}

function inflatePairs(stored: Uint8Array, plainLength: number): Uint8Array {
  const end = 1 + stored[0]!
  return unpackPairs({ symbols: stored.subarray(1, end), pairs: inflate(stored.subarray(end), Math.ceil(plainLength / 2)) }, plainLength)
}

/** Throws `corrupt` unless the raw deflate of `stored` has so many plain bytes, and nothing follows it. */
export function inflate(stored: Uint8Array, plainLength: number): Uint8Array {
  // one byte more than needed: node:zlib allocates a second buffer when the first one is full
  const options = { maxOutputLength: plainLength, chunkSize: chunkSizeFor(plainLength + 1), info: true }
  let result: ReturnType<typeof outputOf>
  try {
    result = outputOf(zlib.inflateRawSync(stored, options))
  } catch (error) {
    throw corrupt(SUBJECT, error instanceof Error ? error.message : 'it cannot be inflated')
  }
  const { bytes, bytesRead } = result
  if (bytes.length !== plainLength) throw corrupt(SUBJECT, `it inflates to ${bytes.length} bytes instead of ${plainLength}`)
  // inflate ignores bytes after the end of its stream
  if (bytesRead !== stored.length) throw corrupt(SUBJECT, 'bytes follow the deflate stream')
  return bytes
}
