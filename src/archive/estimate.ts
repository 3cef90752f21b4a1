import { closeSync, openSync, readSync } from 'node:fs'
import { promisify } from 'node:util'
import { deflateRaw } from 'node:zlib'
import type { ElementType } from '../compression/block.ts'
import type { Level } from '../compression/limits.ts'
import type { CompressionPool } from '../compression/pool.ts'
import { looksCompressed } from '../compression/sample.ts'
import type { WalkedEntry } from '../repository/walk.ts'
import { throwIfAborted } from '../util/errors.ts'
import { fsPath } from '../util/paths.ts'
import { ZLIB_LEVEL } from './compress.ts'
import type { ArchiveFormat } from './format.ts'

export interface EstimateRequest {
  /** As `archiveEntries` gives them. */
  entries: readonly WalkedEntry[]
  format: ArchiveFormat
  level: Level
  kindOf: (path: string) => string
  /** The tensors of a file that count by themselves: ascending, without overlaps. */
  tensorsOf: (file: WalkedEntry) => Promise<readonly TensorPart[]>
  pool: CompressionPool
  signal: AbortSignal
  onRead: (bytes: number) => void
}

/** Bytes of a file that are a tensor. */
export interface TensorPart {
  kind: string
  element: ElementType
  offset: number
  length: number
}

export interface KindEstimate {
  kind: string
  /** Those that have something of the kind. */
  files: number
  bytes: number
  /** What they would take in the archive, about. */
  archiveBytes: number
  /** Of tensors: what they would take split into byte planes, as a repository may store them and no archive can. */
  filteredBytes?: number
}

export interface Estimate {
  kinds: KindEstimate[]
  /** Read of the files to tell that. */
  readBytes: number
}

/** Blocks that are tried out, at most, of all kinds together; the highest level is some fifty times slower. */
const MAX_BLOCKS: Record<Level, number> = { fast: 32, balanced: 32, max: 6 }
const TAR_BLOCK = 512
/** A local header and one in the directory of a zip, their names and our extra fields aside. */
const ZIP_ENTRY_BYTES = 30 + 46 + 16

const deflate = promisify(deflateRaw)

/** What stands for an entry, or for a part of it, in the archive: its header, and its content, at the end of an entry up to the next one. */
interface Piece {
  entry: WalkedEntry
  /** Bytes of the kind's stream before it. */
  at: number
  /** Bytes of its header; a zip's take what they take, whatever compresses the rest. */
  header: number
  /** Where in the file its content begins. */
  offset: number
  length: number
}

/** Where one kind's files would lie if they made an archive of their own. */
interface KindStream {
  estimate: KindEstimate
  pieces: Piece[]
  length: number
  /** What a zip takes for its entries beside their content. */
  entryBytes: number
  /** Of tensors. */
  element?: ElementType | undefined
}

/**
 * What an archive would take, by kind of file: blocks of what would be in it, spread evenly, are compressed as they would be. Where there are not more blocks
 * than are tried out, everything is.
 */
export async function estimate(request: EstimateRequest): Promise<Estimate> {
  const blockBytes = request.pool.maxBlockBytes(request.level)
  const streams = await streamsOf(request)
  const total = streams.reduce((sum, stream) => sum + stream.length, 0)
  let readBytes = 0
  for (const stream of streams) {
    const blocks = Math.ceil(stream.length / blockBytes)
    const tried = Math.min(blocks, Math.max(1, Math.round((MAX_BLOCKS[request.level] * stream.length) / total)))
    const measured = { plain: 0, packed: 0, filtered: 0 }
    const waiting: Promise<void>[] = []
    for (let i = 0; i < tried; i++) {
      throwIfAborted(request.signal)
      const start = Math.floor((i * blocks) / tried) * blockBytes
      const parts = readBlock(stream, start, Math.min(stream.length, start + blockBytes))
      const plain = parts.reduce((sum, part) => sum + part.length, 0)
      readBytes += plain
      request.onRead(plain)
      waiting.push(
        Promise.all([packedLength(request, parts), filteredLength(request, stream, parts)]).then(([packed, filtered]) => {
          measured.plain += plain
          measured.packed += packed
          measured.filtered += filtered
        }),
      )
      waiting.at(-1)!.catch(() => undefined)
      if (waiting.length > request.pool.workers) await waiting.shift()
    }
    await Promise.all(waiting)
    const scaled = (bytes: number): number => (measured.plain === 0 ? 0 : Math.round((stream.length * bytes) / measured.plain))
    stream.estimate.archiveBytes = scaled(measured.packed) + stream.entryBytes
    if (stream.element) stream.estimate.filteredBytes = scaled(measured.filtered)
  }
  return { kinds: streams.map(stream => stream.estimate).sort((a, b) => b.archiveBytes - a.archiveBytes), readBytes }
}

