import { closeSync, openSync } from 'node:fs'
import { readIntoSync } from '../local/read-at.ts'
import type { WalkedEntry } from '../local/walk.ts'
import type { ElementType } from '../util/element-type.ts'
import { throwIfAborted } from '../util/errors.ts'
import { fsPath } from '../util/paths.ts'
import type { ArchiveFormat } from './format.ts'

export interface StreamsRequest {
  /** As returned by `archiveEntries`. */
  entries: readonly WalkedEntry[]
  format: ArchiveFormat
  kindOf: (path: string) => string
  /** The tensors of a file that are counted separately: ascending, without overlaps. */
  tensorsOf: (file: WalkedEntry) => Promise<readonly TensorRange[]>
  signal: AbortSignal
}

/** A byte range of a file that is a tensor. */
export interface TensorRange {
  kind: string
  element: ElementType
  offset: number
  length: number
}

export interface KindEstimate {
  kind: string
  /** Number of files with content of this kind. */
  files: number
  bytes: number
  /** Estimated size in the archive. */
  archiveBytes: number
  /**
   * Estimated size of tensors and tables when split into byte planes and columns. A repository can store them so, an
   * archive can't.
   */
  filteredBytes?: number
}

const TAR_BLOCK = 512
/** A local header and a central directory header of a zip, without names and our extra fields. */
const ZIP_ENTRY_BYTES = 30 + 46 + 16

/**
 * One entry, or a part of it, as stored in the archive: its header, its content, and after the last part the padding up
 * to the next entry.
 */
interface Piece {
  entry: WalkedEntry
  /** Bytes of the kind's stream before this piece. */
  at: number
  /** Bytes of its header. In a zip, headers are not compressed. */
  header: number
  /** Where its content begins in the file, and its length. */
  offset: number
  content: number
  length: number
}

/** The part of a piece that is in a block, and how much of that is content. */
export interface PieceSlice {
  bytes: Buffer
  content: Buffer
}

/** Where the files of one kind would be in an archive of their own. */
export interface KindStream {
  estimate: KindEstimate
  pieces: Piece[]
  length: number
  /** Bytes that a zip needs for its entries beside their content. */
  entryBytes: number
  /** Bytes of tensors. */
  element?: ElementType | undefined
}

/** The entries of an archive, sorted into streams of one kind each. */
export async function streamsOf({ entries, format, kindOf, tensorsOf, signal }: StreamsRequest): Promise<KindStream[]> {
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
      const content = end - offset
      const stream = add(kind, { entry, header, offset, content, length: header + content + padding })
      stream.estimate.bytes += end - offset
      header = 0
      offset = end
      return stream
    }
    for (const tensor of size > 0 ? await tensorsOf(entry) : []) {
      if (header > 0 || tensor.offset > offset) rest(tensor.offset)
      const { length } = tensor
      add(tensor.kind, { entry, header: 0, offset, content: length, length }, tensor.element).estimate.bytes += length
      offset += length
    }
    const stream = rest(size, isZip ? 0 : Math.ceil(size / TAR_BLOCK) * TAR_BLOCK - size)
    if (isZip) stream.entryBytes += zipEntryBytes(entry)
  }
  return [...streams.values()]
}

const zipEntryBytes = ({ path }: WalkedEntry): number => ZIP_ENTRY_BYTES + 2 * Buffer.byteLength(path)

/** Bytes [start, end) of a kind's stream, file by file. */
export function readBlock({ pieces }: KindStream, start: number, end: number): PieceSlice[] {
  const parts: PieceSlice[] = []
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

function readPiece({ entry, header, offset, content }: Piece, from: number, to: number): PieceSlice {
  const bytes = Buffer.alloc(to - from)
  if (from < header) tarHeader(entry).copy(bytes, 0, from, Math.min(to, header))
  const at = Math.max(from, header)
  if (entry.type === 'file' && to > at) readFile(entry.localPath, bytes.subarray(at - from), offset + at - header)
  return { bytes, content: bytes.subarray(Math.min(at, to) - from, Math.max(from, Math.min(to, header + content)) - from) }
}

/** The compressible part of a header: name, size and time. */
function tarHeader({ path, mode, fingerprint }: WalkedEntry): Buffer {
  const header = Buffer.alloc(TAR_BLOCK)
  header.write(path.toWellFormed().slice(-100), 0, 100)
  header.write(`${mode.toString(8)} ${fingerprint.size.toString(8)} ${(fingerprint.mtime / 1_000_000_000n).toString(8)}`, 100)
  return header
}

/** Reads what can be read. Unreadable bytes count as zeros, because an archive does not contain them either. */
function readFile(path: string, buffer: Buffer, position: number): void {
  try {
    const fd = openSync(fsPath(path), 'r')
    try {
      readIntoSync(fd, buffer, position)
    } finally {
      closeSync(fd)
    }
  } catch {
    // compress itself reports it
  }
}
