/*
 * Turns walked files into chunks and manifest entries. It recognises an unchanged file by its fingerprint, and reads a
 * changed one. It stores nothing.
 */

import type { Chunker } from '../../chunking/chunker.ts'
import { describeChangedType, isGone } from '../../local/changed-type.ts'
import type { Fingerprint } from '../../local/fingerprint.ts'
import { isLog } from '../../local/log-files.ts'
import { lookAt } from '../../local/look-at.ts'
import { wholeMicroseconds } from '../../local/times.ts'
import type { WalkedEntry } from '../../local/walk.ts'
import { errnoOf, messageOf, throwIfAborted } from '../../util/errors.ts'
import { Breather } from '../../util/event-loop.ts'
import { comparePaths } from '../../util/paths.ts'
import { pointerOf, type PointerFile } from '../../util/pointer-file.ts'
import type { ProgressUpdate, Reporter } from '../../util/reporter.ts'
import type { Entry } from '../format/manifest.ts'
import { FileChangedError, FileGrewError, type FileChunk, readFileChunks } from './file-reader.ts'
import { readingOrder } from './reading-order.ts'
import type { FileStates } from './stat-cache.ts'

export type ReadProgress = Pick<ProgressUpdate, 'doneBytes' | 'totalBytes' | 'doneFiles' | 'totalFiles'>

export interface SourceReaderOptions {
  chunker: Chunker
  cache: FileStates | undefined
  now: () => number
  reporter: Reporter
  onProgress: (progress: ReadProgress) => void
  signal?: AbortSignal | undefined
}

export interface SourceReading {
  /** Sorted by path, without the files that could not be read. */
  entries: Entry[]
  failedFiles: string[]
  /** The paths of `failedFiles` as in the manifest. */
  failedPaths: string[]
  /** Logs that were written to all the time: the entry of each has the first `size` bytes. */
  growing: { path: string; size: number }[]
  files: number
  directories: number
  symlinks: number
  /** Bytes of all files, and of those that were read because they had changed. */
  bytes: number
  readBytes: number
}

/** Maximum number of files that a warning names. */
const MAX_LISTED = 3

/**
 * Reads a source file by file, in the order that its user chooses, and collects the manifest entries. Keep or read each
 * of `files` once:
 *
 *     for (const file of reader.files) {
 *       const chunks = reader.known(file)
 *       if (chunks) reader.keep(file, chunks)
 *       else for await (const chunk of reader.read(file)) ...
 *       if (reader.isPauseDue()) await reader.pause()
 *     }
 *     const reading = reader.finish()
 */
export class SourceReader {
  /** In reading order. */
  readonly files: readonly WalkedEntry[]
  private readonly options: SourceReaderOptions
  private readonly reading: SourceReading = {
    entries: [],
    failedFiles: [],
    failedPaths: [],
    growing: [],
    files: 0,
    directories: 0,
    symlinks: 0,
    bytes: 0,
    readBytes: 0,
  }
  private readonly turns = new Breather()
  private readonly totalBytes: number
  private doneBytes = 0
  private doneFiles = 0
  /** Files that stand for large ones. */
  private readonly pointers = new Map<string, PointerFile>()
  private lastRead: { file: WalkedEntry; chunks: Buffer } | undefined

  constructor(walked: readonly WalkedEntry[], options: SourceReaderOptions) {
    this.options = options
    this.files = readingOrder(walked)
    this.totalBytes = this.files.reduce((sum, file) => sum + file.fingerprint.size, 0)
    for (const entry of walked) this.addOther(entry)
  }

  private addOther({ path, type, mode, fingerprint, target }: WalkedEntry): void {
    const mtime = wholeMicroseconds(fingerprint.mtime)
    if (type === 'directory') {
      this.reading.directories++
      this.reading.entries.push({ path, type, mode, mtime })
    } else if (type === 'symlink') {
      this.reading.symlinks++
      this.reading.entries.push({ path, type, mode, mtime, target: target! })
    }
  }

  /** Chunk ids of a file that has not changed since it was last read, 32 bytes each. */
  known(file: WalkedEntry): Buffer | undefined {
    return this.options.cache?.lookup(file.path, file.fingerprint)
  }

  /**
   * Takes an unchanged file without reading it. This must be cheap, because most files of most pushes are unchanged.
   */
  keep(file: WalkedEntry, chunks: Buffer): void {
    this.options.cache?.keep(file.path)
    this.addFile(file, file.fingerprint, chunks)
  }

