import { extraField } from './extra-fields.ts'
import type { RangeReader } from './range-reader.ts'
import { EXTRA_ZIP64, FLAG_DESCRIPTOR, FLAG_ENCRYPTED, LOCAL_BYTES, LOCAL_MAGIC, wideNumber, type ZipRecord } from './record.ts'

const WRAP = 2 ** 32
/** As in the directory. */
const ELSEWHERE = WRAP - 1
const HOST_UNIX = 3

/** What stands before the content of an entry. It has no attributes and no host: those are in the directory. */
export interface LocalHeader extends ZipRecord {
  /** Where the content begins. */
  contentAt: number
}

/** The local header at `start` (APPNOTE 6.3.10, 4.3.7). Undefined if none is there, or if the file ends in it. */
export async function readLocalHeader(file: RangeReader, start: number): Promise<LocalHeader | undefined> {
  if (!(start >= 0 && start + LOCAL_BYTES <= file.size)) return undefined
  const fixed = await file.read(start, start + LOCAL_BYTES)
  if (fixed.readUInt32LE() !== LOCAL_MAGIC) return undefined
  const nameLength = fixed.readUInt16LE(26)
  const contentAt = start + LOCAL_BYTES + nameLength + fixed.readUInt16LE(28)
  if (contentAt > file.size) return undefined
  const rest = await file.read(start + LOCAL_BYTES, contentAt)
  const extra = rest.subarray(nameLength)
  const wide = extra.length === 0 ? undefined : extraField(extra, EXTRA_ZIP64)
  const lengthOf = (at: number, wideAt: number): number => {
    const value = fixed.readUInt32LE(at)
    return value === ELSEWHERE && wide !== undefined && wide.length >= wideAt + 8 ? wideNumber(wide, wideAt) : value
  }
  return {
    rawName: rest.subarray(0, nameLength),
    extra,
    host: HOST_UNIX,
    version: fixed.readUInt16LE(4),
    flags: fixed.readUInt16LE(6),
    method: fixed.readUInt16LE(8),
    dosTime: fixed.readUInt16LE(10),
    dosDate: fixed.readUInt16LE(12),
    crc: fixed.readUInt32LE(14),
    storedLength: lengthOf(18, 8),
    length: lengthOf(22, 0),
    headerAt: start,
    attributes: 0,
    hasZip64: wide !== undefined,
    contentAt,
  }
}

/**
 * What the directory and the local header say differently of an entry; undefined if they agree. Only one of the two can
 * be right, and programs differ in which one they read. `paths` are both names, decoded.
 */
export function contradictionOf(record: ZipRecord, local: LocalHeader, paths: () => [string, string]): string | undefined {
  if (!record.rawName.equals(local.rawName)) {
    const [path, localPath] = paths().map(text => text.replaceAll('\\', '/')) as [string, string]
    if (path !== localPath) return `its header calls it ${localPath}`
  }
  if (record.method !== local.method) return 'its header states another method'
  if ((record.flags & FLAG_ENCRYPTED) !== (local.flags & FLAG_ENCRYPTED)) return 'only one of them says that it is encrypted'
  // what follows the content is not known before it
  const isStated = (local.flags & FLAG_DESCRIPTOR) === 0 && (local.crc !== 0 || local.storedLength !== 0 || local.length !== 0)
  if (!isStated) return undefined
  if (record.crc !== local.crc) return 'its header states another checksum'
  const isEqual = (a: number, b: number): boolean => a % WRAP === b % WRAP
  return isEqual(record.length, local.length) && isEqual(record.storedLength, local.storedLength)
    ? undefined
    : 'its header states another length'
}
