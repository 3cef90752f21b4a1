import { lstatSync } from 'node:fs'
import { fingerprintOf, sameFingerprint } from '../local/fingerprint.ts'
import type { WalkedEntry } from '../local/walk.ts'
import { throwIfAborted } from '../util/errors.ts'
import { encodePath, fsPath } from '../util/paths.ts'
import type { Reporter } from '../util/reporter.ts'
import type { ArchiveEncoder, EntryHead } from './archive-encoder.ts'
import { ArchiveNames, zipName } from './entry-names.ts'
import { LOCAL_CONTENTS, SMALL_FILE_BYTES, UnreadableFileError, type Contents } from './source-file.ts'
import { TarEncoder } from './tar-writer.ts'
import { ZipEncoder } from './zip-writer.ts'

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

const NOTHING = Buffer.alloc(0)
const PIECE_BYTES = 64 * 1024

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
  let held: Uint8Array[] = []
  let heldBytes = 0
  for await (const pieces of new ArchiveWriter(entries, options, result).pieces(entries)) {
    held.push(...pieces)
    for (const { length } of pieces) heldBytes += length
    if (heldBytes < PIECE_BYTES) continue
    yield held.length === 1 ? held[0]! : Buffer.concat(held, heldBytes)
    held = []
    heldBytes = 0
  }
  yield Buffer.concat(held, heldBytes)
}

class ArchiveWriter {
  private readonly encoder: ArchiveEncoder
  private readonly options: WriteOptions
  private readonly result: WriteResult
  private readonly links: HardLinks
  /** Undefined where every name can be kept. */
  private readonly names: ArchiveNames | undefined
  private readonly contents: Contents

  constructor(entries: readonly WalkedEntry[], options: WriteOptions, result: WriteResult) {
    const isTar = options.container === 'tar'
    this.options = options
    this.result = result
    this.contents = options.contents ?? LOCAL_CONTENTS
    this.links = new HardLinks(isTar ? entries : [])
    this.names = isTar ? undefined : new ArchiveNames(entries, zipName)
    this.encoder = isTar ? new TarEncoder() : new ZipEncoder(options.zlibLevel)
  }

  async *pieces(entries: readonly WalkedEntry[]): AsyncGenerator<Uint8Array[]> {
    for (const entry of entries) {
      throwIfAborted(this.options.signal)
      if (entry.type === 'file') yield* this.addFile(entry)
      else {
        yield this.encoder.small(this.headOf(entry, entry.type), NOTHING)
        this.result[entry.type === 'directory' ? 'directories' : 'symlinks']++
      }
    }
    yield this.encoder.end()
  }

  private async *addFile(entry: WalkedEntry): AsyncGenerator<Uint8Array[]> {
    try {
      const first = this.links.firstOf(entry)
      if (first !== undefined) yield this.linkTo(first, entry)
      else if (entry.fingerprint.size <= SMALL_FILE_BYTES) yield this.smallFile(entry, await this.contents.small(entry))
      else yield* this.largeFile(entry)
      this.links.added(entry)
      this.result.files++
    } catch (error) {
      if (!(error instanceof UnreadableFileError)) throw error
      this.warn(`${entry.localPath} is not in the archive: ${error.message}`)
    }
    this.options.onFile()
  }

  private linkTo(first: WalkedEntry, entry: WalkedEntry): Uint8Array[] {
    this.result.hardlinks++
    this.options.onRead(entry.fingerprint.size)
    return this.encoder.small({ ...this.headOf(entry, 'hardlink'), target: encodePath(this.nameOf(first)) }, NOTHING)
  }

  private smallFile(entry: WalkedEntry, bytes: Buffer): Uint8Array[] {
    this.options.onRead(bytes.length)
    return this.encoder.small(this.headOf(entry, 'file'), bytes)
  }

  private async *largeFile(entry: WalkedEntry): AsyncGenerator<Uint8Array[]> {
    const file = await this.contents.large(entry)
    try {
      const pieces = file.read(why => this.warn(`${entry.localPath} ${why}: don't rely on its copy in the archive`), this.options.signal)
      for await (const piece of this.encoder.large(this.headOf(entry, 'file'), file.size, this.told(pieces))) yield [piece]
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

  private nameOf({ path }: WalkedEntry): string {
    return this.names?.nameOf(path) ?? path
  }

  private headOf(entry: WalkedEntry, type: EntryHead['type']): EntryHead {
    const name = this.nameOf(entry)
    if (name !== entry.path) this.options.reporter.warn(`${entry.localPath} is in the archive as ${name}: its name can't be kept there`)
    return {
      name: encodePath(type === 'directory' ? `${name}/` : name),
      type,
      mode: entry.mode,
      seconds: Math.floor(Number(entry.fingerprint.mtime / 1_000_000n) / 1000),
      target: encodePath(entry.target ?? ''),
    }
  }

  private warn(message: string): void {
    this.result.failed++
    this.options.reporter.warn(message)
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