  /**
   * Reads a file and yields its chunks. If the file changes while it is read, reads it once more, beginning again at
   * offset 0. If it changes again or can't be read, reports it and leaves it out, so that no file is stored half old
   * and half new. Of a log that only grows, takes what it had when the second reading began. `chunksOf` returns the
   * outcome.
   */
  async *read(file: WalkedEntry): AsyncGenerator<FileChunk, void> {
    const { cache, now, signal } = this.options
    throwIfAborted(signal)
    let { fingerprint } = file
    for (let attempt = 1; ; attempt++) {
      const readAt = now()
      const ids: Buffer[] = []
      try {
        for await (const chunk of this.chunksAt(file, fingerprint, attempt > 1 && isLog(file.path))) {
          ids.push(chunk.id)
          const pointer = chunk.bytes.length === fingerprint.size ? pointerOf(chunk.bytes) : undefined
          if (pointer !== undefined) this.pointers.set(file.path, pointer)
          yield chunk
        }
        const chunks = Buffer.concat(ids)
        cache?.record(file.path, fingerprint, chunks, readAt)
        return this.addRead(file, fingerprint, chunks)
      } catch (error) {
        const hasChanged = error instanceof FileChangedError
        if (!hasChanged && errnoOf(error) === undefined) throw error
        if (error instanceof FileGrewError) {
          const chunks = Buffer.concat(ids)
          if (!(await this.readsTheSame(file, fingerprint, chunks))) return this.leaveOut(file, error)
          // its state is not recorded: the next push reads it again
          this.reading.growing.push({ path: file.path, size: fingerprint.size })
          return this.addRead(file, fingerprint, chunks)
        }
        const found = hasChanged && attempt === 1 ? lookAt(file.localPath) : undefined
        if (found?.type !== 'file') return this.leaveOut(file, error)
        fingerprint = found.fingerprint
      }
    }
  }

  /** See `readFileChunks`. Lets others run meanwhile. */
  private async *chunksAt(file: WalkedEntry, fingerprint: Fingerprint, mayGrow: boolean): AsyncGenerator<FileChunk, void> {
    for await (const chunk of readFileChunks(file.localPath, fingerprint, this.options.chunker, { mayGrow })) {
      if (this.isPauseDue()) await this.pause(Math.min(chunk.offset + chunk.bytes.length, file.fingerprint.size))
      yield chunk
    }
  }

  /** Whether a growing file still has the bytes of `chunks`: it was appended to, not rewritten. */
  private async readsTheSame(file: WalkedEntry, fingerprint: Fingerprint, chunks: Buffer): Promise<boolean> {
    let at = 0
    try {
      for await (const { id } of this.chunksAt(file, fingerprint, true)) {
        if (!id.equals(chunks.subarray(at, at + id.length))) return false
        at += id.length
      }
    } catch (error) {
      if (errnoOf(error) !== undefined) return false
      if (!(error instanceof FileChangedError)) throw error
      return error instanceof FileGrewError && at === chunks.length
    }
    return at === chunks.length
  }

  private warnOfPointers(): void {
    const [first] = this.pointers.values()
    if (first === undefined) return
    const paths = [...this.pointers.keys()].sort(comparePaths)
    const more = paths.length > MAX_LISTED ? ` and ${paths.length - MAX_LISTED} more` : ''
    this.options.reporter.warn(
      `Only pointers of ${first.program} are here, not the large files: ${paths.slice(0, MAX_LISTED).join(', ')}${more}. To save the files, run ${first.command} and push again`,
    )
  }

  private leaveOut(file: WalkedEntry, error: unknown): void {
    // an open file that is deleted only has other times
    const hasVanished = errnoOf(error) === 'ENOENT' || isGone(file.localPath)
    const reason = hasVanished ? 'it vanished while it was being read' : (describeChangedType(file.localPath) ?? messageOf(error))
    this.options.reporter.warn(`${file.localPath} was not saved: ${reason}`)
    this.reading.failedFiles.push(file.localPath)
    this.reading.failedPaths.push(file.path)
    this.countDone(file)
    this.report()
  }

  /** Chunk ids of the file that was read last, 32 bytes each; undefined if it could not be read. */
  chunksOf(file: WalkedEntry): Buffer | undefined {
    return this.lastRead?.file === file ? this.lastRead.chunks : undefined
  }

  private addRead(file: WalkedEntry, fingerprint: Fingerprint, chunks: Buffer): void {
    this.lastRead = { file, chunks }
    this.reading.readBytes += fingerprint.size
    this.addFile(file, fingerprint, chunks)
    this.report()
  }

  private addFile(file: WalkedEntry, { size, mtime }: Fingerprint, chunks: Buffer): void {
    const { path, mode } = file
    this.reading.files++
    this.reading.bytes += size
    this.reading.entries.push({ path, type: 'file', mode, mtime: wholeMicroseconds(mtime), size, chunks })
    this.countDone(file)
  }

  private countDone(file: WalkedEntry): void {
    this.doneBytes += file.fingerprint.size
    this.doneFiles++
  }

  private report(partBytes = 0): void {
    const { doneBytes, totalBytes, doneFiles } = this
    this.options.onProgress({ doneBytes: doneBytes + partBytes, totalBytes, doneFiles, totalFiles: this.files.length })
  }

  /** True if signals, timers and the screen have waited long enough. Then call `pause`, which lets them run. */
  isPauseDue(): boolean {
    return this.turns.isDue()
  }

  /** `partBytes`: bytes read of the file that is being read. */
  async pause(partBytes = 0): Promise<void> {
    this.report(partBytes)
    await this.turns.breathe()
    throwIfAborted(this.options.signal)
  }

  finish(): SourceReading {
    this.report()
    this.warnOfPointers()
    this.reading.entries.sort((a, b) => comparePaths(a.path, b.path))
    return this.reading
  }
}
