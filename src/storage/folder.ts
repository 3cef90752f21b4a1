import { dirname, join, resolve } from 'node:path'
import { equalBytes } from '../util/bytes.ts'
import { AppError, throwIfAborted } from '../util/errors.ts'
import { realFileSystem, renameNew, syncFolder, type FileSystem } from '../util/file-system.ts'
import { badRange, conflict, notFound } from './errors.ts'
import { folderError, isSystemError, NOT_WRITABLE } from './folder-errors.ts'
import {
  isTemporaryName,
  makeFolderDurably,
  namesBelow,
  openForReading,
  readBetween,
  readClock,
  removeQuietly,
  temporaryName,
  writeDurably,
} from './folder-files.ts'
import { checkEntryName, checkName, checkSize, resolveRange } from './object-checks.ts'
import type { ByteRange, Listing, Quota, Storage, StorageOptions, StoredObject } from './storage.ts'

/** A temporary file of this age (ms) belongs to a writer that has ended. */
export const STALE_TEMPORARY_MS = 24 * 60 * 60 * 1000

const STATS_AT_ONCE = 32

/** The resolution (ms) of the clock for file times. They may be this far behind the machine's clock. */
const COARSE_TICK_MS = 10

/**
 * Stores objects as plain files in one folder. Each is written to a temporary file and renamed. Creation times are the
 * files' ctime, which no program can set, unlike mtime. When two writers store the same name at the same time, both
 * succeed and the later rename wins. That is safe because the name is the hash of the content, or unique.
 */
export class FolderStorage implements Storage {
  readonly location: string
  /** False once the medium could not sync the folder. */
  isSynced = true
  private readonly now: () => number
  private readonly fileSystem: FileSystem

  /** `now` (ms since 1970) replaces the store's clock if the store can't be written. */
  constructor(path: string, options: { now?: () => number; fileSystem?: FileSystem } = {}) {
    this.location = resolve(path)
    this.fileSystem = options.fileSystem ?? realFileSystem
    this.now = options.now ?? Date.now
  }

  async put(name: string, bytes: Uint8Array, options: StorageOptions = {}): Promise<{ created: number }> {
    throwIfAborted(options.signal)
    checkName(name)
    checkSize(name, bytes)
    return this.attempt(`store ${name}`, async () => {
      const present = await this.present(name, bytes, options)
      if (present !== undefined) return present
      const temporary = this.path(temporaryName())
      try {
        await this.writeTemporary(temporary, bytes, options)
        return (await this.present(name, bytes, options)) ?? (await this.publish(temporary, name))
      } finally {
        await removeQuietly(temporary, this.fileSystem)
      }
    })
  }

  async get(name: string, range?: ByteRange, options: StorageOptions = {}): Promise<Uint8Array> {
    throwIfAborted(options.signal)
    checkEntryName(name)
    return this.attempt(`read ${name}`, () => this.read(name, range, options))
  }

  async list(options: StorageOptions = {}): Promise<Listing> {
    throwIfAborted(options.signal)
    return this.attempt('list the objects', async () => {
      const asOf = await this.clock()
      const names = (await this.entries()).filter(name => !isTemporaryName(name))
      const objects: StoredObject[] = []
      const misplaced: string[] = []
      const next = names.values()
      const describe = async () => {
        for (const name of next) {
          throwIfAborted(options.signal)
          const object = await this.describe(name)
          if (object !== undefined) objects.push(object)
          else misplaced.push(...(await namesBelow(this.path(name), name, this.fileSystem)))
        }
      }
      await Promise.all(Array.from({ length: STATS_AT_ONCE }, describe))
      return { asOf, objects, misplaced }
    })
  }

  async remove(name: string, options: StorageOptions = {}): Promise<void> {
    throwIfAborted(options.signal)
    checkEntryName(name)
    await this.attempt(`remove ${name}`, async () => {
      try {
        await this.fileSystem.promises.unlink(this.path(name))
      } catch (error) {
        if (!isSystemError(error, ['ENOENT'])) throw error
      }
      // also when it was absent: an earlier removal may have failed at this step
      await this.sync().catch((error: unknown) => {
        if (!isSystemError(error, ['ENOENT'])) throw error
      })
    })
  }

  /**
   * The quota of the file system of the folder, which may not exist yet. `limit` leaves out space reserved for the
   * system.
   */
  async quota(options: StorageOptions = {}): Promise<Quota> {
    throwIfAborted(options.signal)
    return this.attempt('read the free space', async () => {
      for (let folder = this.location; ; folder = dirname(folder)) {
        try {
          const { blocks, bfree, bavail, bsize } = await this.fileSystem.promises.statfs(folder)
          if (blocks === 0) return { used: undefined, limit: undefined }
          const used = (blocks - bfree) * bsize
          return { used, limit: used + bavail * bsize }
        } catch (error) {
          if (!isSystemError(error, ['ENOENT']) || folder === dirname(folder)) throw error
        }
      }
    })
  }

