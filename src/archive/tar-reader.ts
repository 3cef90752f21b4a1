import { decodeFileName } from '../util/paths.ts'
import { ByteQueue, countBytes, type ByteStream } from './byte-stream.ts'
import { RefusedEntryError } from './entry-errors.ts'
import { NO_CONTENT, type ArchiveEntry } from './entry.ts'
import { holdsTarHeader, isZero, parseTarHeader, TAR_BLOCK_BYTES, type TarHeader } from './tar-header.ts'
import { addPaxRecords, type PaxFields, paxSize, paxTime } from './tar-pax.ts'
import { faultOf, oldSparseMap, paxSparseMap, type SparseMap, storedSparseMap, withHoles } from './tar-sparse.ts'

/** Maximum bytes of a long name or a pax header. */
const MAX_EXTENSION_BYTES = 8 * 1024 * 1024
/** Two blocks of zeros end an archive. */
const END_BLOCKS = 2
/** Archives are written in records of so many bytes, as a rule. */
const RECORD_BYTES = 20 * TAR_BLOCK_BYTES
const SLASH = 0x2f

/**
 * How an archive ended: `marked`: with its end mark; `half-marked`: with one of the two blocks of it; `unmarked`:
 * between two entries, without one, or one is followed by what is no tar.
 */
type TarEnd = 'marked' | 'half-marked' | 'unmarked'

/** What the reader of a tar archive found out when all entries were read. */
export interface TarEnding {
  end: TarEnd
  /** What follows the end mark, zeros not counted: `padding` fills a record, as AIX writes it. */
  rest: 'nothing' | 'padding' | 'bytes' | 'entries'
  /** Whether the archive consists of whole blocks. */
  isAligned: boolean
}

/** What headers before an entry's own say of it. */
interface Extensions extends PaxFields {
  longName?: Buffer
  longLinkname?: Buffer
  hasPax?: boolean
  /** Why the entry can't be read. */
  fault?: string
}

/** Where the bytes of an entry lie, and what its content is. */
interface Stored {
  /** Bytes that follow. Padding comes after them. */
  left: number
  map?: SparseMap
  /** Why there is no content. */
  fault?: string | undefined
}

/**
 * The entries of a tar archive: of POSIX (pax, ustar), GNU (old and new, with sparse files and incremental dumps),
 * Solaris, and of the seventh edition of Unix. After a header that can't be read, it goes on with the next one, as GNU
 * tar does; the error comes at the end. Malformed archives throw a plain `Error`. Time: linear in the length of `bytes`
 * and of the holes. Memory: one long name and one pax header, of at most 8 MiB each, and the map of one sparse file, of
 * at most a million extents.
 */
export async function* readTar(bytes: ByteStream, ending?: TarEnding): AsyncGenerator<ArchiveEntry> {
  const input = new ByteQueue(countBytes(bytes, piece => (reader.length += piece)))
  const reader = new TarReader(input)
  try {
    yield* reader.untilEnd()
    if (reader.damage !== undefined) throw reader.damage
    if (ending !== undefined) Object.assign(ending, reader.ending, { isAligned: reader.length % TAR_BLOCK_BYTES === 0 })
  } finally {
    await input.close()
  }
}

class TarReader {
  readonly ending: Omit<TarEnding, 'isAligned'> = { end: 'unmarked', rest: 'nothing' }
  /** The first damage. */
  damage: Error | undefined
  /** Bytes that were read. */
  length = 0
  private readonly input: ByteQueue
  private readonly global: PaxFields = {}
  private extensions: Extensions = {}

  constructor(input: ByteQueue) {
    this.input = input
  }

