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
  /** An old sparse file with more pieces than fit here: blocks with more of them follow. */
  isExtended: boolean
}

/** What a pax header says of an entry, as far as it counts here. */
export interface PaxFields {
  path?: Buffer | undefined
  linkpath?: Buffer | undefined
  size?: string | undefined
  mtime?: string | undefined
  /** The content is a map of holes, then the data between them. */
  isSparse?: boolean
}

const USTAR = Buffer.from('ustar\0')
const CHECKSUM_AT = 148
const CHECKSUM_END = 156

/** A block of zeros; two of them end an archive. */
export function isZeroBlock(block: Uint8Array): boolean {
  return block.every(byte => byte === 0)
}

/** Throws an `Error` if the checksum is wrong. Time: constant. */
export function parseTarHeader(bytes: Uint8Array): TarHeader {
  const block = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!hasChecksum(block)) throw new Error("a header in it isn't a tar header")
  const prefix = block.subarray(257, 263).equals(USTAR) ? textAt(block, 345, 155) : Buffer.alloc(0)
  const name = textAt(block, 0, 100)
  const type = String.fromCharCode(block[156]! === 0 ? 0x30 : block[156]!)
  return {
    name: prefix.length > 0 ? Buffer.concat([prefix, Buffer.from('/'), name]) : Buffer.from(name),
    linkname: Buffer.from(textAt(block, 157, 100)),
    mode: numberAt(block, 100, 8),
    size: sizeOf(numberAt(block, 124, 12)),
    mtime: numberAt(block, 136, 12),
    type,
    isExtended: type === 'S' && block[482] === 1,
  }
}

/** Old programs summed signed bytes. */
function hasChecksum(block: Buffer): boolean {
  let [unsigned, signed] = [0, 0]
  for (let i = 0; i < TAR_BLOCK_BYTES; i++) {
    const byte = i >= CHECKSUM_AT && i < CHECKSUM_END ? 0x20 : block[i]!
    unsigned += byte
    signed += byte < 128 ? byte : byte - 256
  }
  const stated = numberAt(block, CHECKSUM_AT, CHECKSUM_END - CHECKSUM_AT)
  return stated === unsigned || stated === signed
}

function textAt(block: Buffer, at: number, length: number): Buffer {
  const field = block.subarray(at, at + length)
  const end = field.indexOf(0)
  return end === -1 ? field : field.subarray(0, end)
}

/** Octal digits, or, if the top bit is set, a binary number in two's complement. An empty field is 0. */
function numberAt(block: Buffer, at: number, length: number): number | undefined {
  if ((block[at]! & 0x80) === 0) {
    const [digits = ''] = textAt(block, at, length).toString('latin1').trim().split(' ')
    return /^[0-7]*$/.test(digits) ? Number.parseInt(`0${digits}`, 8) : undefined
  }
  const isNegative = (block[at]! & 0x40) !== 0
  let value = isNegative ? (block[at]! | 0x80) - 256 : block[at]! & 0x3f
  for (let i = at + 1; i < at + length; i++) value = value * 256 + block[i]!
  return Number.isSafeInteger(value) ? value : undefined
}

function sizeOf(value: number | undefined): number | undefined {
  return value !== undefined && value >= 0 ? value : undefined
}

/**
 * Adds the records of a pax header to `fields`: `<length> <key>=<value>\n`. A record without a value takes an earlier
 * one back. Stops at a malformed one. Time: linear in the length of `bytes`; memory: that of the fields that count.
 */
export function addPaxRecords(fields: PaxFields, bytes: Buffer): void {
  for (let at = 0; at < bytes.length;) {
    const space = bytes.subarray(at, at + 20).indexOf(0x20)
    const length = space > 0 ? Number(bytes.toString('latin1', at, at + space)) : NaN
    if (!Number.isSafeInteger(length) || length <= space + 1) return
    const record = bytes.subarray(at + space + 1, at + length - 1)
    const equals = record.indexOf(0x3d)
    if (equals === -1) return
    addPaxRecord(fields, record.toString('latin1', 0, Math.min(equals, 64)), record.subarray(equals + 1))
    at += length
  }
}

function addPaxRecord(fields: PaxFields, key: string, bytes: Buffer): void {
  const value = bytes.length === 0 ? undefined : bytes
  if (key === 'path' || key === 'linkpath') fields[key] = value
  else if (key === 'size' || key === 'mtime') fields[key] = value?.toString('latin1', 0, 64)
  else if (key.startsWith('GNU.sparse.')) fields.isSparse = true
}
