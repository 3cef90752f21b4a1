import { corrupt } from '../../util/errors.ts'

/** The subject of messages about a frame. */
export const ZSTD_FRAME = 'A zstd frame'

const MAGIC = 0xfd2fb528
const MAGIC_BYTES = 4
const DESCRIPTOR_AT = MAGIC_BYTES
/** Where the window is, unless a header states its content size instead. */
const WINDOW_AT = DESCRIPTOR_AT + 1
/** Bits of the descriptor in the frame header. */
const HAS_CHECKSUM = 0x04
const RESERVED = 0x08
const SINGLE_SEGMENT = 0x20
const SIZE_IN_4_BYTES = 0x80
const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const
/** Maximum length of a frame header. */
export const MAX_HEADER_BYTES = 18
export const BLOCK_HEADER_BYTES = 3
export const CHECKSUM_BYTES = 4
/** Maximum plain bytes of one block of a frame. */
export const MAX_FRAME_BLOCK_BYTES = 128 * 1024
/**
 * The window that RFC 8878 recommends every decoder to support. Blocks never need more. A hostile frame could use a
 * larger window to make a decoder allocate memory.
 */
export const SMALL_WINDOW_BYTES = 8 * 1024 * 1024

/** The fields of a frame header. Lengths are in bytes. */
export interface ZstdFrameHeader {
  /** Including the magic number. */
  headerLength: number
  windowSize: number
  /** Undefined if the frame does not state it. */
  contentSize: number | undefined
  hasChecksum: boolean
  /** 0 means none. */
  dictionaryId: number
}

/** The header of a block within a frame. */
export interface FrameBlockHeader {
  isLast: boolean
  /** `raw`: stored unchanged; `run`: one byte, repeated. */
  kind: 'raw' | 'run' | 'compressed'
  /** Bytes that follow the block's header. */
  storedLength: number
  /** The size field: the plain bytes for a run, else `storedLength`. */
  size: number
}

/** A piece of a frame: its header, a block with its own header, or its checksum. */
export type FramePiece =
  { kind: 'header'; bytes: Uint8Array } | { kind: 'block'; isRaw: boolean; bytes: Uint8Array } | { kind: 'checksum'; bytes: Uint8Array }

/**
 * Throws `corrupt` unless `bytes` begins with the whole header of a zstd frame. Skippable frames have none. Time:
 * constant.
 */
export function parseFrameHeader(bytes: Uint8Array): ZstdFrameHeader {
  if (bytes.length < 5 || readLittleEndian(bytes, 0, MAGIC_BYTES) !== MAGIC) {
    throw corrupt(ZSTD_FRAME, 'it does not begin with the magic number')
  }
  const descriptor = bytes[DESCRIPTOR_AT]!
  if ((descriptor & RESERVED) !== 0) throw corrupt(ZSTD_FRAME, 'a reserved bit of its header is set')
  const singleSegment = (descriptor & SINGLE_SEGMENT) !== 0
  const dictionaryBytes = DICTIONARY_ID_BYTES[descriptor & 3]!
  const sizeFlag = descriptor >> 6
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag
  const dictionaryAt = singleSegment ? 5 : 6
  const sizeAt = dictionaryAt + dictionaryBytes
  const headerLength = sizeAt + sizeBytes
  if (bytes.length < headerLength) throw corrupt(ZSTD_FRAME, 'its header is cut off')

  const contentSize = sizeBytes === 0 ? undefined : readLittleEndian(bytes, sizeAt, sizeBytes) + (sizeBytes === 2 ? 256 : 0)
  if (contentSize !== undefined && !Number.isSafeInteger(contentSize)) throw corrupt(ZSTD_FRAME, 'its content size is absurd')
  return {
    headerLength,
    windowSize: singleSegment ? contentSize! : windowSize(bytes[WINDOW_AT]!),
    contentSize,
    hasChecksum: (descriptor & HAS_CHECKSUM) !== 0,
    dictionaryId: readLittleEndian(bytes, dictionaryAt, dictionaryBytes),
  }
}

/** Needs `BLOCK_HEADER_BYTES` bytes at `at`. Throws `corrupt` for the reserved type. Time: constant. */
export function parseBlockHeader(bytes: Uint8Array, at = 0): FrameBlockHeader {
  const header = readLittleEndian(bytes, at, BLOCK_HEADER_BYTES)
  const kind = (['raw', 'run', 'compressed'] as const)[(header >> 1) & 3]
  if (kind === undefined) throw corrupt(ZSTD_FRAME, 'a block has the reserved type')
  const size = header >> 3
  return { isLast: (header & 1) === 1, kind, storedLength: kind === 'run' ? 1 : size, size }
}

/**
 * Throws `corrupt` unless `stored` is exactly one whole zstd frame of `plainLength` bytes as this format allows it:
 * content size in its header, no dictionary, a window of at most 8 MiB, no byte missing or left over. Reads only
 * headers and allocates nothing. Decoders treat truncated, concatenated and size-less frames differently, so none of
 * these may reach one.
 */
