import { isAscii, isUtf8 } from 'node:buffer'
import { crc32, deflateRawSync } from 'node:zlib'
import { ZipArchive } from 'archiver'
import type { KeptNames } from './entry-names.ts'

/** What archiver (its exact version is in package.json) has inside, as far as it is used here. */
interface ZipEngine {
  offset: number
  write(bytes: Uint8Array | string): boolean
  end(): void
  entry(source: unknown, data: EngineData, callback: unknown): unknown
  _normalizeEntry(entry: EngineEntry): void
  _appendBuffer(entry: EngineEntry, content: Buffer, callback: (error: null, entry: EngineEntry) => void): void
  _afterAppend(entry: EngineEntry): void
  _entries: (EngineEntry | undefined)[]
  _writeCentralFileHeader(entry: EngineEntry | undefined): void
  _writeLocalFileHeader(entry: EngineEntry): void
}

interface EngineData {
  date: Date
  type: string
  kept?: KeptNames
}

interface EngineEntry {
  time: number
  /** The content of a symlink, if its target is not UTF-8. */
  target?: Buffer | undefined
  getMethod(): number
  getName(): string | Buffer
  getGeneralPurposeBit(): { useDataDescriptor(use: boolean): void; useUTF8ForNames(use: boolean): void }
  setMethod(method: number): void
  setVersionNeededToExtract(version: number): void
  setSize(bytes: number): void
  setCompressedSize(bytes: number): void
  setCrc(sum: number): void
  setExtra(bytes: Buffer): void
}

const STORED = 0
const DEFLATED = 8
/** Versions of the format that a reader must know (APPNOTE 4.4.3.2). */
const VERSION = { [STORED]: 10, [DEFLATED]: 20 }
const PIECE_BYTES = 64 * 1024
/** The extended timestamp of Info-ZIP. */
const UT = 0x5455
const FIRST_DOS_YEAR = 1980
const LAST_DOS_YEAR = 2107

/**
 * archiver's zip, for very many files: output in pieces of 64 KiB (archiver alone holds some 25 buffers an entry at its
 * end), no objects for entries that are written, and no streams for content that is in memory. A small file is stored
 * if deflating does not make it smaller. Times are local and even seconds as zip has them, up to 2107, and seconds
 * since 1970 as well (field 0x5455), up to 2106. Names that are not UTF-8 are kept, without the flag of UTF-8, as
 * Info-ZIP writes them.
 */
export function compactZip(level: number, forceZip64: boolean): ZipArchive {
  const archive = new ZipArchive({ forceLocalTime: true, forceZip64, zlib: { level } })
  const { engine } = (archive as unknown as { _module: { engine: ZipEngine } })._module
  joinPieces(engine)
  forgetEntries(engine)
  deflateAtOnce(engine, level)
  keepFields(engine)
  return archive
}

/** Joins small pieces. */
class Joiner {
  private held: Uint8Array[] = []
  heldBytes = 0
  private readonly take: (bytes: Buffer) => boolean

  constructor(take: (bytes: Buffer) => boolean) {
    this.take = take
  }

  add(piece: Uint8Array): boolean {
    this.held.push(piece)
    this.heldBytes += piece.length
    return this.heldBytes < PIECE_BYTES || this.flush()
  }

  flush(): boolean {
    const bytes = Buffer.concat(this.held, this.heldBytes)
    this.held = []
    this.heldBytes = 0
    return bytes.length === 0 || this.take(bytes)
  }
}

function joinPieces(engine: ZipEngine): void {
  const write = engine.write.bind(engine)
  const end = engine.end.bind(engine)
  const joiner = new Joiner(bytes => {
    // archiver counts what it writes, and was told already
    engine.offset -= bytes.length
    return write(bytes)
  })
  engine.write = piece => {
    const bytes = typeof piece === 'string' ? Buffer.from(piece) : piece
    engine.offset += bytes.length
    return joiner.add(bytes)
  }
  engine.end = () => {
    joiner.flush()
    end()
  }
}

/** Makes the directory entry by entry: only its bytes are kept. */
function forgetEntries(engine: ZipEngine): void {
  const afterAppend = engine._afterAppend.bind(engine)
  const writeHeader = engine._writeCentralFileHeader.bind(engine)
  const directory: Buffer[] = []
  const joiner = new Joiner(bytes => directory.push(bytes) > 0)
  const write = engine.write.bind(engine)
  let isHeader = false
  engine.write = piece => (isHeader ? joiner.add(typeof piece === 'string' ? Buffer.from(piece) : piece) : write(piece))
  engine._afterAppend = entry => {
    isHeader = true
    try {
      writeHeader(entry)
    } finally {
      isHeader = false
    }
    afterAppend(entry)
    engine._entries[engine._entries.length - 1] = undefined
  }
  // is called for each entry, when all are written
  engine._writeCentralFileHeader = () => {
    joiner.flush()
    for (const bytes of directory.splice(0)) engine.write(bytes)
  }
}

function deflateAtOnce(engine: ZipEngine, level: number): void {
  engine._appendBuffer = (entry, given, callback) => {
    const content = entry.target ?? given
    const deflated = entry.getMethod() === STORED || content.length === 0 ? content : deflateRawSync(content, { level })
    const method = deflated.length < content.length ? DEFLATED : STORED
    const bytes = method === DEFLATED ? deflated : content
    entry.setMethod(method)
    entry.setVersionNeededToExtract(VERSION[method])
    entry.getGeneralPurposeBit().useDataDescriptor(false)
    entry.setSize(content.length)
    entry.setCompressedSize(bytes.length)
    entry.setCrc(crc32(content))
    engine._writeLocalFileHeader(entry)
    engine.write(bytes)
    engine._afterAppend(entry)
    callback(null, entry)
  }
}

/** Writes times and names as they are. */
function keepFields(engine: ZipEngine): void {
  const enter = engine.entry.bind(engine)
  const normalize = engine._normalizeEntry.bind(engine)
  let data: EngineData | undefined
  engine.entry = (source, given, callback) => {
    data = given
    return enter(source, given, callback)
  }
  engine._normalizeEntry = entry => {
    normalize(entry)
    const { date, type, kept } = data!
    entry.time = dosTime(date)
    const seconds = date.getTime() / 1000
    if (seconds >= 0 && seconds < 2 ** 32) entry.setExtra(extendedTimestamp(seconds))
    if (kept === undefined) return
    const { name } = kept
    entry.getName = () => name
    entry.getGeneralPurposeBit().useUTF8ForNames(isUtf8(name) && !isAscii(name))
    if (type === 'symlink') entry.target = kept.target
  }
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

function extendedTimestamp(seconds: number): Buffer {
  const field = Buffer.allocUnsafe(9)
  field.writeUInt16LE(UT, 0)
  field.writeUInt16LE(5, 2)
  // of the three times that it may have, the modification time alone
  field.writeUInt8(1, 4)
  field.writeUInt32LE(seconds, 5)
  return field
}
