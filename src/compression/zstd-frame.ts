import { corrupt } from '../util/errors.ts'

const WHAT = 'A zstd frame'
const MAGIC = 0xfd2fb528
/** RFC 8878 asks every decoder for 8 MiB; blocks never need more, and a larger window is how a hostile frame makes a decoder allocate. */
const MAX_WINDOW_BYTES = 8 * 1024 * 1024

/** What an RFC 8878 frame header says. Lengths in bytes. */
export interface ZstdFrameHeader {
  /** Magic number included. */
  headerLength: number
  windowSize: number
  /** Undefined where the frame does not state it. */
  contentSize: number | undefined
  hasChecksum: boolean
  /** 0 is none. */
  dictionaryId: number
}

const DICTIONARY_ID_BYTES = [0, 1, 2, 4] as const

/** Throws `corrupt` unless `bytes` begins with the whole header of a zstd frame (skippable frames are none). */
export function parseZstdFrameHeader(bytes: Uint8Array): ZstdFrameHeader {
  if (bytes.length < 5 || littleEndian(bytes, 0, 4) !== MAGIC) throw corrupt(WHAT, 'it does not begin with the magic number')
  const descriptor = bytes[4]!
  if ((descriptor & 0x08) !== 0) throw corrupt(WHAT, 'a reserved bit of its header is set')
  const singleSegment = (descriptor & 0x20) !== 0
  const dictionaryBytes = DICTIONARY_ID_BYTES[descriptor & 3]!
  const sizeFlag = descriptor >> 6
  const sizeBytes = sizeFlag === 0 ? (singleSegment ? 1 : 0) : 1 << sizeFlag
  const dictionaryAt = singleSegment ? 5 : 6
  const sizeAt = dictionaryAt + dictionaryBytes
  const headerLength = sizeAt + sizeBytes
  if (bytes.length < headerLength) throw corrupt(WHAT, 'its header is cut off')

  const contentSize = sizeBytes === 0 ? undefined : littleEndian(bytes, sizeAt, sizeBytes) + (sizeBytes === 2 ? 256 : 0)
  if (contentSize !== undefined && !Number.isSafeInteger(contentSize)) throw corrupt(WHAT, 'its content size is absurd')
  return {
    headerLength,
    windowSize: singleSegment ? contentSize! : windowSize(bytes[5]!),
    contentSize,
    hasChecksum: (descriptor & 0x04) !== 0,
    dictionaryId: littleEndian(bytes, dictionaryAt, dictionaryBytes),
  }
}

/**
 * Throws `corrupt` unless `stored` is exactly one whole zstd frame of `plainLength` bytes as this format allows it: content size in its header, no
 * dictionary, a window of at most 8 MiB, no byte missing or left over. Looks at block headers only and allocates nothing: decoders
 * differ in what they make of truncated, concatenated or size-less frames, so none of these may reach one.
 */
export function checkZstdFrame(stored: Uint8Array, plainLength: number): void {
  const header = parseZstdFrameHeader(stored)
  if (header.contentSize !== plainLength) {
    throw corrupt(WHAT, `it holds ${header.contentSize ?? 'an unknown number of'} bytes where ${plainLength} are expected`)
  }
  if (header.dictionaryId !== 0) throw corrupt(WHAT, 'it asks for a dictionary')
  if (header.windowSize > MAX_WINDOW_BYTES) throw corrupt(WHAT, `its window of ${header.windowSize} bytes is too large`)
  const end = frameEnd(stored, header)
  if (end !== stored.length) throw corrupt(WHAT, `${stored.length - end} bytes follow it`)
}

function frameEnd(stored: Uint8Array, header: ZstdFrameHeader): number {
  let position = header.headerLength
  for (let last = false; !last;) {
    if (position + 3 > stored.length) throw corrupt(WHAT, 'it is cut off')
    const block = littleEndian(stored, position, 3)
    last = (block & 1) === 1
    const type = (block >> 1) & 3
    if (type === 3) throw corrupt(WHAT, 'a block has the reserved type')
    const runLength = type === 1
    position += 3 + (runLength ? 1 : block >> 3)
  }
  if (header.hasChecksum) position += 4
  if (position > stored.length) throw corrupt(WHAT, 'it is cut off')
  return position
}

function windowSize(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3))
  return base + (base / 8) * (descriptor & 7)
}

function littleEndian(bytes: Uint8Array, at: number, count: number): number {
  let value = 0
  for (let i = count - 1; i >= 0; i--) value = value * 256 + bytes[at + i]!
  return value
}
