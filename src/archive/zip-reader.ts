import { crc32 } from 'node:zlib'
import { fromRandomAccessReaderPromise, getFileNameLowLevel, openPromise, type Entry, type ZipFile } from 'yauzl'
import { AppError, corrupt } from '../util/errors.ts'
import type { ByteStream } from './byte-stream.ts'
import { NO_CONTENT, type ArchiveEntry } from './entry.ts'
import { RangeReader, type RangeSource } from './range-reader.ts'
import { ZipRanges } from './zip-ranges.ts'

const S_IFMT = 0o170000
const S_IFDIR = 0o040000
const S_IFLNK = 0o120000
/** Bytes of a local header without its name and extra fields. */
const LOCAL_HEADER_BYTES = 30
const MADE_ON_UNIX = [3, 19]
const UTF8_FLAG = 0x800
/** No system allows longer symlink targets. */
const MAX_TARGET_BYTES = 64 * 1024

/** A local path, or a source that can read any range. */
export type ZipInput = string | RangeSource

/**
 * The entries of a zip file, in the order of its central directory. Each content is checked against its checksum.
 * Errors: `unsupported` for encrypted entries and for methods other than stored and deflated; `corrupt` for a wrong
 * checksum; a plain `Error` from yauzl or zlib for anything else. Time: linear in the length of the file and of the
 * contents that are read; n log n in the number of entries. Memory: that of the directory's places, and of the pieces
 * being read.
 */
export async function* readZip(place: ZipInput): AsyncGenerator<ArchiveEntry> {
  // names as bytes: their encoding is decided here
  const options = { decodeStrings: false }
  const zip =
    typeof place === 'string'
      ? await openPromise(place, options)
      : await fromRandomAccessReaderPromise(new RangeReader(place), place.size, options)
  const ranges = new ZipRanges()
  for await (const entry of zip.eachEntry()) {
    const start = entry.relativeOffsetOfLocalHeader
    if (!ranges.claim(start, start + LOCAL_HEADER_BYTES + entry.compressedSize))
      throw new Error('entries share bytes, as they do only in archives that are made to fill a disk')
    yield await toEntry(zip, entry)
  }
}

async function toEntry(zip: ZipFile, entry: Entry): Promise<ArchiveEntry> {
  const onUnix = MADE_ON_UNIX.includes(entry.versionMadeBy >>> 8)
  const mode = onUnix ? entry.externalFileAttributes >>> 16 : 0
  const path = nameOf(entry, onUnix)
  const kind = mode & S_IFMT
  const type = path.endsWith('/') || kind === S_IFDIR ? 'directory' : kind === S_IFLNK ? 'symlink' : 'file'
  if (entry.isEncrypted())
    throw new AppError('unsupported', `${path} in the archive is encrypted.`, { hint: 'Use unzip or 7z, which ask for the password.' })
  if (!entry.canDecodeFileData())
    throw new AppError('unsupported', `${path} in the archive is compressed with method ${entry.compressionMethod}.`, {
      hint: 'Only stored and deflated files are read here: use 7z.',
    })
  const content = contentOf(zip, entry, path)
  const ms = entry.getLastModDate().getTime()
  return {
    path,
    type,
    size: type === 'file' ? entry.uncompressedSize : 0,
    mode: mode === 0 ? undefined : mode & 0o7777,
    mtime: BigInt(ms) * 1_000_000n,
    target: type === 'symlink' ? await readTarget(content, entry, path) : '',
    content: type === 'file' ? content : NO_CONTENT,
  }
}

async function* contentOf(zip: ZipFile, entry: Entry, path: string): AsyncGenerator<Uint8Array> {
  const stream = await zip.openReadStreamPromise(entry)
  let sum = 0
  for await (const piece of stream as AsyncIterable<Buffer>) {
    sum = crc32(piece, sum)
    yield piece
  }
  if (sum !== entry.crc32) throw corrupt(path, 'its checksum is wrong')
}

async function readTarget(content: ByteStream, entry: Entry, path: string): Promise<string> {
  if (entry.uncompressedSize > MAX_TARGET_BYTES) throw corrupt(path, 'the target of a symlink is impossibly long')
  const pieces: Uint8Array[] = []
  for await (const piece of content) pieces.push(piece)
  return Buffer.concat(pieces).toString('utf8')
}

/** Many programs write UTF-8 without setting its flag. A name that is valid UTF-8 is treated as UTF-8. */
function nameOf(entry: Entry, onUnix: boolean): string {
  const raw = entry.fileNameRaw
  const isUtf8 = Buffer.from(raw.toString('utf8'), 'utf8').equals(raw)
  return getFileNameLowLevel(isUtf8 ? UTF8_FLAG : entry.generalPurposeBitFlag, raw, entry.extraFields, onUnix)
}
