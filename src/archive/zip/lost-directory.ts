import { DirectoryError, readRecords } from './directory.ts'
import { readLocalHeader, type LocalHeader } from './local-header.ts'
import type { RangeReader } from './range-reader.ts'
import { DESCRIPTOR_MAGIC, FLAG_DESCRIPTOR, LOCAL_MAGIC, RECORD_MAGIC, wideNumber, type ZipRecord } from './record.ts'

const WRAP = 2 ** 32
const PK = Buffer.from('PK')
/** Signature, checksum and two lengths of 8 bytes each. */
const MAX_DESCRIPTOR_BYTES = 24
/** Searches look at so many bytes at a time. */
const WINDOW_BYTES = 128 * 1024

/** What the walk along the headers found, when it ended. */
interface WalkEnd {
  /** Where a directory begins; undefined if the file ends before. */
  directoryAt: number | undefined
  /** Whether bytes were passed over that belong to no entry. */
  hasGaps: boolean
}

/** What is left of a zip whose directory can't be found. */
export interface Lost {
  records: AsyncGenerator<ZipRecord>
  /** How many of those that were read are not in the directory. */
  unlisted: number
  hasGaps: boolean
}

/**
 * The entries of a zip that has lost its end, by their headers and by what is left of the directory, without which they
 * have no attributes. Of one that the end cuts off, the length says so. Time: linear in the length of the file. Memory:
 * that of what is left of the directory.
 */
export async function findLost(file: RangeReader): Promise<Lost> {
  const headers = walk(file)
  let step = await headers.next()
  while (step.done !== true) step = await headers.next()
  const { directoryAt, hasGaps } = step.value
  const listed = directoryAt === undefined ? new Map<number, ZipRecord>() : await recordsAt(file, directoryAt)
  async function* records(): AsyncGenerator<ZipRecord> {
    for await (const header of walk(file)) {
      const record = listed.get(header.headerAt)
      const isListed = record?.rawName.equals(header.rawName) === true
      if (!isListed) lost.unlisted++
      const { host, version, attributes, extra } = isListed ? record : header
      // lengths are those that were found: nothing is missing in them
      yield { ...header, host, version, attributes, extra, hasZip64: true }
    }
  }
  const lost: Lost = { records: records(), unlisted: 0, hasGaps }
  return lost
}

async function recordsAt(file: RangeReader, start: number): Promise<Map<number, ZipRecord>> {
  const records = new Map<number, ZipRecord>()
  const place = { start, end: file.size, length: file.size - start, count: 0, base: 0, wraps: false }
  try {
    for await (const record of readRecords(file, place))
      records.set(record.headerAt, { ...record, rawName: Buffer.from(record.rawName), extra: Buffer.from(record.extra) })
  } catch (error) {
    if (!(error instanceof DirectoryError)) throw error
  }
  return records
}

async function* walk(file: RangeReader): AsyncGenerator<LocalHeader, WalkEnd> {
  let hasGaps = false
  for (let at = 0; ;) {
    const header = await readLocalHeader(file, at)
    if (header === undefined || header.rawName.length === 0) {
      if ((await magicAt(file, at)) === RECORD_MAGIC) return { directoryAt: at, hasGaps }
      const next = await search(file, at + 1, (bytes, found) => [LOCAL_MAGIC, RECORD_MAGIC].includes(magicOf(bytes, found)))
      if (next === undefined) return { directoryAt: undefined, hasGaps: hasGaps || at < file.size }
      hasGaps = true
      at = next
      continue
    }
    const whole = isStreamed(header) ? await withDescriptor(file, header) : header
    yield whole
    const end = whole.contentAt + whole.storedLength
    if (end >= file.size) return { directoryAt: undefined, hasGaps }
    at = await afterContent(file, whole, end)
  }
}

/** Where the next header is. If a wrong length leads nowhere, the search goes on where the content begins. */
async function afterContent(file: RangeReader, { flags, contentAt }: LocalHeader, end: number): Promise<number> {
  const trailing = (flags & FLAG_DESCRIPTOR) === 0 ? [0] : [0, 12, 16, 20, 24]
  for (const bytes of trailing) if ([LOCAL_MAGIC, RECORD_MAGIC].includes(await magicAt(file, end + bytes))) return end + bytes
  return end + MAX_DESCRIPTOR_BYTES > file.size ? file.size : contentAt
}

function isStreamed({ flags, storedLength, length }: LocalHeader): boolean {
  return (flags & FLAG_DESCRIPTOR) !== 0 && storedLength === 0 && length === 0
}

/**
 * Lengths and checksum stand behind the content (APPNOTE 6.3.10, 4.3.9): with a signature, or right before the next
 * header. They are recognized by the length that they state. If they are not there, the entry ends behind the file.
 */
async function withDescriptor(file: RangeReader, header: LocalHeader): Promise<LocalHeader> {
  const { contentAt } = header
  let found: Pick<LocalHeader, 'crc' | 'storedLength' | 'length'> | undefined
  const isEnd = (bytes: Buffer, at: number, position: number): boolean => {
    const magic = magicOf(bytes, at)
    const isSigned = magic === DESCRIPTOR_MAGIC
    if (!isSigned && magic !== LOCAL_MAGIC && magic !== RECORD_MAGIC) return false
    const crcAt = isSigned ? at + 4 : at - 12
    const storedLength = position - contentAt - (isSigned ? 0 : 12)
    if (crcAt < 0 || storedLength < 0 || bytes.readUInt32LE(crcAt + 4) !== storedLength % WRAP) return false
    const isWide = isSigned && at + 24 <= bytes.length && wideNumber(bytes, at + 8) === storedLength && isPk(bytes, at + 24)
    const length = isWide ? wideNumber(bytes, at + 16) : bytes.readUInt32LE(crcAt + 8)
    found = { crc: bytes.readUInt32LE(crcAt), storedLength, length }
    return true
  }
  await search(file, contentAt, isEnd)
  return { ...header, ...(found ?? { storedLength: file.size }) }
}

function isPk(bytes: Buffer, at: number): boolean {
  return bytes.subarray(at, at + 2).equals(PK)
}

/** 0 if the bytes end before. */
function magicOf(bytes: Buffer, at: number): number {
  return at + 4 <= bytes.length ? bytes.readUInt32LE(at) : 0
}

async function magicAt(file: RangeReader, at: number): Promise<number> {
  return at + 4 <= file.size ? (await file.read(at, at + 4)).readUInt32LE() : 0
}

/**
 * The first position from `start` on where `PK` is and `isIt` says so, which gets bytes, the place of it in them, and
 * its position. At least 12 bytes before it and 26 from it on are there, unless the file has none.
 */
async function search(
  file: RangeReader,
  start: number,
  isIt: (bytes: Buffer, at: number, position: number) => boolean,
): Promise<number | undefined> {
  for (let from = start; from < file.size; from += WINDOW_BYTES) {
    const first = Math.max(0, from - 12)
    const bytes = await file.read(first, Math.min(file.size, from + WINDOW_BYTES + MAX_DESCRIPTOR_BYTES + 2))
    const limit = from - first + WINDOW_BYTES
    for (let at = bytes.indexOf(PK, from - first); at !== -1 && at < limit; at = bytes.indexOf(PK, at + 1))
      if (at + 16 <= bytes.length && isIt(bytes, at, first + at)) return first + at
  }
  return undefined
}