  /**
   * Up to `limit` names of entries that are neither `isOurs` nor temporary files of a store. Empty for an absent
   * folder.
   */
  async strangers(isOurs: (name: string) => boolean, limit: number): Promise<string[]> {
    return this.attempt('list the folder', async () => {
      const found: string[] = []
      try {
        for await (const { name } of await this.fileSystem.promises.opendir(this.location)) {
          if (found.length >= limit) break
          if (!isTemporaryName(name) && !isOurs(name)) found.push(name)
        }
      } catch (error) {
        if (!isSystemError(error, ['ENOENT'])) throw error
      }
      return found
    })
  }

  /**
   * Removes temporary files that killed writers left, and returns their number. If their writer was only suspended, its
   * `put` fails with `unavailable` and may be repeated.
   */
  async removeStaleTemporaries(olderThanMs = STALE_TEMPORARY_MS): Promise<number> {
    return this.attempt('remove old temporary files', async () => {
      const temporaries = (await this.entries()).filter(isTemporaryName)
      if (temporaries.length === 0) return 0
      const asOf = await readClock(this.location, this.fileSystem)
      let removed = 0
      for (const name of temporaries) {
        const file = await this.describe(name)
        if (file === undefined || asOf - file.created <= olderThanMs) continue
        await this.fileSystem.promises.rm(this.path(name), { force: true })
        removed++
      }
      return removed
    })
  }

  private async sync(): Promise<void> {
    if (!(await syncFolder(this.location, this.fileSystem))) this.isSynced = false
  }

  private path(name: string): string {
    return join(this.location, name)
  }

  private async attempt<T>(doing: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw folderError(error, this.location, doing)
    }
  }

  private async entries(): Promise<string[]> {
    try {
      return await this.fileSystem.promises.readdir(this.location)
    } catch (error) {
      if (isSystemError(error, ['ENOENT'])) return []
      throw error
    }
  }

  /** Undefined for anything but a regular file, and for a file that vanished meanwhile. */
  private async describe(name: string): Promise<StoredObject | undefined> {
    try {
      const stats = await this.fileSystem.promises.lstat(this.path(name))
      return stats.isFile() ? { name, size: stats.size, created: Math.floor(stats.ctimeMs) } : undefined
    } catch (error) {
      if (isSystemError(error, ['ENOENT'])) return undefined
      throw error
    }
  }

  private async clock(): Promise<number> {
    try {
      return await readClock(this.location, this.fileSystem)
    } catch (error) {
      if (isSystemError(error, [...NOT_WRITABLE, 'ENOENT'])) return Math.floor(this.now()) - COARSE_TICK_MS
      throw error
    }
  }

  private async read(name: string, range: ByteRange | undefined, options: StorageOptions): Promise<Uint8Array> {
    const file = await openForReading(this.path(name), this.fileSystem).catch((error: unknown) => {
      throw isSystemError(error, ['ENOENT', 'ELOOP', 'ENXIO']) ? notFound(name, this.location) : error
    })
    try {
      const stats = await file.stat()
      if (!stats.isFile()) throw notFound(name, this.location)
      const { start, end } = resolveRange(name, stats.size, range)
      const bytes = await readBetween(file, start, end, options.signal)
      if (bytes.length < end - start) throw badRange(name, start + bytes.length, range)
      return bytes
    } finally {
      await file.close()
    }
  }

  /**
   * The creation time if `name` holds exactly `bytes`, durably; undefined if it does not exist. Throws `conflict` for
   * other content.
   */
  private async present(name: string, bytes: Uint8Array, options: StorageOptions): Promise<{ created: number } | undefined> {
    const stats = await this.fileSystem.promises.lstat(this.path(name)).catch((error: unknown) => {
      if (!isSystemError(error, ['ENOENT'])) throw error
    })
    if (stats === undefined) return undefined
    if (!stats.isFile() || stats.size !== bytes.length) throw conflict(name, this.location)
    if (!equalBytes(await this.read(name, undefined, options), bytes)) throw conflict(name, this.location)
    // the writer that renamed it may not have made the name durable yet
    await this.sync()
    return { created: Math.floor(stats.ctimeMs) }
  }

  private async writeTemporary(temporary: string, bytes: Uint8Array, options: StorageOptions): Promise<void> {
    try {
      await writeDurably(temporary, bytes, options.signal, this.fileSystem)
    } catch (error) {
      if (!isSystemError(error, ['ENOENT'])) throw error
      await makeFolderDurably(this.location, this.fileSystem)
      await writeDurably(temporary, bytes, options.signal, this.fileSystem)
    }
  }

  private async publish(temporary: string, name: string): Promise<{ created: number }> {
    try {
      await renameNew(() => this.fileSystem.promises.rename(temporary, this.path(name)))
      const { ctimeMs } = await this.fileSystem.promises.lstat(this.path(name))
      await this.sync()
      return { created: Math.floor(ctimeMs) }
    } catch (error) {
      if (!isSystemError(error, ['ENOENT'])) throw error
      throw new AppError('unavailable', `A file in ${this.location} vanished while ${name} was being stored.`, {
        hint: 'Another program deletes files in that folder. Run the same command again: it continues where it stopped.',
        cause: error,
      })
    }
  }
}
