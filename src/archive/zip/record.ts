import { extraField } from './extra-fields.ts'

export const LOCAL_MAGIC = 0x04034b50
/** Bytes of a local header without its name and extra fields. */
export const LOCAL_BYTES = 30
/** Before lengths and checksum that stand behind the content; not all programs write it. */
export const DESCRIPTOR_MAGIC = 0x08074b50
export const RECORD_MAGIC = 0x02014b50
/** Bytes of a record without its name, extra fields and comment. */
export const RECORD_BYTES = 46
/** Maximum bytes of a whole record. */
export const MAX_RECORD_BYTES = RECORD_BYTES + 3 * 0xffff

export const EXTRA_ZIP64 = 1
/** A field of 32 bits has this value if the real one is in the ZIP64 extra field. */
const ELSEWHERE = 0xffffffff

/** What the directory says of an entry. No field is trusted. Lengths and offsets are in bytes. */
export interface ZipRecord {
  rawName: Buffer
  extra: Buffer
  /** The system on which the entry was made, and 10 times the version of the specification. */
  host: number
  version: number
  flags: number
  method: number
  dosTime: number
  dosDate: number
  crc: number
  storedLength: number
  length: number
  /** Of the local header, as stated. */
  headerAt: number
  attributes: number
  /** False if sizes of 4 GiB and more can't be stated. */
  hasZip64: boolean
}

export const FLAG_ENCRYPTED = 1
/** Lengths and checksum follow the content. */
export const FLAG_DESCRIPTOR = 1 << 3
export const FLAG_PATCH = 1 << 5
export const FLAG_UTF8 = 1 << 11

/** Length of the record at `at`, of which at least `RECORD_BYTES` are there. */
export function recordLength(bytes: Buffer, at: number): number {
  return RECORD_BYTES + bytes.readUInt16LE(at + 28) + bytes.readUInt16LE(at + 30) + bytes.readUInt16LE(at + 32)
}

/** The record at `at` (APPNOTE 6.3.10, 4.3.12), all of which is in `bytes`. */
export function parseRecord(bytes: Buffer, at: number): ZipRecord {
  const nameAt = at + RECORD_BYTES
  const extraAt = nameAt + bytes.readUInt16LE(at + 28)
  const extra = bytes.subarray(extraAt, extraAt + bytes.readUInt16LE(at + 30))
  const wide = wideValues(extra)
  // the extra field holds only the values that do not fit, in this order
  const [length, storedLength, headerAt] = [24, 20, 42].map(field => {
    const value = bytes.readUInt32LE(at + field)
    return value === ELSEWHERE ? (wide.shift() ?? value) : value
  }) as [number, number, number]
  return {
    rawName: bytes.subarray(nameAt, extraAt),
    extra,
    host: bytes[at + 5]!,
    version: bytes[at + 4]!,
    flags: bytes.readUInt16LE(at + 8),
    method: bytes.readUInt16LE(at + 10),
    dosTime: bytes.readUInt16LE(at + 12),
    dosDate: bytes.readUInt16LE(at + 14),
    crc: bytes.readUInt32LE(at + 16),
    storedLength,
    length,
    headerAt,
    attributes: bytes.readUInt32LE(at + 38),
    hasZip64: extraField(extra, EXTRA_ZIP64) !== undefined,
  }
}

function wideValues(extra: Buffer): number[] {
  if (extra.length === 0) return []
  const field = extraField(extra, EXTRA_ZIP64)
  if (field === undefined) return []
  return Array.from({ length: Math.min(3, Math.floor(field.length / 8)) }, (_, i) => wideNumber(field, 8 * i))
}

/** A number of 64 bits. Beyond 2^53 it is not exact, but longer than any file. */
export function wideNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + 2 ** 32 * bytes.readUInt32LE(at + 4)
}
