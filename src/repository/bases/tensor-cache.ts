import { createHash, randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../util/errors.ts'
import { makeFolder, realFileSystem, type FileSystem } from '../../util/file-system.ts'
import type { Reporter } from '../../util/reporter.ts'
import type { BaseFile } from './base-tensor.ts'
import { openCachedFile, CachedFileWriter } from './tensor-cache-file.ts'

/** The cache takes at most this many bytes, and this share of the free disk space. */
const MAX_BYTES = 2_000_000_000
const MAX_SHARE = 0.05
/** An unfinished file of this age (ms) will never be finished. */
const STALE_MS = 6 * 3_600_000

interface CacheFile {
  name: string
  bytes: number
  usedAt: number
}

/**
 * Caches the tensors of files that were pushed lately. If a file is overwritten in place, its former tensors are bases
 * of the new ones. Each pushed file has a cache file, named by the hash of its chunk ids. The least recently used one
 * is evicted first. Several processes may use the cache, so a cache file may vanish at any time. Callers verify the
 * bytes that they read.
 */
export class TensorCache {
  private readonly folder: string
  private readonly reporter: Reporter
  private readonly fileSystem: FileSystem
  private readonly freeBytes: () => number

  constructor(folder: string, reporter: Reporter, freeBytes = (): number => freeBytesOf(folder, fileSystem), fileSystem = realFileSystem) {
    this.folder = folder
    this.reporter = reporter
    this.fileSystem = fileSystem
    this.freeBytes = freeBytes
  }

  /** The name of the cache file for a file that consists of these chunks. */
  static keyOf(chunks: Uint8Array): string {
    return createHash('sha256').update(chunks).digest('hex')
  }

  keys(): Set<string> {
    return new Set(this.list().map(({ name }) => name))
  }

  /** Opens the tensors of a file and records that they were used now. Undefined if there are none. */
  async open(key: string): Promise<BaseFile | undefined> {
    const path = join(this.folder, key)
    try {
      const now = new Date()
      this.fileSystem.lutimesSync(path, now, now)
      const file = await openCachedFile(path, this.fileSystem)
      return { ...file, damaged: () => this.drop(path) }
    } catch (error) {
      this.reporter.detail(`the cached tensors ${path} can't be used (${messageOf(error)})`)
      this.drop(path)
      return undefined
    }
  }

  /**
   * Begins a cache file for a file of about `size` bytes. It takes half of the capacity at most, so that the former
   * version can stay. Undefined if it can't be written.
   */
  begin(size: number): CachedFileWriter | undefined {
    try {
      makeFolder(this.folder, { mode: 0o700, fileSystem: this.fileSystem })
      const kept = this.list()
      const limit = this.limit(kept)
      const capacity = Math.min(size, limit / 2)
      this.evictDownTo(kept, limit - capacity)
      const temporary = join(this.folder, `${process.pid}-${randomBytes(6).toString('hex')}.tmp`)
      return new CachedFileWriter(temporary, capacity, this.fileSystem)
    } catch (error) {
      this.failed(error)
      return undefined
    }
  }

  /** Keeps a cache file that was written, for a file that consists of these chunks. */
  finish(writer: CachedFileWriter, chunks: Uint8Array): void {
    try {
      if (!writer.finish()) return this.drop(writer.path)
      this.fileSystem.renameSync(writer.path, join(this.folder, TensorCache.keyOf(chunks)))
      // the capacity is checked again: the table was not counted, and other processes may have added files
      const kept = this.list()
      this.evictDownTo(kept, this.limit(kept))
    } catch (error) {
      this.failed(error)
      this.discard(writer)
    }
  }

  discard(writer: CachedFileWriter): void {
    try {
      writer.close()
    } catch (error) {
      this.failed(error)
    }
    this.drop(writer.path)
  }

  failed(error: unknown): void {
    this.reporter.detail(`tensors can't be kept in ${this.folder} (${messageOf(error)})`)
  }

  private limit(kept: readonly CacheFile[]): number {
    return Math.min(MAX_BYTES, MAX_SHARE * (this.freeBytes() + bytesOf(kept)))
  }

  private evictDownTo(kept: CacheFile[], most: number): void {
    let total = bytesOf(kept)
    for (const { name, bytes } of kept.sort((a, b) => a.usedAt - b.usedAt)) {
      if (total <= most) return
      this.drop(join(this.folder, name))
      total -= bytes
    }
  }

  /** The finished cache files. Removes stale unfinished ones. */
  private list(): CacheFile[] {
    const kept: CacheFile[] = []
    for (const name of this.names()) {
      const stats = this.look(join(this.folder, name))
      if (!stats?.isFile()) continue
      const isFinished = /^[0-9a-f]{64}$/.test(name)
      if (isFinished) kept.push({ name, bytes: stats.size, usedAt: stats.mtimeMs })
      else if (name.endsWith('.tmp') && Date.now() - stats.mtimeMs > STALE_MS) this.drop(join(this.folder, name))
    }
    return kept
  }

  private names(): string[] {
    try {
      return this.fileSystem.readdirSync(this.folder)
    } catch {
      return []
    }
  }

  /** Undefined also for a file that this user may not look at. */
  private look(path: string): Stats | undefined {
    try {
      return this.fileSystem.lstatSync(path)
    } catch {
      return undefined
    }
  }

  private drop(path: string): void {
    try {
      this.fileSystem.rmSync(path, { force: true })
    } catch {
      // some systems do not remove a file that another process has open: it is evicted later
    }
  }
}

function bytesOf(kept: readonly CacheFile[]): number {
  return kept.reduce((sum, { bytes }) => sum + bytes, 0)
}

function freeBytesOf(folder: string, fileSystem: FileSystem): number {
  const { bavail, bsize } = fileSystem.statfsSync(folder)
  return bavail * bsize
}
