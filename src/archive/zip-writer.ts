import { crc32, createDeflateRaw, deflateRawSync } from 'node:zlib'
import { looksCompressed } from '../compression/sample.ts'
import type { ArchiveEncoder, EntryHead } from './archive-encoder.ts'
import { pipeThrough, type ByteStream } from './byte-stream.ts'

const [LOCAL_MAGIC, RECORD_MAGIC, DESCRIPTOR_MAGIC, END_MAGIC] = [0x04034b50, 0x02014b50, 0x08074b50, 0x06054b50]
const [END64_MAGIC, LOCATOR64_MAGIC] = [0x06064b50, 0x07064b50]
const [STORED, DEFLATED] = [0, 8]
/** Versions of the format that a reader must know (APPNOTE 4.4.3.2). */
const [VERSION_STORED, VERSION_DEFLATED, VERSION_64] = [10, 20, 45]
const FLAG_DESCRIPTOR = 1 << 3
const FLAG_UTF8 = 1 << 11
const HOST_UNIX = 3
const FORMATS = { file: 0o100000, hardlink: 0o100000, directory: 0o40000, symlink: 0o120000 }
const DOS_FOLDER = 0x10
const [EXTRA_ZIP64, EXTRA_TIMES] = [1, 0x5455]
const [MAX_16, MAX_32] = [0xffff, 0xffffffff]
/** From this size on, what deflate makes of a file may need 64 bits for its length. */
const WIDE_BYTES = 4_000_000_000
const [FIRST_DOS_YEAR, LAST_DOS_YEAR] = [1980, 2107]
const PIECE_BYTES = 64 * 1024
const EMPTY = Buffer.alloc(0)

/** What both headers of an entry say. */
interface Fields {
  name: Buffer
  version: number
  flags: number
  method: number
  dosTime: number
  crc: number
  storedLength: number
  length: number
}

/**
 * Writes zip (APPNOTE 6.3.10): stored and deflated files, ZIP64 where it is needed. A small file is stored if deflating
 * does not make it smaller. Names that are not UTF-8 stay bytes, without the flag of UTF-8, as Info-ZIP has them. Times
 * are local and even seconds as zip has them, from 1980 to 2107, and seconds since 1970 as well (field 0x5455), to
 * 2106. Memory: that of the directory.
 */
export class ZipEncoder implements ArchiveEncoder {
  private readonly level: number
  private offset = 0
  private count = 0
  private directory: Buffer[] = []
  private records: Buffer[] = []
  private recordBytes = 0

  /** `level`: of deflate. */
  constructor(level: number) {
    this.level = level
  }

  small(head: EntryHead, content: Buffer): Uint8Array[] {
    const plain = head.type === 'symlink' ? head.target : content
    const isStored = head.type !== 'file' || plain.length === 0 || looksCompressed(plain)
    const deflated = isStored ? plain : deflateRawSync(plain, { level: this.level })
    const method = deflated.length < plain.length ? DEFLATED : STORED
    const stored = method === DEFLATED ? deflated : plain
    const version = method === DEFLATED ? VERSION_DEFLATED : VERSION_STORED
    const lengths = { crc: crc32(plain), storedLength: stored.length, length: plain.length }
    const fields = { ...fieldsOf(head), method, version, ...lengths }
    const local = localHeader(fields, timesOf(head))
    this.add(head, fields, local.length + stored.length)
    return [local, stored]
  }

  async *large(head: EntryHead, size: number, content: ByteStream): AsyncGenerator<Uint8Array> {
    const isWide = size >= WIDE_BYTES
    const fields = {
      ...fieldsOf(head),
      method: DEFLATED,
      version: isWide ? VERSION_64 : VERSION_DEFLATED,
      crc: 0,
      storedLength: 0,
      length: size,
    }
    fields.flags |= FLAG_DESCRIPTOR
    const unknown = isWide ? { storedLength: MAX_32, length: MAX_32 } : { length: 0 }
    const local = localHeader({ ...fields, ...unknown }, isWide ? Buffer.concat([wideField(0, 0), timesOf(head)]) : timesOf(head))
    yield local
    async function* summed(): AsyncGenerator<Uint8Array> {
      for await (const piece of content) {
        fields.crc = crc32(piece, fields.crc)
        yield piece
      }
    }
    for await (const piece of pipeThrough(summed(), createDeflateRaw({ level: this.level, chunkSize: PIECE_BYTES }))) {
      fields.storedLength += piece.length
      yield piece
    }
    const lengthBytes = isWide ? 8 : 4
    const descriptor = numbers([4, DESCRIPTOR_MAGIC], [4, fields.crc], [lengthBytes, fields.storedLength], [lengthBytes, size])
    this.add(head, fields, local.length + fields.storedLength + descriptor.length)
    yield descriptor
  }

