import { asCount, MAX_NAME_LENGTH, MAX_TENSORS, type ReadAt, readExactly, refuse } from './span.ts'

export interface ZipMember {
  name: string
  /** Offset of the local header. The distance from there to the data is stated only in the local header. */
  headerAt: number
  /** Uncompressed and compressed size in bytes. */
  length: number
  storedLength: number
  method: number
  /** CRC-32 of the uncompressed bytes, as stated. PyTorch can leave it out of stored members. */
  crc: number
}

/** A member that is stored without compression. */
export type StoredMember = Pick<ZipMember, 'name' | 'headerAt' | 'length'>

const LOCAL_MAGIC = 0x04034b50
const CENTRAL_MAGIC = 0x02014b50
const END_MAGIC = 0x06054b50
const END64_MAGIC = 0x06064b50
const LOCATOR64_MAGIC = 0x07064b50
const LOCAL_BYTES = 30
const CENTRAL_BYTES = 46
const END_BYTES = 22
const END64_BYTES = 56
const LOCATOR64_BYTES = 20
const MAX_COMMENT_BYTES = 0xffff
const MAX_DIRECTORY_BYTES = 16 * 1024 * 1024

const METHOD_STORED = 0
export const METHOD_DEFLATED = 8
const FLAG_ENCRYPTED = 1
const EXTRA_ZIP64 = 1
/** A 32-bit field has this value if the real one is in the ZIP64 extra field. */
const ELSEWHERE = 0xffffffff

interface Directory {
  offset: number
  length: number
  members: number
}

export function isZip(start: Uint8Array): boolean {
  return start.length >= 4 && Buffer.from(start).readUInt32LE() === LOCAL_MAGIC
}

/** All stored members, in the order of the central directory. Time and memory: as for `readMembers`. */
export async function readStoredMembers(size: number, read: ReadAt): Promise<StoredMember[]> {
  const stored = (await readMembers(size, read)).filter(isStored)
  return stored.every(({ length, storedLength }) => length === storedLength) ? stored : refuse('a stored member changes its size')
}

export function isStored({ method }: ZipMember): boolean {
  return method === METHOD_STORED
}

/**
 * All members that are not encrypted, in the order of the central directory. Refuses members that share bytes: so what
 * is read of all members together is no more than the file. Time and memory: linear in the length of the directory,
 * which has at most 16 MiB.
 */
export async function readMembers(size: number, read: ReadAt): Promise<ZipMember[]> {
  const { offset, length, members } = await findDirectory(size, read)
  if (length > MAX_DIRECTORY_BYTES || members > MAX_TENSORS || members * CENTRAL_BYTES > length) refuse('its directory is too large')
  if (offset + length > size) refuse('its directory lies outside of it')
  const directory = Buffer.from(await readExactly(read, offset, length))
  const found: ZipMember[] = []
  for (let i = 0, at = 0; i < members; i++) {
    if (at + CENTRAL_BYTES > length || directory.readUInt32LE(at) !== CENTRAL_MAGIC) refuse('its directory is damaged')
    const nameAt = at + CENTRAL_BYTES
    const extraAt = nameAt + directory.readUInt16LE(at + 28)
    const commentAt = extraAt + directory.readUInt16LE(at + 30)
    const end = commentAt + directory.readUInt16LE(at + 32)
    if (end > length) refuse('its directory is damaged')
    if ((directory.readUInt16LE(at + 8) & FLAG_ENCRYPTED) === 0) {
      const method = directory.readUInt16LE(at + 10)
      const crc = directory.readUInt32LE(at + 16)
      const sizes = readSizes(directory.subarray(at, nameAt), directory.subarray(extraAt, commentAt))
      const name = directory.toString('utf8', nameAt, extraAt)
      if (name.length > MAX_NAME_LENGTH) refuse('a name is absurdly long')
      found.push({ name, method, crc, ...sizes })
    }
    at = end
  }
  checkApart(found)
  return found
}