export function checkFrame(stored: Uint8Array, plainLength: number): void {
  const header = parseFrameHeader(stored)
  if (header.contentSize !== plainLength) {
    throw corrupt(ZSTD_FRAME, `it holds ${header.contentSize ?? 'an unknown number of'} bytes where ${plainLength} are expected`)
  }
  if (header.dictionaryId !== 0) throw corrupt(ZSTD_FRAME, 'it asks for a dictionary')
  if (header.windowSize > SMALL_WINDOW_BYTES) throw corrupt(ZSTD_FRAME, `its window of ${header.windowSize} bytes is too large`)
  const end = frameEnd(stored, header)
  if (end !== stored.length) throw corrupt(ZSTD_FRAME, `${stored.length - end} bytes follow it`)
}

function frameEnd(stored: Uint8Array, header: ZstdFrameHeader): number {
  let position = header.headerLength
  for (let isLast = false; !isLast;) {
    if (position + BLOCK_HEADER_BYTES > stored.length) throw corrupt(ZSTD_FRAME, 'it is cut off')
    const block = parseBlockHeader(stored, position)
    isLast = block.isLast
    position += BLOCK_HEADER_BYTES + block.storedLength
  }
  if (header.hasChecksum) position += CHECKSUM_BYTES
  if (position > stored.length) throw corrupt(ZSTD_FRAME, 'it is cut off')
  return position
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3))
  return base + (base / 8) * (descriptor & 7)
}

/**
 * Adds a checksum, which every decoder verifies, to a whole frame without one, as the codecs make them. Changes
 * `frame`. Returns the frame, then the bytes that follow it.
 */
export function withChecksum(frame: Uint8Array, checksum: number): Uint8Array[] {
  frame[DESCRIPTOR_AT]! |= HAS_CHECKSUM
  const end = new Uint8Array(CHECKSUM_BYTES)
  writeLittleEndian(end, 0, checksum, CHECKSUM_BYTES)
  return [frame, end]
}

/** A copy of a frame's header without the checksum flag. */
export function withoutChecksum(header: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(header)
  copy[DESCRIPTOR_AT]! &= ~HAS_CHECKSUM
  return copy
}

/**
 * A copy of a frame's header with a window of at least `bytes`, if that is shorter than its own. Such a frame must have
 * no more plain bytes. A header that states its content size instead of a window is returned as it is.
 */
export function withShorterWindow(header: Uint8Array, bytes: number): Uint8Array {
  const exponent = Math.max(0, Math.ceil(Math.log2(bytes)) - 10)
  const isShorter = (header[DESCRIPTOR_AT]! & SINGLE_SEGMENT) === 0 && exponent < header[WINDOW_AT]! >> 3
  if (!isShorter) return header
  const copy = Uint8Array.from(header)
  copy[WINDOW_AT] = exponent << 3
  return copy
}

/** A frame with one raw copy of `plain`, for content that does not shrink. Needs no codec. */
export function rawFrame(plain: Uint8Array, checksum: number): Uint8Array {
  const headerBytes = DESCRIPTOR_AT + 1 + 4
  const blocks = Math.max(1, Math.ceil(plain.length / MAX_FRAME_BLOCK_BYTES))
  const bytes = Buffer.allocUnsafeSlow(headerBytes + blocks * BLOCK_HEADER_BYTES + plain.length + CHECKSUM_BYTES)
  writeLittleEndian(bytes, 0, MAGIC, MAGIC_BYTES)
  bytes[DESCRIPTOR_AT] = SINGLE_SEGMENT | SIZE_IN_4_BYTES | HAS_CHECKSUM
  writeLittleEndian(bytes, DESCRIPTOR_AT + 1, plain.length, 4)
  let at = headerBytes
  for (let i = 0; i < blocks; i++) {
    const block = plain.subarray(i * MAX_FRAME_BLOCK_BYTES, (i + 1) * MAX_FRAME_BLOCK_BYTES)
    const isLast = i === blocks - 1 ? 1 : 0
    writeLittleEndian(bytes, at, (block.length << 3) | isLast, BLOCK_HEADER_BYTES)
    bytes.set(block, at + BLOCK_HEADER_BYTES)
    at += BLOCK_HEADER_BYTES + block.length
  }
  writeLittleEndian(bytes, at, checksum, CHECKSUM_BYTES)
  return bytes
}

/** The checksum of a frame is the low 32 bits of its content's XXH64. */
export function checksumOf(xxh64: bigint): number {
  return Number(xxh64 & 0xffffffffn)
}

function writeLittleEndian(bytes: Uint8Array, at: number, value: number, count: number): void {
  for (let i = 0; i < count; i++) bytes[at + i] = (value >>> (8 * i)) & 0xff
}

export function readLittleEndian(bytes: Uint8Array, at: number, count: number): number {
  let value = 0
  for (let i = count - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!
  return value
}
