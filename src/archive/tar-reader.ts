import { decodeFileName } from '../util/paths.ts'
import { ByteQueue, type ByteStream } from './byte-stream.ts'
import { NO_CONTENT, type ArchiveEntry } from './entry.ts'
import { addPaxRecords, isZeroBlock, type PaxFields, parseTarHeader, TAR_BLOCK_BYTES, type TarHeader } from './tar-header.ts'

/** Maximum bytes of a long name or a pax header. */
const MAX_EXTENSION_BYTES = 4 * 1024 * 1024
/** Two blocks of zeros end an archive. */
const END_BLOCKS = 2
const SLASH = 0x2f

/** What headers before an entry's own say of it. */
interface Extensions extends PaxFields {
  longName?: Buffer
  longLinkname?: Buffer
  hasPax?: boolean
}

/**
 * The entries of a tar archive: POSIX (pax), GNU and older forms. What follows the end mark is read and passed over.
 * Malformed archives throw a plain `Error`. Time: linear in the length of `bytes`. Memory: one long name and one pax
 * header, of at most 4 MiB each.
 */
export async function* readTar(bytes: ByteStream): AsyncGenerator<ArchiveEntry> {
  const input = new ByteQueue(bytes)
  const global: PaxFields = {}
  let extensions: Extensions = {}
  try {
    for (let zeros = 0; zeros < END_BLOCKS;) {
      if (!(await input.fill(TAR_BLOCK_BYTES))) throw new Error('it is cut off: it ends without the end mark')
      const block = input.take(TAR_BLOCK_BYTES)
      if (isZeroBlock(block)) {
        zeros++
        continue
      }
      zeros = 0
      const header = parseTarHeader(block)
      if ('xgLNK'.includes(header.type)) {
        const extension = await takeExtension(input, header)
        if (header.type === 'g') addPaxRecords(global, extension)
        else extend(extensions, header.type, extension)
        continue
      }
      const entry = describe(header, { ...global, ...extensions })
      extensions = {}
      yield* readEntry(input, header, entry)
    }
    for await (const rest of input.rest()) void rest
  } finally {
    await input.close()
  }
}

async function takeExtension(input: ByteQueue, { size }: TarHeader): Promise<Buffer> {
  if (size === undefined || size > MAX_EXTENSION_BYTES) throw new Error('a long name or a pax header in it is absurdly long')
  if (!(await input.fill(size))) throw cutOff()
  // a copy, because it is used after more was read
  const extension = Buffer.from(input.take(size))
  if (!(await input.skip(paddingOf(size)))) throw cutOff()
  return extension
}

function extend(extensions: Extensions, type: string, bytes: Buffer): void {
  const end = bytes.indexOf(0)
  const text = end === -1 ? bytes : bytes.subarray(0, end)
  if (type === 'K') extensions.longLinkname = text
  else if (type !== 'x') extensions.longName = text
  else {
    addPaxRecords(extensions, bytes)
    extensions.hasPax = true
  }
}

/** An entry, and the bytes that follow its header. */
interface Described extends Omit<ArchiveEntry, 'content'> {
  contentBytes: number
}

function describe(header: TarHeader, extensions: Extensions): Described {
  const { longName, longLinkname, path = longName ?? header.name, linkpath = longLinkname ?? header.linkname, hasPax = false } = extensions
  const size = extensions.size === undefined ? header.size : paxSize(extensions.size)
  if (size === undefined) throw new Error('an entry states an impossible size')
  const type = extensions.isSparse === true ? 'other' : typeOf(header.type, path)
  return {
    path: decodeFileName(path),
    type,
    size: type === 'file' ? size : 0,
    mode: header.mode,
    mtime: mtimeOf(header, extensions),
    target: decodeFileName(linkpath),
    contentBytes: hasContent(header.type, hasPax) ? size : 0,
  }
}

function paxSize(text: string): number | undefined {
  const size = /^\d+$/.test(text) ? Number(text) : undefined
  return Number.isSafeInteger(size) ? size : undefined
}

function typeOf(type: string, path: Buffer): ArchiveEntry['type'] {
  switch (type) {
    case '0':
    case '7':
      // the oldest form has no type for folders
      return path.at(-1) === SLASH ? 'directory' : 'file'
    case '1':
      return 'hardlink'
    case '2':
      return 'symlink'
    case '5':
      return 'directory'
    default:
      return 'other'
  }
}

/** Links, folders and devices have no content, whatever size they state. Only in pax a hard link may repeat it. */
function hasContent(type: string, hasPax: boolean): boolean {
  return type === '1' ? hasPax : !'23456'.includes(type)
}

const PAX_TIME = /^(-?)(\d{1,12})(?:\.(\d{1,9})\d*)?$/

function mtimeOf({ mtime }: TarHeader, pax: PaxFields): bigint | undefined {
  const [, sign, seconds, fraction = ''] = PAX_TIME.exec(pax.mtime ?? '') ?? []
  if (seconds === undefined) return mtime === undefined ? undefined : BigInt(mtime) * 1_000_000_000n
  const ns = BigInt(seconds) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0'))
  return sign === '-' ? -ns : ns
}

async function* readEntry(input: ByteQueue, header: TarHeader, { contentBytes, ...entry }: Described): AsyncGenerator<ArchiveEntry> {
  for (let more = header.isExtended; more;) {
    if (!(await input.fill(TAR_BLOCK_BYTES))) throw cutOff()
    more = input.take(TAR_BLOCK_BYTES)[504] === 1
  }
  let left = contentBytes
  async function* content(): AsyncGenerator<Uint8Array> {
    while (left > 0) {
      if (!(await input.fill(1))) throw cutOff()
      const piece = input.takeSome(left)
      left -= piece.length
      yield piece
    }
  }
  yield { ...entry, content: entry.type === 'file' ? content() : NO_CONTENT }
  if (!(await input.skip(left + paddingOf(contentBytes)))) throw cutOff()
}

function paddingOf(size: number): number {
  return (TAR_BLOCK_BYTES - (size % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES
}

function cutOff(): Error {
  return new Error('it is cut off')
}