function checkApart(members: readonly ZipMember[]): void {
  let end = 0
  for (const { headerAt, storedLength } of [...members].sort((a, b) => a.headerAt - b.headerAt)) {
    if (headerAt < end) refuse('two members share bytes')
    end = asCount(headerAt + LOCAL_BYTES + storedLength)
  }
}

/** Offset of a member's data in the archive. */
export async function dataOffset(member: StoredMember & { storedLength?: number }, size: number, read: ReadAt): Promise<number> {
  const { headerAt, storedLength: length = member.length } = member
  if (headerAt + LOCAL_BYTES > size) refuse('a member lies outside of it')
  const header = Buffer.from(await readExactly(read, headerAt, LOCAL_BYTES))
  if (header.readUInt32LE() !== LOCAL_MAGIC) refuse('a member has no header')
  const offset = headerAt + LOCAL_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28)
  return offset + length <= size ? offset : refuse('a member lies outside of it')
}

async function findDirectory(size: number, read: ReadAt): Promise<Directory> {
  const tailBytes = Math.min(size, LOCATOR64_BYTES + END_BYTES + MAX_COMMENT_BYTES)
  const tail = Buffer.from(await readExactly(read, size - tailBytes, tailBytes))
  for (let at = tailBytes - END_BYTES; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== END_MAGIC || at + END_BYTES + tail.readUInt16LE(at + 20) !== tailBytes) continue
    const directory64 = await findDirectory64(tail, at - LOCATOR64_BYTES, size, read)
    return directory64 ?? { members: tail.readUInt16LE(at + 10), length: tail.readUInt32LE(at + 12), offset: tail.readUInt32LE(at + 16) }
  }
  return refuse('it has no directory')
}

async function findDirectory64(tail: Buffer, locatorAt: number, size: number, read: ReadAt): Promise<Directory | undefined> {
  if (locatorAt < 0 || tail.readUInt32LE(locatorAt) !== LOCATOR64_MAGIC) return undefined
  const endAt = readCount64(tail, locatorAt + 8)
  if (endAt + END64_BYTES > size) refuse('its directory lies outside of it')
  const end = Buffer.from(await readExactly(read, endAt, END64_BYTES))
  if (end.readUInt32LE() !== END64_MAGIC) refuse('its directory is damaged')
  return { members: readCount64(end, 32), length: readCount64(end, 40), offset: readCount64(end, 48) }
}

/** The sizes in a record of the central directory and its extra fields. */
function readSizes(record: Buffer, extra: Buffer): Pick<ZipMember, 'length' | 'storedLength' | 'headerAt'> {
  const wide = wideFields(extra)
  // the ZIP64 field holds only the values that do not fit, in this order
  const [length, storedLength, headerAt] = [24, 20, 42].map(at => {
    const value = record.readUInt32LE(at)
    return value === ELSEWHERE ? (wide.shift() ?? refuse('a size is missing')) : value
  }) as [number, number, number]
  return { length, storedLength, headerAt }
}

function wideFields(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length;) {
    const start = at + 4
    const end = start + extra.readUInt16LE(at + 2)
    if (end > extra.length) break
    if (extra.readUInt16LE(at) === EXTRA_ZIP64) {
      return Array.from({ length: Math.min(3, Math.floor((end - start) / 8)) }, (_, i) => readCount64(extra, start + 8 * i))
    }
    at = end
  }
  return []
}

function readCount64(bytes: Buffer, at: number): number {
  return asCount(Number(bytes.readBigUInt64LE(at)))
}

/** Throws `corrupt` if an archive does not end with its directory: it is truncated, or still being written. */
export async function checkZipEnd(size: number, read: ReadAt): Promise<void> {
  const { offset, length, members } = await findDirectory(size, read)
  if (offset + length > size) refuse('its directory lies outside of it')
  if (members === 0) return
  const start = Buffer.from(await readExactly(read, offset, 4))
  // a half-written archive may end with the directory of an archive inside it
  if (start.readUInt32LE() !== CENTRAL_MAGIC) refuse('its directory is damaged')
}
