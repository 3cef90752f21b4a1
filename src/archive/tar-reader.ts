import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { extract, type Header } from 'tar-stream'
import { decodeFileName } from '../util/paths.ts'
import type { ByteStream } from './byte-stream.ts'
import { NO_CONTENT, type ArchiveEntry } from './entry.ts'

/** A tar archive ends with two blocks of zeros. Some writers add more. */
const END_MARK_BYTES = 1024

interface TarHeader extends Omit<Header, 'type' | 'pax' | 'linkname'> {
  /** Null for types that tar-stream does not know. */
  type: Header['type'] | null
  linkname: string | null
  pax: Record<string, string> | null
}

interface TarEntry extends AsyncIterable<Uint8Array> {
  header: TarHeader
}

/** Fields that tar-stream's own types leave out. */
const openTar = extract as unknown as (options: {
  filenameEncoding: 'latin1'
  allowUnknownFormat: boolean
}) => Writable & AsyncIterable<TarEntry>

/**
 * The entries of a tar archive: POSIX (pax), GNU and older forms. Malformed archives throw a plain `Error`, from here
 * or from tar-stream.
 */
export async function* readTar(bytes: ByteStream): AsyncGenerator<ArchiveEntry> {
  // names as bytes, because they may not be UTF-8
  const reader = openTar({ filenameEncoding: 'latin1', allowUnknownFormat: true })
  const end = new EndMark()
  const fed = pipeline(end.watch(bytes), reader)
  fed.catch(() => undefined)
  try {
    for await (const entry of reader) {
      if (!isPossibleSize(entry.header)) throw new Error('an entry states an impossible size')
      // a folder has no content, but tar-stream would wait for as much as it states
      if (entry.header.type === 'directory') entry.header.size = 0
      const chunks = entry[Symbol.asyncIterator]()
      // without a return(): a reader that stops early must not destroy the stream, whose rest is skipped below
      const content: ByteStream = { [Symbol.asyncIterator]: () => ({ next: () => chunks.next() }) }
      yield toEntry(entry, content)
      while ((await chunks.next()).done !== true);
    }
    await fed
  } catch (error) {
    await fed
    throw error
  } finally {
    reader.destroy()
  }
  if (!end.seen) throw new Error('it is cut off: it ends without the end mark')
}

/** tar-stream reads a binary -1 as a negative zero, and accepts a pax number with trailing garbage. */
function isPossibleSize({ size, pax }: TarHeader): boolean {
  return Number.isSafeInteger(size) && size >= 0 && !Object.is(size, -0) && /^\d+$/.test(pax?.size ?? '0')
}

/** Detects the zeros at the end. */
class EndMark {
  private zeros = 0

  get seen(): boolean {
    return this.zeros >= END_MARK_BYTES
  }

  async *watch(bytes: ByteStream): AsyncGenerator<Uint8Array> {
    for await (const piece of bytes) {
      const least = Math.max(0, piece.length - END_MARK_BYTES)
      let at = piece.length
      while (at > least && piece[at - 1] === 0) at--
      this.zeros = at === 0 ? this.zeros + piece.length : piece.length - at
      yield piece
    }
  }
}

function toEntry({ header }: TarEntry, content: ByteStream): ArchiveEntry {
  const type = typeOf(header)
  return {
    path: header.pax?.path ?? fromLatin1(header.name),
    type,
    size: type === 'file' ? header.size : 0,
    // not a number if the archive states none
    mode: Number.isSafeInteger(header.mode) ? header.mode : undefined,
    mtime: mtimeOf(header),
    target: header.pax?.linkpath ?? fromLatin1(header.linkname ?? ''),
    content: type === 'file' ? content : NO_CONTENT,
  }
}

function typeOf({ type, pax }: TarHeader): ArchiveEntry['type'] {
  // the content of a sparse file is a map of its holes, then the data between them
  if (pax && Object.keys(pax).some(key => key.startsWith('GNU.sparse.'))) return 'other'
  switch (type) {
    case 'file':
    case 'contiguous-file':
      return 'file'
    case 'link':
      return 'hardlink'
    case 'symlink':
    case 'directory':
      return type
    case 'block-device':
    case 'character-device':
    case 'fifo':
    case null:
      return 'other'
  }
}

const PAX_TIME = /^(-?)(\d{1,12})(?:\.(\d{1,9})\d*)?$/

function mtimeOf({ pax, mtime }: TarHeader): bigint | undefined {
  const [, sign, seconds, fraction = ''] = PAX_TIME.exec(pax?.mtime ?? '') ?? []
  if (seconds !== undefined) {
    const ns = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
    return sign === '-' ? -ns : ns
  }
  const ms = mtime.getTime()
  if (!Number.isFinite(ms)) return undefined
  // tar-stream reads negative numbers as one too high
  return BigInt(ms < 0 ? ms - 1000 : ms) * 1_000_000n
}

function fromLatin1(text: string): string {
  return decodeFileName(Buffer.from(text, 'latin1'))
}