  async *untilEnd(): AsyncGenerator<ArchiveEntry> {
    let zeros = 0
    // blocks that are none of a tar, after a single block of zeros: the end, if no header follows
    let hasStrayed = false
    let isEmpty = true
    for (;;) {
      const block = await this.nextBlock()
      if (block === undefined) break
      isEmpty = false
      if (isZero(block)) {
        if (++zeros === END_BLOCKS) return this.afterEnd(hasStrayed)
        continue
      }
      const header = block.length < TAR_BLOCK_BYTES ? undefined : parseTarHeader(block)
      if (header === undefined) {
        if (zeros > 0) hasStrayed = true
        else if (block.length < TAR_BLOCK_BYTES) this.damage ??= cutOff()
        else this.notAHeader()
        continue
      }
      if (hasStrayed) this.notAHeader()
      zeros = 0
      hasStrayed = false
      if ('xXgLK'.includes(header.type)) await this.readExtension(header)
      // a label of the volume, or an access list of Solaris for the entry after it
      else if ('VA'.includes(header.type)) await this.skip(header.size ?? 0)
      else yield* this.readEntry(header)
    }
    if (isEmpty) this.damage = cutOff()
    this.missEntry()
    this.ending.end = zeros > 0 && !hasStrayed ? 'half-marked' : 'unmarked'
  }

  private async afterEnd(hasStrayed: boolean): Promise<void> {
    const { ending, input } = this
    this.missEntry()
    ending.end = hasStrayed ? 'unmarked' : 'marked'
    await input.fill(RECORD_BYTES)
    const record = input.take(RECORD_BYTES)
    if (holdsTarHeader(record)) ending.rest = 'entries'
    else if (!isZero(record)) ending.rest = 'padding'
    while (await input.fill(1)) {
      const piece = input.takeSome(Infinity)
      if (ending.rest !== 'entries' && ending.rest !== 'bytes' && !isZero(piece)) ending.rest = 'bytes'
    }
  }

  /** At the end: the last headers may belong to an entry that is not there. */
  private missEntry(): void {
    if (Object.keys(this.extensions).length > 0)
      this.damage ??= new Error('the entry is missing that its last long name or pax header belongs to')
  }

  /** Undefined at the end. The last block may be short. */
  private async nextBlock(): Promise<Uint8Array | undefined> {
    await this.input.fill(TAR_BLOCK_BYTES)
    const block = this.input.take(TAR_BLOCK_BYTES)
    return block.length === 0 ? undefined : block
  }

  private notAHeader(): void {
    this.extensions = {}
    this.damage ??= new Error("a header in it isn't a tar header")
  }

  private async readExtension({ type, size }: TarHeader): Promise<void> {
    if (size === undefined || size > MAX_EXTENSION_BYTES) {
      this.damage ??= new Error('a long name or a pax header in it is absurdly long')
      if (type !== 'g') this.extensions.fault = 'its long name or pax header is too long to be read'
      return this.skip(size ?? 0)
    }
    if (!(await this.input.fill(size))) throw cutOff()
    // a copy, because it is used after more was read
    const bytes = Buffer.from(this.input.take(size))
    await this.input.skip(paddingOf(size))
    const { extensions } = this
    if (type === 'L') extensions.longName = untilZero(bytes)
    else if (type === 'K') extensions.longLinkname = untilZero(bytes)
    else {
      if (!addPaxRecords(type === 'g' ? this.global : extensions, bytes)) this.damagedPax()
      if (type !== 'g') extensions.hasPax = true
    }
  }

  private damagedPax(): void {
    this.damage ??= new Error('a pax header in it is damaged')
  }

  /** Skips bytes and their padding, which may be missing at the end. */
  private async skip(count: number): Promise<void> {
    if (!(await this.input.skip(count))) throw cutOff()
    await this.input.skip(paddingOf(count))
  }

