/** Bytes of a header. Content is padded to a multiple of it. */
export const TAR_BLOCK_BYTES = 512

/** The fields of a header that count here. Names are bytes, because they may not be UTF-8. */
export interface TarHeader {
  name: Buffer
  linkname: Buffer
  /** Permission bits; undefined if the field is no number. */
  mode: number | undefined
  /** Undefined if the field is no number that a size can be. */
  size: number | undefined
  /** Seconds since 1970; undefined if the field is no number. */
  mtime: number | undefined
  /** One character. */
  type: string
  /** The whole header, for the types that have fields of their own. */
  block: Buffer
}

const MAGIC = 'ustar'
const MAGIC_AT = 257
const USTAR = Buffer.from(`${MAGIC}\0`)
const CHECKSUM_AT = 148
const CHECKSUM_END = 156

/** Two blocks of zeros end an archive. */
export function isZero(bytes: Uint8Array): boolean {
  return bytes.every(byte => byte === 0)
}

/** Whether a block is a header of any form of tar: its checksum is right. */
export function isTarHeader(block: Uint8Array): boolean {
  return block.length >= TAR_BLOCK_BYTES && !isZero(block.subarray(0, TAR_BLOCK_BYTES)) && hasChecksum(asBuffer(block))
}

/** Whether a header begins in a few bytes: at a block, or, if its magic number is there, anywhere. */
export function holdsTarHeader(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += TAR_BLOCK_BYTES) if (isTarHeader(bytes.subarray(at))) return true
  const all = asBuffer(bytes)
  for (let at = all.indexOf(MAGIC); at !== -1; at = all.indexOf(MAGIC, at + 1))
    if (at >= MAGIC_AT && isTarHeader(bytes.subarray(at - MAGIC_AT))) return true
  return false
}

/** Undefined if the checksum is wrong. The header stays valid when the bytes change. Time: constant. */
export function parseTarHeader(bytes: Uint8Array): TarHeader | undefined {
  if (!hasChecksum(asBuffer(bytes))) return undefined
  const block = Buffer.from(bytes)
  const prefix = block.subarray(MAGIC_AT, MAGIC_AT + USTAR.length).equals(USTAR) ? textAt(block, 345, 155) : Buffer.alloc(0)
  const name = textAt(block, 0, 100)
  const size = numberAt(block, 124, 12)
  return {
    name: prefix.length > 0 ? Buffer.concat([prefix, Buffer.from('/'), name]) : name,
    linkname: textAt(block, 157, 100),
    mode: numberAt(block, 100, 8),
    size: size !== undefined && size >= 0 ? size : undefined,
    mtime: numberAt(block, 136, 12),
    type: String.fromCharCode(block[156]! === 0 ? 0x30 : block[156]!),
    block,
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Old programs summed signed bytes. */
function hasChecksum(block: Buffer): boolean {
  let [sum, high] = [0, 0]
  for (let i = 0; i < TAR_BLOCK_BYTES; i++) {
    const byte = block[i]!
    sum += byte
    high += byte >> 7
  }
  // its own field counts as spaces
  for (let i = CHECKSUM_AT; i < CHECKSUM_END; i++) {
    sum += 0x20 - block[i]!
    high -= block[i]! >> 7
  }
  const stated = numberAt(block, CHECKSUM_AT, CHECKSUM_END - CHECKSUM_AT)
  return stated === sum || stated === sum - 256 * high
}

function textAt(block: Buffer, at: number, length: number): Buffer {
  const field = block.subarray(at, at + length)
  const end = field.indexOf(0)
  return end === -1 ? field : field.subarray(0, end)
}

/** Octal digits, or, if the top bit is set, a binary number in two's complement. An empty field is 0. */
export function numberAt(block: Buffer, at: number, length: number): number | undefined {
  if ((block[at]! & 0x80) === 0) return octalAt(block, at, length)
  const isNegative = (block[at]! & 0x40) !== 0
  let value = isNegative ? (block[at]! | 0x80) - 256 : block[at]! & 0x3f
  for (let i = at + 1; i < at + length; i++) value = value * 256 + block[i]!
  return Number.isSafeInteger(value) ? value : undefined
}

/** As C takes it. */
function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 9 && byte <= 13)
}

/** Digits between spaces, up to the end of the field or a zero byte. */
function octalAt(block: Buffer, at: number, length: number): number | undefined {
  const end = at + length
  let i = at
  while (i < end && isSpace(block[i]!)) i++
  let value = 0
  for (; i < end && block[i] !== 0 && !isSpace(block[i]!); i++) {
    const digit = block[i]! - 0x30
    if (digit < 0 || digit > 7) return undefined
    value = value * 8 + digit
  }
  return value
}
