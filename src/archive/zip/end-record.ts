import { AppError } from '../../util/errors.ts'
import type { RangeReader } from './range-reader.ts'
import { DESCRIPTOR_MAGIC, LOCAL_MAGIC, parseRecord, RECORD_BYTES, RECORD_MAGIC, recordLength, wideNumber } from './record.ts'

const END_MAGIC = Buffer.from('PK\x05\x06')
const END_BYTES = 22
const LOCATOR64_MAGIC = 0x07064b50
const LOCATOR64_BYTES = 20
const END64_MAGIC = 0x06064b50
const END64_BYTES = 56
/** The end record is looked for in so many last bytes: a comment, padding or a signature may follow it. */
const TAIL_BYTES = 1024 * 1024
/** More are not looked at: each costs a read. */
const MAX_CANDIDATES = 16
const WRAP = 2 ** 32

/** Where the directory is. Offsets are positions in the file. */
export interface DirectoryPlace {
  start: number
  /** Where the end records begin. */
  end: number
  /** Stated length, and number of entries, of which programs that don't know ZIP64 store the low 16 bits. */
  length: number
  count: number
  /** Added to stated offsets: what stands before the archive in the file, such as a program that extracts it. */
  base: number
  /** Offsets are stored modulo 2^32, as the Archive Utility of macOS writes them in long archives. */
  wraps: boolean
}

/** What the end records state. */
interface End {
  /** Position of the first of them. */
  at: number
  count: number
  length: number
  offset: number
  /** Number of the part that this is; 0 for an archive in one piece. */
  part: number
}

/**
 * Finds the directory of a zip by the end record (APPNOTE 6.3.10, 4.3.14 to 4.3.16). Undefined if there is none.
 * Throws `unsupported` for a part of an archive in several. Time: bounded by a constant.
 */
export async function findDirectory(file: RangeReader): Promise<DirectoryPlace | undefined> {
  const tailAt = Math.max(0, file.size - TAIL_BYTES)
  const tail = await file.read(tailAt, file.size)
  let candidates = 0
  let empty: DirectoryPlace | undefined
  for (
    let at = tail.lastIndexOf(END_MAGIC);
    at >= 0 && candidates < MAX_CANDIDATES;
    at = at === 0 ? -1 : tail.lastIndexOf(END_MAGIC, at - 1)
  ) {
    if (at + END_BYTES > tail.length) continue
    candidates++
    const end = await withEnd64(file, readEnd(tail.subarray(at), tailAt + at))
    if (end.part !== 0) throw oneOfSeveral()
    const place = await locate(file, end)
    if (place !== undefined) return place
    // other end records come first: this one may be part of a comment
    if (end.count === 0 && end.length === 0) empty ??= { start: end.at, end: end.at, length: 0, count: 0, base: 0, wraps: false }
  }
  if (empty !== undefined) return empty
  if (file.size >= 4 && (await file.read(0, 4)).readUInt32LE() === DESCRIPTOR_MAGIC) throw oneOfSeveral()
  return undefined
}

function readEnd(bytes: Buffer, at: number): End {
  return {
    at,
    part: bytes.readUInt16LE(4),
    count: bytes.readUInt16LE(10),
    length: bytes.readUInt32LE(12),
    offset: bytes.readUInt32LE(16),
  }
}

/** The ZIP64 records, if there are any, hold what does not fit. */
async function withEnd64(file: RangeReader, end: End): Promise<End> {
  const locatorAt = end.at - LOCATOR64_BYTES
  if (locatorAt < 0) return end
  const locator = await file.read(locatorAt, end.at)
  if (locator.readUInt32LE() !== LOCATOR64_MAGIC) return end
  // where it is stated to be, or right before the locator, if something was put before the archive
  for (const at of [wideNumber(locator, 8), locatorAt - END64_BYTES]) {
    if (at < 0 || at + END64_BYTES > locatorAt) continue
    const wide = await file.read(at, at + END64_BYTES)
    if (wide.readUInt32LE() !== END64_MAGIC) continue
    return {
      at,
      part: end.part === 0xffff ? wide.readUInt32LE(16) : end.part,
      count: end.count === 0xffff ? wideNumber(wide, 32) : end.count,
      length: end.length === 0xffffffff ? wideNumber(wide, 40) : end.length,
      offset: end.offset === 0xffffffff ? wideNumber(wide, 48) : end.offset,
    }
  }
  return end
}

async function locate(file: RangeReader, { at: end, count, length, offset }: End): Promise<DirectoryPlace | undefined> {
  let second: DirectoryPlace | undefined
  // it ends where the end records begin, unless something stands between them
  for (const start of [end - length, offset]) {
    const before = start - offset
    const wraps = before > 0 && before % WRAP === 0
    const place = { start, end, length, count, base: wraps ? 0 : before, wraps }
    const found = await look(file, place)
    if (found === 'certain') return place
    if (found === 'likely') second ??= place
  }
  return second
}

/** Whether a directory is there whose first entry is there too. */
async function look(file: RangeReader, { start, end, base }: DirectoryPlace): Promise<'certain' | 'likely' | 'nothing'> {
  if (start < 0 || start + RECORD_BYTES > end) return 'nothing'
  const head = await file.read(start, start + RECORD_BYTES)
  if (head.readUInt32LE() !== RECORD_MAGIC) return 'nothing'
  const recordEnd = start + recordLength(head, 0)
  if (recordEnd > end) return 'likely'
  const headerAt = parseRecord(await file.read(start, recordEnd), 0).headerAt + base
  if (!(headerAt >= 0 && headerAt + 4 <= file.size)) return 'likely'
  return (await file.read(headerAt, headerAt + 4)).readUInt32LE() === LOCAL_MAGIC ? 'certain' : 'likely'
}

function oneOfSeveral(): AppError {
  return new AppError('unsupported', 'This is one part of a zip archive in several.', {
    hint: 'Put all parts into one folder and use 7z x on the one that ends with .zip, or join them first: zip -s 0 PARTS.zip --out WHOLE.zip',
  })
}