  private async *readEntry(header: TarHeader): AsyncGenerator<ArchiveEntry> {
    const fields = { ...this.global, ...this.extensions }
    this.extensions = {}
    const size = fields.size === undefined ? header.size : paxSize(fields.size)
    if (size === undefined) {
      this.damage ??= new Error('an entry states an impossible size')
      return
    }
    if (fields.mtime !== undefined && paxTime(fields.mtime) === undefined) this.damagedPax()
    const { longName, longLinkname, sparse, path = longName ?? header.name, linkpath = longLinkname ?? header.linkname } = fields
    const name = sparse?.name ?? path
    const type = typeOf(header.type, name)
    const stored = await this.findContent(header, fields, type, size)
    stored.fault ??= fields.fault
    const content = type === 'file' && stored.fault === undefined ? this.contentOf(stored) : NO_CONTENT
    const padding = paddingOf(stored.left)
    yield {
      path: decodeFileName(name),
      type,
      error: stored.fault === undefined ? undefined : new RefusedEntryError(stored.fault),
      size: content === NO_CONTENT ? 0 : (stored.map?.size ?? stored.left),
      holes: (stored.map?.size ?? stored.left) - stored.left,
      mode: header.mode,
      mtime: mtimeOf(header, fields),
      target: decodeFileName(linkpath),
      content,
    }
    if (!(await this.input.skip(stored.left))) throw this.endsInEntry()
    await this.input.skip(padding)
  }

  private async findContent(header: TarHeader, fields: Extensions, type: ArchiveEntry['type'], size: number): Promise<Stored> {
    if (header.type === 'M') return { left: size, fault: 'it is the later part of a file that another volume begins (use tar -xM)' }
    if (header.type === 'S') return withMap(await oldSparseMap(header, this.input), size)
    if (type === 'file' && fields.sparse !== undefined) {
      if (fields.sparse.major !== '1') return withMap(paxSparseMap(fields.sparse), size)
      const found = await storedSparseMap(fields.sparse, this.input, size)
      return withMap(found?.map, size - (found?.taken ?? 0))
    }
    return { left: hasContent(header.type, type, fields.hasPax) ? size : 0 }
  }

  private contentOf(stored: Stored): ByteStream {
    const data = this.data(stored)
    return stored.map === undefined ? data : withHoles(stored.map, data)
  }

  /** Volumes end with whole records. */
  private endsInEntry(): Error {
    return this.length % RECORD_BYTES === 0
      ? new Error('it is cut off within a file, or it is the first of several volumes, which tar -xM reads together')
      : cutOff()
  }

  private async *data(stored: Stored): AsyncGenerator<Uint8Array> {
    while (stored.left > 0) {
      if (!(await this.input.fill(1))) throw this.endsInEntry()
      const piece = this.input.takeSome(stored.left)
      stored.left -= piece.length
      yield piece
    }
  }
}

/**
 * Links, folders and devices have no content, whatever size they state. In pax a hard link may repeat it, and dumps
 * list what is in a folder.
 */
function hasContent(headerType: string, type: ArchiveEntry['type'], hasPax = false): boolean {
  return type === 'file' || headerType === 'D' || (headerType === '1' && hasPax)
}

function withMap(map: SparseMap | undefined, left: number): Stored {
  if (map === undefined) throw cutOff()
  const fault = faultOf(map, left)
  return fault === undefined ? { left, map } : { left, fault }
}

function untilZero(bytes: Buffer): Buffer {
  const end = bytes.indexOf(0)
  return end === -1 ? bytes : bytes.subarray(0, end)
}

/** As in GNU tar, a type that is not known is a file. */
function typeOf(type: string, path: Buffer): ArchiveEntry['type'] {
  switch (type) {
    case '1':
      return 'hardlink'
    case '2':
      return 'symlink'
    case '5':
    case 'D':
      return 'directory'
    case '3':
    case '4':
    case '6':
      return 'other'
    case '0':
    case '7':
      // the oldest form has no type for folders
      return path.at(-1) === SLASH ? 'directory' : 'file'
    default:
      return 'file'
  }
}

function mtimeOf({ mtime }: TarHeader, pax: PaxFields): bigint | undefined {
  const time = pax.mtime === undefined ? undefined : paxTime(pax.mtime)
  return time ?? (mtime === undefined ? undefined : BigInt(mtime) * 1_000_000_000n)
}

function paddingOf(size: number): number {
  return (TAR_BLOCK_BYTES - (size % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES
}

function cutOff(): Error {
  return new Error('it is cut off')
}
