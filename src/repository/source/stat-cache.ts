import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import type { ChangeTimes } from '../../local/change-times.ts'
import type { Fingerprint } from '../../local/fingerprint.ts'
import { replaceFile } from '../../local/replace-file.ts'
import type { ChunkKeys } from '../../util/chunk-keys.ts'
import { errnoOf, messageOf } from '../../util/errors.ts'
import { makeFolder, realFileSystem, type FileSystem } from '../../util/file-system.ts'
import type { Reporter } from '../../util/reporter.ts'
import { openOwnFile } from '../../util/small-file.ts'

/**
 * If a file changed less than this (ns) before it was read, it may change again without new times. It is read again by
 * the next push.
 */
const UNSETTLED_NS = 2_000_000_000n
/** Characters written at a time. */
const PIECE_CHARACTERS = 256 * 1024

interface CachedFile {
  /** The fingerprint; as text if it was loaded, which saves the conversion into numbers. */
  fingerprint: string | Fingerprint
  /** The fingerprint that was last found equal: files are looked up several times. */
  equal?: Fingerprint
  /** Whether the next save writes it, unless the file is recorded anew. */
  isKept?: boolean
  /** The ids of its chunks. */
  chunks: Buffer
}

/** Legal in JSON and in file names, but line ends for the readline of Node 24. */
const LINE_SEPARATORS = /[\u2028\u2029]/g
const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16)}`

function textOf(fingerprint: string | Fingerprint): string {
  return typeof fingerprint === 'string' ? fingerprint : fingerprintText(fingerprint)
}

function fingerprintText(fingerprint: Fingerprint): string {
  return `${fingerprint.size} ${fingerprint.mtime} ${fingerprint.ctime} ${fingerprint.inode}`
}

interface StatCacheOptions {
  changeTimes?: ChangeTimes | undefined
  fileSystem?: FileSystem | undefined
}

/** The chunks of files in known states. */
export interface FileStates {
  /** Chunk ids of a file that is in the state in which it was recorded, 32 bytes each. */
  lookup(path: string, fingerprint: Fingerprint): Buffer | undefined
  /** Records which chunks a file consisted of when it was read at `readAt`, ms since 1970. */
  record(path: string, fingerprint: Fingerprint, chunks: Buffer, readAt: number): void
  /** Keeps the record of a file that was looked up and used. */
  keep(path: string): void
}

/**
 * Remembers the chunks of each file of one source folder together with the file's fingerprint, so that unchanged files
 * are not read again. It knows no file whose fingerprint may hide a write. All plain repositories share one; each
 * encrypted repository has its own (`withKeys`). It is saved as lines `[path, fingerprint, chunk ids in base64]` and a
 * last line with the SHA-256 of all lines before. A damaged cache is not used.
 */
export class StatCache implements FileStates {
  private readonly file: string | undefined
  /** Undefined if no file is looked up or recorded. */
  private readonly changeTimes: ChangeTimes | undefined
  private readonly files = new Map<string, CachedFile>()
  private readonly recorded = new Map<string, CachedFile>()
  /** False for a cache that is only renewed. */
  private mayKnow = false
  /** Whether the file exists and is undamaged. */
  private isLoaded = false
  private keptFiles = 0
  private readonly fileSystem: FileSystem
  /** Whether a file can't be recorded because its fingerprint may hide a write. */
  private isInDoubt = false

  /** Without a file nothing is remembered. */
  constructor(file: string | undefined, { changeTimes, fileSystem = realFileSystem }: StatCacheOptions = {}) {
    this.file = file
    this.changeTimes = changeTimes
    this.fileSystem = fileSystem
  }

  /**
   * The cache of the same folder for a repository with these keys. `this` is that of plain repositories. The other one
   * is loaded if this one was.
   */
  async withKeys({ id }: ChunkKeys, reporter: Reporter): Promise<StatCache> {
    if (id === '') return this
    const file = this.file?.replace(/(\.jsonl)?$/, `-${id}$1`)
    const other = new StatCache(file, { changeTimes: this.changeTimes, fileSystem: this.fileSystem })
    if (this.mayKnow) await other.load(reporter)
    return other
  }

  async load(reporter: Reporter): Promise<void> {
    this.mayKnow = true
    if (this.file === undefined) return
    const hash = createHash('sha256')
    try {
      const file = await openOwnFile(this.file, this.fileSystem)
      const lines = createInterface({ input: file.createReadStream(), crlfDelay: Infinity })
      for await (const line of lines) {
        // the last line is a string, all others are arrays
        if (line.startsWith('"')) {
          this.isLoaded = line === `"${hash.digest('hex')}"`
          break
        }
        hash.update(line)
        const [path, fingerprint, chunks] = JSON.parse(line) as [string, string, string]
        this.files.set(path, { fingerprint, chunks: Buffer.from(chunks, 'base64') })
      }
      if (!this.isLoaded) throw new Error('it is incomplete')
    } catch (error) {
      this.files.clear()
      if (errnoOf(error) !== 'ENOENT')
        reporter.detail(`the cache of file states ${this.file} can't be used (${messageOf(error)}): all files are read`)
    }
  }

  lookup(path: string, fingerprint: Fingerprint): Buffer | undefined {
    const cached = this.files.get(path)
    if (!cached || !this.showsWrites(path, fingerprint)) return undefined
    if (cached.equal !== fingerprint) {
      if (cached.fingerprint !== fingerprintText(fingerprint)) return undefined
      cached.equal = fingerprint
    }
    return cached.chunks
  }

  /** Records the chunks of a file, unless the file is so young that it may change again without new times. */
  record(path: string, fingerprint: Fingerprint, chunks: Buffer, readAt: number): void {
    const settledBefore = BigInt(Math.floor(readAt)) * 1_000_000n - UNSETTLED_NS
    if (fingerprint.mtime >= settledBefore || fingerprint.ctime >= settledBefore) return
    if (!this.showsWrites(path, fingerprint)) return
    this.recorded.set(path, { fingerprint, chunks })
  }

  private showsWrites(path: string, fingerprint: Fingerprint): boolean {
    const shows = this.changeTimes?.showWrites(path, fingerprint) !== false
    if (!shows) this.isInDoubt = true
    return shows
  }

  keep(path: string): void {
    const cached = this.files.get(path)
    if (!cached || cached.isKept) return
    cached.isKept = true
    this.keptFiles++
  }

  /** Keeps the records of all files that are not recorded anew. */
  keepAll(): void {
    for (const path of this.files.keys()) this.keep(path)
  }

  /** Saves the recorded and kept files. If the cache can't be written, this only costs time later. */
  async save(reporter: Reporter): Promise<void> {
    if (this.isInDoubt) reporter.note('the files here are read by every push, changed or not: their file system keeps no time of change')
    if (this.file === undefined) return
    if (this.isLoaded && this.recorded.size === 0 && this.keptFiles === this.files.size) return
    try {
      const { fileSystem } = this
      makeFolder(dirname(this.file), { mode: 0o700, fileSystem })
      await replaceFile(this.file, this.pieces(), { fileSystem })
    } catch (error) {
      reporter.detail(`the cache of file states ${this.file} can't be written (${messageOf(error)})`)
    }
  }

  private *pieces(): Generator<string> {
    const hash = createHash('sha256')
    let text = ''
    for (const [path, cached] of this.toSave()) {
      const line = JSON.stringify([path, textOf(cached.fingerprint), cached.chunks.toString('base64')]).replace(LINE_SEPARATORS, escaped)
      hash.update(line)
      text += `${line}\n`
      if (text.length > PIECE_CHARACTERS) {
        yield text
        text = ''
      }
    }
    yield `${text}"${hash.digest('hex')}"\n`
  }

  private *toSave(): Generator<[string, CachedFile]> {
    for (const [path, cached] of this.files) if (cached.isKept && !this.recorded.has(path)) yield [path, cached]
    yield* this.recorded
  }
}
