import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, renameSync, rmSync, statfsSync, statSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { messageOf } from '../../util/errors.ts'
import type { Reporter } from '../../util/reporter.ts'
import type { BaseFile } from './base-tensor.ts'
import { openCachedFile, type CachedTensor, CachedFileWriter } from './tensor-cache-file.ts'

/** What the cache takes at most, of the disk and of what is free of it. */
const MAX_BYTES = 2_000_000_000
const MAX_SHARE = 0.05
/** What was begun so long ago (ms) and not finished never will be. */
const STALE_MS = 6 * 3_600_000

interface Kept {
  name: string
  bytes: number
  usedAt: number
}

/**
 * The tensors of files that were pushed lately, for when a file is overwritten in place: its former bytes are then bases. One file a pushed file, under a name that
 * its chunks decide; files go in the order of their last use. It promises nothing: what it holds is verified by whoever uses it, and may vanish at any time, as
 * several processes may work with it.
 */
export class TensorCache {
  private readonly folder: string
  private readonly reporter: Reporter
  private readonly freeBytes: () => number

  constructor(folder: string, reporter: Reporter, freeBytes = (): number => freeBytesOf(folder)) {
    this.folder = folder
    this.reporter = reporter
    this.freeBytes = freeBytes
  }

  /** Names the cached tensors of a file that consists of these chunks. */
  static keyOf(chunks: Uint8Array): string {
    return createHash('sha256').update(chunks).digest('hex')
  }

  keys(): Set<string> {
    return new Set(this.list().map(({ name }) => name))
  }

  /** The tensors of a file, or undefined. From now on they count as used. */
  async open(key: string): Promise<BaseFile | undefined> {
    const path = join(this.folder, key)
    try {
      const now = new Date()
      utimesSync(path, now, now)
      const file = await openCachedFile(path)
      return { ...file, damaged: () => this.drop(path) }
    } catch (error) {
      this.reporter.detail(`the cached tensors ${path} can't be used (${messageOf(error)})`)
      this.drop(path)
      return undefined
    }
  }

  /** Begins to keep the tensors of a file of about `size` bytes: half of the capacity at most, so that its former version can stay. Undefined where it can't be. */
  begin(size: number): CachedFileWriter | undefined {
    try {
      mkdirSync(this.folder, { recursive: true, mode: 0o700 })
      const kept = this.list()
      const limit = this.limit(kept)
      const capacity = Math.min(size, limit / 2)
      this.evictDownTo(kept, limit - capacity)
      const temporary = join(this.folder, `${process.pid}-${randomBytes(6).toString('hex')}.tmp`)
      return new CachedFileWriter(temporary, capacity)
    } catch (error) {
      this.failed(error)
      return undefined
    }
  }

  /** Keeps what was written, as the tensors of a file of these chunks. */
  finish(writer: CachedFileWriter, chunks: Uint8Array): void {
    try {
      if (!writer.finish()) return this.drop(writer.path)
      renameSync(writer.path, join(this.folder, TensorCache.keyOf(chunks)))
      // its table came on top, and others may have been at work
      const kept = this.list()
      this.evictDownTo(kept, this.limit(kept))
    } catch (error) {
      this.failed(error)
      this.discard(writer)
    }
  }

  discard(writer: CachedFileWriter): void {
    writer.close()
    this.drop(writer.path)
  }

  failed(error: unknown): void {
    this.reporter.detail(`tensors can't be kept in ${this.folder} (${messageOf(error)})`)
  }

  private limit(kept: readonly Kept[]): number {
    return Math.min(MAX_BYTES, MAX_SHARE * (this.freeBytes() + bytesOf(kept)))
  }

  private evictDownTo(kept: Kept[], most: number): void {
    let total = bytesOf(kept)
    for (const { name, bytes } of kept.sort((a, b) => a.usedAt - b.usedAt)) {
      if (total <= most) return
      this.drop(join(this.folder, name))
      total -= bytes
    }
  }

  /** What is there and whole, without what died unfinished. */
  private list(): Kept[] {
    let names: string[]
    try {
      names = readdirSync(this.folder)
    } catch {
      return []
    }
    const kept: Kept[] = []
    for (const name of names) {
      const stats = statSync(join(this.folder, name), { throwIfNoEntry: false })
      if (!stats?.isFile()) continue
      const isWhole = /^[0-9a-f]{64}$/.test(name)
      if (isWhole) kept.push({ name, bytes: stats.size, usedAt: stats.mtimeMs })
      else if (name.endsWith('.tmp') && Date.now() - stats.mtimeMs > STALE_MS) this.drop(join(this.folder, name))
    }
    return kept
  }

  private drop(path: string): void {
    try {
      rmSync(path, { force: true })
    } catch {
      // in use by another process, on systems where that keeps it: it goes later
    }
  }
}

export type { CachedTensor }

function bytesOf(kept: readonly Kept[]): number {
  return kept.reduce((sum, { bytes }) => sum + bytes, 0)
}

function freeBytesOf(folder: string): number {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}