  end(): Uint8Array[] {
    this.joinRecords()
    const length = this.directory.reduce((sum, bytes) => sum + bytes.length, 0)
    const { offset, count } = this
    const endAt = offset + length
    const isWide = count >= MAX_16 || offset >= MAX_32 || length >= MAX_32
    const versions = [2, VERSION_64] as const
    const end64 = numbers([4, END64_MAGIC], [8, 44], versions, versions, [8, 0], [8, count], [8, count], [8, length], [8, offset])
    const locator = numbers([4, LOCATOR64_MAGIC], [4, 0], [8, endAt], [4, 1])
    const counts = [2, Math.min(count, MAX_16)] as const
    const end = numbers([4, END_MAGIC], [4, 0], counts, counts, [4, Math.min(length, MAX_32)], [4, Math.min(offset, MAX_32)], [2, 0])
    return [...this.directory, ...(isWide ? [end64, locator] : []), end]
  }

  /** Adds an entry to the directory that takes so many bytes. */
  private add(head: EntryHead, fields: Fields, bytes: number): void {
    this.records.push(recordOf(head, fields, this.offset))
    this.recordBytes += this.records.at(-1)!.length
    this.offset += bytes
    this.count++
    if (this.recordBytes >= PIECE_BYTES) this.joinRecords()
  }

  /** Many small buffers take several times their bytes. */
  private joinRecords(): void {
    this.directory.push(Buffer.concat(this.records))
    this.records = []
    this.recordBytes = 0
  }
}

function fieldsOf({ name, seconds }: EntryHead): Pick<Fields, 'name' | 'flags' | 'dosTime'> {
  const isAscii = name.every(byte => byte < 0x80)
  const isUtf8 = isAscii || Buffer.from(name.toString()).equals(name)
  return { name, flags: isUtf8 && !isAscii ? FLAG_UTF8 : 0, dosTime: dosTime(new Date(seconds * 1000)) }
}

function localHeader(fields: Fields, extra: Buffer): Buffer {
  return Buffer.concat([numbers([4, LOCAL_MAGIC], ...commonFields(fields, extra.length)), fields.name, extra])
}

function commonFields({ name, version, flags, method, dosTime, crc, storedLength, length }: Fields, extraLength: number): Field[] {
  return [[2, version], [2, flags], [2, method], [4, dosTime], [4, crc], [4, storedLength], [4, length], [2, name.length], [2, extraLength]] // prettier-ignore
}

function recordOf(head: EntryHead, fields: Fields, offset: number): Buffer {
  const { storedLength, length } = fields
  const isWide = storedLength >= MAX_32 || length >= MAX_32 || offset >= MAX_32
  const extra = isWide ? Buffer.concat([wideField(length, storedLength, offset), timesOf(head)]) : timesOf(head)
  const stated = isWide ? { ...fields, storedLength: MAX_32, length: MAX_32, version: VERSION_64 } : fields
  const attributes = ((head.mode & 0o7777) | FORMATS[head.type]) * 2 ** 16 + (head.type === 'directory' ? DOS_FOLDER : 0)
  const header = numbers(
    [4, RECORD_MAGIC],
    [1, VERSION_64],
    [1, HOST_UNIX],
    ...commonFields(stated, extra.length),
    [2, 0],
    [2, 0],
    [2, 0],
    [4, attributes],
    [4, isWide ? MAX_32 : offset],
  )
  return Buffer.concat([header, fields.name, extra])
}

function wideField(...values: number[]): Buffer {
  return numbers([2, EXTRA_ZIP64], [2, 8 * values.length], ...values.map((value): Field => [8, value]))
}

/** The extended timestamp of Info-ZIP: of its three times the last change alone. */
function timesOf({ seconds }: EntryHead): Buffer {
  return seconds >= 0 && seconds < 2 ** 32 ? numbers([2, EXTRA_TIMES], [2, 5], [1, 1], [4, seconds]) : EMPTY
}

/** Local time, in the form of APPNOTE 4.4.6. */
function dosTime(date: Date): number {
  const year = date.getFullYear()
  if (year < FIRST_DOS_YEAR) return dosTime(new Date(FIRST_DOS_YEAR, 0, 1))
  if (year > LAST_DOS_YEAR) return dosTime(new Date(LAST_DOS_YEAR, 11, 31, 23, 59, 58))
  const day = ((year - FIRST_DOS_YEAR) << 9) | ((date.getMonth() + 1) << 5) | date.getDate()
  const time = (date.getHours() << 11) | (date.getMinutes() << 5) | (date.getSeconds() >> 1)
  return ((day << 16) | time) >>> 0
}

type Field = readonly [bytes: 1 | 2 | 4 | 8, value: number]

/** Numbers of so many bytes each, the lowest byte first. */
function numbers(...fields: readonly Field[]): Buffer {
  const out = Buffer.allocUnsafe(fields.reduce((sum, [bytes]) => sum + bytes, 0))
  let at = 0
  for (const [bytes, value] of fields) {
    if (bytes === 8) out.writeBigUInt64LE(BigInt(value), at)
    else out.writeUIntLE(value, at, bytes)
    at += bytes
  }
  return out
}
