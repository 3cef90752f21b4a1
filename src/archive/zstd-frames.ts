/** Little-endian magic number, and what the first byte of a frame header says (RFC 8878). */
const MAGIC = [0x28, 0xb5, 0x2f, 0xfd] as const
const DESCRIPTOR_AT = 4
const HAS_CHECKSUM = 0x04
const SINGLE_SEGMENT_WITH_4_BYTES_OF_SIZE = 0xa0
const HEADER_BYTES = 9
export const BLOCK_HEADER_BYTES = 3
export const CHECKSUM_BYTES = 4
/** No block of a frame gives more plain bytes. */
export const MAX_FRAME_BLOCK_BYTES = 128 * 1024

/** A part of a frame: its header, a block with its own, or its checksum. */
export interface FramePiece {
  kind: 'header' | 'block' | 'checksum'
  /** Of blocks: stored as it is. */
  isPlain: boolean
  bytes: Uint8Array
}

/**
 * Adds a checksum to a whole frame without one, as the codecs make them; every decoder then verifies it. Changes
 * `frame` and returns its new parts.
 */
export function withChecksum(frame: Uint8Array, checksum: number): Uint8Array[] {
  frame[DESCRIPTOR_AT]! |= HAS_CHECKSUM
  const end = new Uint8Array(CHECKSUM_BYTES)
  writeLittleEndian(end, 0, checksum, CHECKSUM_BYTES)
  return [frame, end]
}

/** A frame that holds `plain` as it is: what does not shrink needs no codec. */
export function plainFrame(plain: Uint8Array, checksum: number): Uint8Array {
  const blocks = Math.max(1, Math.ceil(plain.length / MAX_FRAME_BLOCK_BYTES))
  const bytes = Buffer.allocUnsafeSlow(HEADER_BYTES + blocks * BLOCK_HEADER_BYTES + plain.length + CHECKSUM_BYTES)
  bytes.set(MAGIC)
  bytes[DESCRIPTOR_AT] = SINGLE_SEGMENT_WITH_4_BYTES_OF_SIZE | HAS_CHECKSUM
  writeLittleEndian(bytes, DESCRIPTOR_AT + 1, plain.length, 4)
  let at = HEADER_BYTES
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

/** The checksum of a frame is the low half of its content's XXH64. */
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
