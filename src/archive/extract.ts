import { createReadStream, createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import type { CompressionPool } from '../compression/pool.ts'
import type { ZstdName } from '../compression/zstd/codec.ts'
import { describeLeftPart } from '../local/part-names.ts'
import { AppError, corrupt, errnoOf, isAppError, messageOf, throwIfAborted } from '../util/errors.ts'
import { Breather } from '../util/event-loop.ts'
import { removeFile } from '../util/file-system.ts'
import { formatBytes } from '../util/format-bytes.ts'
import { fsPath } from '../util/paths.ts'
import type { Reporter } from '../util/reporter.ts'
import { decompressBzip2 } from './bzip2-reader.ts'
import { ByteQueue, countBytes, type ByteStream } from './byte-stream.ts'
import { newContainer, type Container } from './container.ts'
import { formatOfContent, HEAD_BYTES, isEmptyTar, unknownFormat } from './content-format.ts'
import { Destination } from './destination.ts'
import { DamagedEntryError, LocalEntryError, OccupiedEntryError, RefusedEntryError } from './entry-errors.ts'
import type { ArchiveEntry } from './entry.ts'
import { Expansion } from './expansion.ts'
import type { ReadableFormat } from './format.ts'
import { decompressGzip } from './gzip-reader.ts'
import { spoolName } from './local-file.ts'
import { partHint } from './other-formats.ts'
import { saysSingleFile, saysTar, singleFile } from './single-file.ts'
import { TAR_BLOCK_BYTES } from './tar-header.ts'
import { readTar, type TarEnding } from './tar-reader.ts'
import { partOfSeveral } from './volumes.ts'
import { hasZip, readZip, type ZipInput } from './zip-reader.ts'
import { decompressXz } from './xz-reader.ts'
import { decompressZstd } from './zstd-reader.ts'

export interface ExtractContext {
  pool: CompressionPool
  /** The zstd codec that `pool` uses. */
  zstd: ZstdName
  reporter: Reporter
  signal: AbortSignal
}

/** An archive to read: a local file, standard input, or a file on Drive. */
export interface ArchiveSource {
  /** For messages. */
  name: string
  /** Can be read once. */
  bytes: ByteStream
  /** Length in bytes, if known. */
  size?: number | undefined
  /** ns since 1970, if known: that of a compressed file counts for the file in it, if nothing else tells. */
  mtime?: bigint | undefined
  /**
   * The local path, or a way to read any range: a zip is read from its end. An archive that offers neither is saved in
   * the destination while it is read.
   */
  zip?: ZipInput | undefined
}

export interface ExtractRequest {
  source: ArchiveSource
  /** Absolute path of an existing folder, with its links resolved. */
  destination: string
  force: boolean
}

export interface ExtractResult {
  format: ReadableFormat
  files: number
  directories: number
  symlinks: number
  /** Bytes written. */
  bytes: number
  /** Files and symlinks that already existed with the same content. */
  unchanged: number
  /** Entries that were not extracted. Each was warned about. */
  refused: number
  /** Entries that were not extracted because their bytes are wrong. Each was warned about. */
  damaged: number
  /** Entries that were extracted though the archive contradicts itself about them. Each was warned about. */
  doubtful: number
  /** Local paths of entries that were skipped because something else exists there. */
  occupied: string[]
  /** Symlinks that point out of the destination. */
  outsideLinks: number
  /** False if bytes may be missing, or if the archive goes on behind its end. */
  isComplete: boolean
}

/**
 * Extracts an archive of any known format, recognized by its content. Complete files stay, even when a later one fails.
 * A file that can't be read to its end leaves nothing behind. Errors: `corrupt` for a damaged or truncated archive,
 * `unsupported`, `denied` for a suspected decompression bomb without `force`.
 */
export async function extract(context: ExtractContext, request: ExtractRequest): Promise<ExtractResult> {
  const extraction = new Extraction(context, request)
  try {
    return await extraction.run()
  } catch (error) {
    throw explained(error, request.source.name, extraction.written > 0)
  }
}

/**
 * Turns errors of the archive readers into `corrupt`. Errors of this machine, of reading the source and of the program
 * pass unchanged.
 */
function explained(error: unknown, name: string, wroteAny: boolean): unknown {
  const left = wroteAny ? 'What was extracted stays, but not all of it could be verified.' : 'Nothing was extracted.'
  const hint = `${partHint(name) ?? 'Download or copy the archive again.'} ${left}`
  if (isAppError(error, 'corrupt')) return corrupt(name, error.message, hint)
  if (!(error instanceof Error) || error instanceof AppError || error.name === 'AbortError') return error
  if (error instanceof TypeError || error instanceof ReferenceError || /^E[A-Z0-9]+$/.test(errnoOf(error) ?? '')) return error
  return corrupt(name, messageOf(error), hint)
}

class Extraction {
  private readonly context: ExtractContext
  private readonly request: ExtractRequest
  private readonly destination: Destination
  private readonly expansion: Expansion
  /** Entries that were written. */
  written = 0
  private doneFiles = 0
  private bytes = 0

  constructor(context: ExtractContext, request: ExtractRequest) {
    this.context = context
    this.request = request
    this.expansion = new Expansion(request.source.name, request.force)
    const onWritten = (length: number): void => void (this.bytes += length)
    const { force } = request
    this.destination = new Destination(request.destination, { force, signal: context.signal, onWritten, onLeft: this.onLeft })
  }

  async run(): Promise<ExtractResult> {
    const { source } = this.request
    const part = typeof source.zip === 'string' ? partOfSeveral(source.zip, source.name) : undefined
    if (part !== undefined) throw part
    const input = new ByteQueue(
      countBytes(source.bytes, length => {
        this.expansion.read += length
        this.report()
      }),
    )
    try {
      await input.fill(TAR_BLOCK_BYTES)
      const format = formatOfContent(input.peek(TAR_BLOCK_BYTES))
      if (format === 'tar') return await this.placeTar('tar', input.rest())
      if (format === 'zip') return await this.findZip(input)
      if (format !== undefined) return await this.placeCompressed(format, input.rest())
      await input.fill(HEAD_BYTES)
      const head = input.peek(HEAD_BYTES)
      // a zip may begin with anything
      if (source.zip !== undefined && (await hasZip(source.zip))) return await this.findZip(input)
      if (!isEmptyTar(head)) throw unknownFormat(head, source.name)
      return await this.placeTar('tar', input.rest())
    } finally {
      await input.close()
    }
  }

  private readonly onLeft = (unfinished: string, error: unknown): void => this.context.reporter.warn(describeLeftPart(unfinished, error))

  private async findZip(input: ByteQueue): Promise<ExtractResult> {
    const { source, destination } = this.request
    if (source.zip !== undefined) {
      await input.close()
      return this.placeZip(source.zip, source.size)
    }
    const spool = spoolName(destination)
    try {
      await pipeline(input.rest(), createWriteStream(fsPath(spool), { flags: 'wx', mode: 0o600 }))
      return await this.placeZip(spool, undefined)
    } finally {
      try {
        removeFile(fsPath(spool))
      } catch (error) {
        this.onLeft(spool, error)
      }
    }
  }

  /** A compressed tar, or one compressed file. */
  private async placeCompressed(format: 'gz' | 'bz2' | 'xz' | 'zst', bytes: ByteStream): Promise<ExtractResult> {
    const { pool, zstd, reporter } = this.context
    const { name } = this.request.source
    const container = newContainer()
    const decode = { gz: decompressGzip, bz2: decompressBzip2, xz: decompressXz, zst: () => decompressZstd(bytes, pool, zstd, container) }[
      format
    ]
    const decoded = decode(bytes, container)
    const plain = new ByteQueue(countBytes(decoded, length => this.expansion.add(length)))
    try {
      if (saysTar(name) || (await holdsTar(plain, name))) return await this.placeTar(`tar.${format}`, plain.rest(), container)
      const file = singleFile(name, { ...container, mtime: container.mtime ?? this.request.source.mtime }, plain.rest(), TOOLS[format])
      const result = await this.placeAll(format, asStream(file))
      if (result.files > 0) reporter.note(`${name} holds no archive but a single file: ${file.path}`)
      if (container.hasMore) reporter.warn(`${name} ends with bytes that are not compressed: they were not read`)
      return { ...result, isComplete: !container.hasMore }
    } finally {
      await plain.close()
    }
  }

  private async placeTar(format: ReadableFormat, bytes: ByteStream, container?: Container): Promise<ExtractResult> {
    const ending: TarEnding = { end: 'unmarked', rest: 'nothing', isAligned: true }
    const counted = container === undefined ? countBytes(bytes, length => this.expansion.add(length)) : bytes
    const result = await this.placeAll(format, readTar(counted, ending))
    return { ...result, isComplete: this.isWhole(ending, container) }
  }

  /** Tells of an odd end. */
  private isWhole({ end, rest, isAligned }: TarEnding, container: Container | undefined): boolean {
    const { name } = this.request.source
    const { reporter } = this.context
    if (rest === 'entries' || rest === 'bytes') {
      const what = rest === 'entries' ? 'entries' : 'bytes'
      reporter.warn(
        `${name} goes on behind its end mark with ${what} that were not read: it is several archives in a row, which tar -xi reads, or bytes are missing in its middle`,
      )
      return false
    }
    // a single frame was read to its end, and its checksum is right
    const isProved = container?.frames === 1 && !container.hasMore
    if (!isAligned && !isProved) {
      reporter.warn(
        `${name} is no multiple of ${TAR_BLOCK_BYTES} bytes long, as tars are: bytes may be missing, even in what was extracted`,
      )
      return false
    }
    if (rest === 'padding' || container?.hasMore === true) reporter.note(`${name} has bytes after its end, which were not read`)
    if (end === 'marked') return true
    if (isProved) {
      reporter.note(`${name} ends without the two blocks of zeros that end a tar, but nothing is missing`)
      return true
    }
    const why = end === 'half-marked' ? 'with half an end mark' : 'without an end mark'
    const risk = end === 'half-marked' ? 'bytes may be missing' : 'it may have been cut between two entries'
    reporter.warn(`${name} ends ${why}: all that is in it was extracted, but ${risk}`)
    return false
  }

  private placeZip(place: ZipInput, size: number | undefined): Promise<ExtractResult> {
    if (size !== undefined) this.expansion.read = size
    const { expansion } = this
    const { pool, zstd } = this.context
    async function* entries(): AsyncGenerator<ArchiveEntry> {
      const help = { zstd: (bytes: ByteStream) => decompressZstd(bytes, pool, zstd), onLonger: (length: number) => expansion.add(length) }
      for await (const entry of readZip(place, help)) {
        expansion.add(entry.size)
        yield entry
      }
    }
    return this.placeAll('zip', entries())
  }

  private async placeAll(format: ReadableFormat, entries: AsyncIterable<ArchiveEntry>): Promise<ExtractResult> {
    const counts = { file: 0, directory: 0, symlink: 0 }
    const result = { unchanged: 0, refused: 0, damaged: 0, doubtful: 0, occupied: [] as string[] }
    const { reporter, signal } = this.context
    const turns = new Breather()
    try {
      for await (const entry of entries) {
        // small entries of a local zip are read and written without a turn of the event loop
        if (turns.isDue()) await turns.breathe()
        throwIfAborted(signal)
        const placed = await this.placeOne(entry, result)
        if (placed === 'unchanged') result.unchanged++
        if (placed !== undefined && entry.doubt !== undefined) {
          result.doubtful++
          reporter.warn(`${entry.path} may be another file than it seems: ${entry.doubt}`)
        }
        if (placed === 'skipped' && entry.type === 'other') {
          result.refused++
          reporter.warn(`${entry.path} was not extracted: it is neither a file, a folder nor a link`)
        }
        if (placed === 'written') {
          counts[entry.type === 'directory' || entry.type === 'symlink' ? entry.type : 'file']++
          this.written++
        }
        this.doneFiles++
        this.report()
      }
    } finally {
      this.finishFolders()
      this.destination.close()
    }
    const { file: files, directory: directories, symlink: symlinks } = counts
    const { outsideLinks } = this.destination
    return { format, files, directories, symlinks, bytes: this.bytes, ...result, outsideLinks, isComplete: true }
  }

  private async placeOne(
    entry: ArchiveEntry,
    result: Pick<ExtractResult, 'refused' | 'damaged' | 'occupied'>,
  ): Promise<string | undefined> {
    const before = this.bytes
    try {
      if (entry.error !== undefined) throw entry.error
      if (!this.expansion.takeHoles(entry.holes ?? 0))
        throw new RefusedEntryError(`it has ${formatBytes(entry.size)}, nearly all of them zeros (--force extracts it)`)
      return await this.destination.place(entry)
    } catch (error) {
      this.bytes = before
      if (error instanceof OccupiedEntryError) result.occupied.push(error.message)
      else if (error instanceof RefusedEntryError || error instanceof LocalEntryError || error instanceof DamagedEntryError) {
        result[error instanceof DamagedEntryError ? 'damaged' : 'refused']++
        this.context.reporter.warn(`${entry.path} was not extracted: ${error.message}`)
      } else throw error
      return undefined
    }
  }

  private finishFolders(): void {
    try {
      this.destination.finish()
    } catch (error) {
      this.context.reporter.warn(`not all folders have their mode and time: ${messageOf(error)}`)
    }
  }

  private report(): void {
    const { size } = this.request.source
    const total = size === undefined ? {} : { totalBytes: size }
    this.context.reporter.progress({ phase: 'restoring', doneBytes: this.expansion.read, ...total, doneFiles: this.doneFiles })
  }
}

const TOOLS = { gz: 'gzip -dc', bz2: 'bzip2 -dc', xz: 'xz -dc', zst: 'zstd -dc' }

async function holdsTar(plain: ByteQueue, name: string): Promise<boolean> {
  await plain.fill(TAR_BLOCK_BYTES)
  const head = plain.peek(TAR_BLOCK_BYTES)
  if (formatOfContent(head) === 'tar') return true
  // zeros may be a tar without entries, or a file of zeros
  return !saysSingleFile(name) && isEmptyTar(head) && !(await plain.fill(HEAD_BYTES)) && isEmptyTar(plain.peek(HEAD_BYTES))
}

async function* asStream(entry: ArchiveEntry): AsyncGenerator<ArchiveEntry> {
  yield entry
}

/** The bytes of a file on this machine. */
export function readArchiveFile(path: string, signal: AbortSignal): ByteStream {
  return createReadStream(fsPath(path), { highWaterMark: 1024 * 1024, signal })
}
