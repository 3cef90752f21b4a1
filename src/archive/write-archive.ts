import { lstatSync } from 'node:fs'
import { Readable } from 'node:stream'
import type { Archiver, EntryData } from 'archiver'
import { looksCompressed } from '../compression/sample.ts'
import { fingerprintOf, sameFingerprint } from '../local/fingerprint.ts'
import type { WalkedEntry } from '../local/walk.ts'
import { throwIfAborted } from '../util/errors.ts'
import { fsPath } from '../util/paths.ts'
import type { Reporter } from '../util/reporter.ts'
import { compactTar } from './compact-tar.ts'
import { compactZip } from './compact-zip.ts'
import { changesName, keptNames, type KeptNames } from './entry-names.ts'
import { LOCAL_CONTENTS, SMALL_FILE_BYTES, UnreadableFileError, type Contents } from './source-file.ts'

export interface WriteOptions {
  container: 'tar' | 'zip'
  /** Deflate levels, for zip. */
  zlibLevel: number
  /** By default files of this machine. */
  contents?: Contents | undefined
  reporter: Reporter
  signal: AbortSignal
  onRead: (bytes: number) => void
  onFile: () => void
}

/** What is in the archive. */
export interface WriteResult {
  /** Hard links are counted too. */
  files: number
  directories: number
  symlinks: number
  /** Files that are further names of another file in the archive, and have no content there. */
  hardlinks: number
  /** Entries that are missing from the archive or differ from the source. Each was warned about. */
  failed: number
}

/** Options that archiver takes but its types lack. */
interface FullEntryData extends Omit<EntryData, 'type'> {
  type: 'file' | 'directory' | 'symlink' | 'link'
  linkname?: string
  pax?: Record<string, string>
  store?: boolean
  /** Ours: what counts instead of `name` and `linkname`. */
  kept?: KeptNames
}

const NOTHING = Buffer.alloc(0)
/** The name that archiver gets instead of one that it would change. */
const STAND_IN = 'name'
/** The tar library takes the number 0 for a mode that was not given. */
const MODE_ZERO = Object(0) as number
/** From this many entries on, the plain end record of a zip can't count them. */
const ZIP64_ENTRIES = 0xffff
/** The largest time (seconds since 1970) in a tar header that every reader accepts. */
const MAX_TAR_SECONDS = 2 ** 31 - 1

/**
 * The bytes of a tar or zip archive of `entries`, whose paths are the names in it. Equal entries give equal bytes on
 * every machine at any time (except that zip keeps local times, which depend on the time zone). A file that can't be
 * read is left out with a warning. A file that changes while it is read keeps its first length, with a warning.
 */
export async function* writeArchive(
  entries: readonly WalkedEntry[],
  options: WriteOptions,
  result: WriteResult,
): AsyncGenerator<Uint8Array> {
  const packer = new ArchiveWriter(entries, options, result)
  try {
    yield* packer.pieces(entries)
  } finally {
    packer.giveUp()
  }
}

/**
 * Feeds archiver entry by entry and takes its output. An aborted run does not destroy archiver's streams: that would
 * throw errors inside tar-stream that nobody can catch. The streams hold only memory.
 */
class ArchiveWriter {
  private readonly archive: Archiver
  private readonly options: WriteOptions
  private readonly result: WriteResult
  private current: Readable | undefined
  private waiting: { resolve: () => void; reject: (error: unknown) => void } | undefined
  private wake: () => void = () => undefined
  private ended = false
  private failure: unknown
  private readonly links: HardLinks
  private readonly contents: Contents

  constructor(entries: readonly WalkedEntry[], options: WriteOptions, result: WriteResult) {
    const count = entries.length
    this.options = options
    this.result = result
    this.contents = options.contents ?? LOCAL_CONTENTS
    this.links = new HardLinks(options.container === 'tar' ? entries : [])
    this.archive = options.container === 'tar' ? compactTar() : compactZip(options.zlibLevel, count >= ZIP64_ENTRIES)
    this.archive.on('entry', () => this.settle(undefined))
    this.archive.on('error', error => this.fail(error))
    this.archive.on('readable', () => this.wake())
    this.archive.on('end', () => {
      this.ended = true
      this.wake()
    })
  }

  async *pieces(entries: readonly WalkedEntry[]): AsyncGenerator<Uint8Array> {
    this.addAll(entries).catch((error: unknown) => this.fail(error))
    while (this.failure === undefined) {
      const piece = this.archive.read() as Uint8Array | null
      if (piece !== null) yield piece
      else if (this.ended) return
      else await new Promise<void>(resolve => (this.wake = resolve))
    }
    throw this.failure as Error
  }

  private fail(error: unknown): void {
    this.failure ??= error
    this.settle(error)
    this.wake()
  }

  /** Settles the current entry: it was added, or it failed. */
  private settle(error: unknown): void {
    const waiting = this.waiting
    this.waiting = undefined
    if (error === undefined) waiting?.resolve()
    else waiting?.reject(error)
  }

