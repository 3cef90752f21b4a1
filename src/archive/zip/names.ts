import { crc32 } from 'node:zlib'
import { decodeFileName } from '../../util/paths.ts'
import { decodeCp437, decodeWith, type CodePage } from './code-pages.ts'
import { extraField } from './extra-fields.ts'
import { FLAG_UTF8, type ZipRecord } from './record.ts'

const EXTRA_UNICODE_PATH = 0x7075
const HOST_FAT = 0
const HOST_OS2 = 6
const HOST_WINDOWS = [10, 11, 14]

/**
 * The path of an entry: parts are separated by `/`, and bytes in no known encoding are as `decodeFileName` represents
 * them. In this order count: the name in UTF-8 that an extra field repeats (APPNOTE 6.3.10, 4.6.9), UTF-8, flagged or
 * not, and for DOS and Windows `page`, which was guessed from all names of the archive. Else DOS has the code page 437
 * (appendix D), and the bytes of others stay as they are.
 */
export function pathOf(record: ZipRecord, page: CodePage | undefined): string {
  const name = unicodePath(record) ?? utf8(record.rawName) ?? ofCodePage(record, page)
  // programs on DOS and Windows that don't use slashes use backslashes
  return isDos(record) && !name.includes('/') ? name.replaceAll('\\', '/') : name
}

/** A name whose encoding only its bytes can tell. */
export function isOfUnknownEncoding(record: ZipRecord): boolean {
  return isDos(record) && (record.flags & FLAG_UTF8) === 0 && utf8(record.rawName) === undefined && unicodePath(record) === undefined
}

function ofCodePage({ rawName, host, flags, version }: ZipRecord, page: CodePage | undefined): string {
  const isOem = host === HOST_FAT || host === HOST_OS2 || (HOST_WINDOWS.includes(host) && version === 50)
  if ((flags & FLAG_UTF8) !== 0 || !(isOem || HOST_WINDOWS.includes(host))) return decodeFileName(rawName)
  return (page === undefined ? undefined : decodeWith(page, rawName)) ?? (isOem ? decodeCp437(rawName) : decodeFileName(rawName))
}

/** The field counts only if it was made for this very name. */
function unicodePath({ extra, rawName }: ZipRecord): string | undefined {
  if (extra.length === 0) return undefined
  const field = extraField(extra, EXTRA_UNICODE_PATH)
  if (field === undefined || field.length < 6 || field[0] !== 1 || field.readUInt32LE(1) !== crc32(rawName)) return undefined
  return utf8(field.subarray(5))
}

function utf8(bytes: Buffer): string | undefined {
  const text = bytes.toString('utf8')
  return !text.includes('\ufffd') || Buffer.from(text).equals(bytes) ? text : undefined
}

function isDos({ host }: ZipRecord): boolean {
  return host === HOST_FAT || host === HOST_OS2 || HOST_WINDOWS.includes(host)
}