async function streamsOf({ entries, format, kindOf, tensorsOf, signal }: EstimateRequest): Promise<KindStream[]> {
  const streams = new Map<string, KindStream>()
  const add = (kind: string, piece: Omit<Piece, 'at'>, element?: ElementType): KindStream => {
    const stream = streams.get(kind) ?? {
      estimate: { kind, files: 0, bytes: 0, archiveBytes: 0 },
      pieces: [],
      length: 0,
      entryBytes: 0,
      element,
    }
    streams.set(kind, stream)
    if (stream.pieces.at(-1)?.entry !== piece.entry) stream.estimate.files++
    stream.pieces.push({ ...piece, at: stream.length })
    stream.length += piece.length
    return stream
  }
  const isZip = format === 'zip'
  for (const entry of entries) {
    throwIfAborted(signal)
    const size = entry.type === 'file' ? entry.fingerprint.size : 0
    const kind = entry.type === 'file' ? kindOf(entry.path) : 'folders, links'
    let header = isZip ? 0 : TAR_BLOCK
    let offset = 0
    const rest = (end: number, padding = 0): KindStream => {
      const stream = add(kind, { entry, header, offset, length: header + end - offset + padding })
      stream.estimate.bytes += end - offset
      header = 0
      offset = end
      return stream
    }
    for (const tensor of size > 0 ? await tensorsOf(entry) : []) {
      if (header > 0 || tensor.offset > offset) rest(tensor.offset)
      const { length } = tensor
      add(tensor.kind, { entry, header: 0, offset, length }, tensor.element).estimate.bytes += length
      offset += length
    }
    const stream = rest(size, isZip ? 0 : Math.ceil(size / TAR_BLOCK) * TAR_BLOCK - size)
    if (isZip) stream.entryBytes += zipEntryBytes(entry)
  }
  return [...streams.values()]
}

const zipEntryBytes = ({ path }: WalkedEntry): number => ZIP_ENTRY_BYTES + 2 * Buffer.byteLength(path)

/** Bytes [start, end) of a kind's stream, file by file. */
function readBlock({ pieces }: KindStream, start: number, end: number): Buffer[] {
  const parts: Buffer[] = []
  let first = 0
  for (let size = pieces.length; size > 1;) {
    const half = size >> 1
    if (pieces[first + half]!.at <= start) first += half
    size -= half
  }
  for (let i = first; i < pieces.length && pieces[i]!.at < end; i++) {
    const piece = pieces[i]!
    const from = Math.max(0, start - piece.at)
    const to = Math.min(piece.length, end - piece.at)
    if (to > from) parts.push(readPiece(piece, from, to))
  }
  return parts
}

function readPiece({ entry, header, offset }: Piece, from: number, to: number): Buffer {
  const bytes = Buffer.alloc(to - from)
  if (from < header) tarHeader(entry).copy(bytes, 0, from, Math.min(to, header))
  const at = Math.max(from, header)
  if (entry.type === 'file' && to > at) readFile(entry.localPath, bytes.subarray(at - from), offset + at - header)
  return bytes
}

/** What of a header compresses: name, size and time. */
function tarHeader({ path, mode, fingerprint }: WalkedEntry): Buffer {
  const header = Buffer.alloc(TAR_BLOCK)
  header.write(path.toWellFormed().slice(-100), 0, 100)
  header.write(`${mode.toString(8)} ${fingerprint.size.toString(8)} ${(fingerprint.mtime / 1_000_000_000n).toString(8)}`, 100)
  return header
}

/** As far as there is something to read: what can't be read counts as zeros, as it is no part of an archive either. */
function readFile(path: string, room: Buffer, position: number): void {
  try {
    const fd = openSync(fsPath(path), 'r')
    try {
      for (let done = 0, read = -1; read !== 0 && done < room.length; done += read)
        read = readSync(fd, room, done, room.length - done, position + done)
    } finally {
      closeSync(fd)
    }
  } catch {
    // told by compress itself
  }
}

async function packedLength({ format, level, pool }: EstimateRequest, parts: readonly Buffer[]): Promise<number> {
  if (format === 'tar.zst') {
    const plain = new Uint8Array(Buffer.concat(parts))
    return plain.length === 0 ? 0 : (await pool.encode(plain, { level, kind: 'general' })).bytes.length
  }
  const units = format === 'zip' ? parts : [Buffer.concat(parts)]
  const lengths = units.map(async unit => {
    if (format === 'zip' && looksCompressed(unit)) return unit.length
    return (await deflate(unit, { level: ZLIB_LEVEL[level] })).length
  })
  return (await Promise.all(lengths)).reduce((sum, length) => sum + length, 0)
}

async function filteredLength({ level, pool }: EstimateRequest, { element }: KindStream, parts: readonly Buffer[]): Promise<number> {
  if (!element) return 0
  return (await pool.encode(new Uint8Array(Buffer.concat(parts)), { level, kind: 'tensor', element })).bytes.length
}