  private async addAll(entries: readonly WalkedEntry[]): Promise<void> {
    for (const entry of entries) {
      throwIfAborted(this.options.signal)
      if (entry.type === 'file') await this.addFile(entry)
      else {
        await this.append(NOTHING, this.dataOf(entry))
        this.result[entry.type === 'directory' ? 'directories' : 'symlinks']++
      }
    }
    await this.archive.finalize()
  }

  private async addFile(entry: WalkedEntry): Promise<void> {
    try {
      const first = this.links.firstOf(entry)
      if (first !== undefined) await this.addLink(entry, first)
      else if (entry.fingerprint.size <= SMALL_FILE_BYTES) await this.addSmall(entry)
      else await this.addLarge(entry)
      this.links.added(entry)
      this.result.files++
    } catch (error) {
      if (!(error instanceof UnreadableFileError)) throw error
      this.warn(`${entry.localPath} is not in the archive: ${error.message}`)
    }
    this.options.onFile()
  }

  private async addLink(entry: WalkedEntry, first: WalkedEntry): Promise<void> {
    await this.append(NOTHING, { ...this.dataOf(entry, first.path), type: 'link' })
    this.result.hardlinks++
    this.options.onRead(entry.fingerprint.size)
  }

  private async addSmall(entry: WalkedEntry): Promise<void> {
    const bytes = await this.contents.small(entry)
    await this.append(bytes, { ...this.dataOf(entry), store: this.options.container === 'zip' && looksCompressed(bytes) })
    this.options.onRead(bytes.length)
  }

  private async addLarge(entry: WalkedEntry): Promise<void> {
    const file = await this.contents.large(entry)
    try {
      const pieces = file.read(why => this.warn(`${entry.localPath} ${why}: don't rely on its copy in the archive`), this.options.signal)
      const source = Readable.from(this.told(pieces), { objectMode: false })
      source.on('error', error => this.fail(error))
      this.current = source
      // archiver reads only the size from it; without the size it would buffer the whole file
      const stats = { size: file.size } as NonNullable<EntryData['stats']>
      await this.append(source, { ...this.dataOf(entry), stats })
    } finally {
      await file.close()
    }
  }

  private async *told(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of pieces) {
      yield piece
      this.options.onRead(piece.length)
    }
  }

  private append(source: Buffer | Readable, data: FullEntryData): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject }
      this.archive.append(source, data as EntryData)
    })
  }

  private dataOf(entry: WalkedEntry, target = entry.target ?? ''): FullEntryData {
    const { container } = this.options
    const seconds = Math.floor(Number(entry.fingerprint.mtime / 1_000_000n) / 1000)
    const mode = container === 'tar' ? entry.mode || MODE_ZERO : entry.mode
    const data: FullEntryData = { name: entry.path, type: entry.type, mode, date: new Date(seconds * 1000) }
    if (target !== '') data.linkname = target
    if (changesName(entry.path) || !target.isWellFormed()) {
      data.name = STAND_IN
      data.kept = keptNames(entry.path, target, entry.type === 'directory')
    }
    if (container === 'tar' && (seconds < 0 || seconds > MAX_TAR_SECONDS)) {
      data.pax = { mtime: String(seconds) }
      data.date = new Date(Math.min(Math.max(seconds, 0), MAX_TAR_SECONDS) * 1000)
    }
    return data
  }

  private warn(message: string): void {
    this.result.failed++
    this.options.reporter.warn(message)
  }

  giveUp(): void {
    this.current?.destroy()
    this.settle(new Error('the archive was given up'))
  }
}

/** Which files are names of one file, as far as that can be seen. */
class HardLinks {
  /** The first name of each file that has several among the entries; undefined until it is in the archive. */
  private readonly firsts = new Map<string, WalkedEntry | undefined>()

  constructor(entries: readonly WalkedEntry[]) {
    const seen = new Set<string>()
    for (const entry of entries) {
      if (entry.type !== 'file') continue
      const key = keyOf(entry)
      if (seen.has(key)) this.firsts.set(key, undefined)
      else seen.add(key)
    }
  }

  /** The entry in the archive that is the same file now. Some network drives give one number to several files. */
  firstOf(entry: WalkedEntry): WalkedEntry | undefined {
    const first = this.firsts.get(keyOf(entry))
    if (first === undefined || !sameFingerprint(first.fingerprint, entry.fingerprint)) return undefined
    try {
      const [here, there] = [entry, first].map(({ localPath }) => lstatSync(fsPath(localPath), { bigint: true }))
      const isOne = [here!, there!].every(
        stats => stats.nlink > 1n && stats.isFile() && sameFingerprint(fingerprintOf(stats), first.fingerprint),
      )
      return isOne ? first : undefined
    } catch {
      return undefined
    }
  }

  added(entry: WalkedEntry): void {
    const key = keyOf(entry)
    if (this.firsts.has(key) && this.firsts.get(key) === undefined) this.firsts.set(key, entry)
  }
}

function keyOf({ fingerprint: { device, inode } }: WalkedEntry): string {
  return `${device}:${inode}`
}
