import { lstat, open, rename, stat, type FileHandle } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { describeLeftPart } from '../local/part-names.ts'
import { AppError, errnoOf, messageOf } from '../util/errors.ts'
import { removeFile, syncFolder } from '../util/file-system.ts'
import { sha256Hex } from '../util/hash.ts'
import { encodePath, fsPath } from '../util/paths.ts'
import type { Reporter } from '../util/reporter.ts'

/** The output of an archive, written piece by piece: a local file, standard output, or a file on Drive. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<void>
  /** Resolves when the archive is complete under its final name. */
  finish(): Promise<void>
  /** Removes what was written, and tells if it can't. */
  abort(reporter: Reporter): Promise<void>
}

/**
 * The temporary name beside `path` for a file that is not complete yet. The name is always the same, so the next run
 * replaces the file that a killed run left. Pushes ignore such names.
 */
export function unfinishedName(path: string): string {
  return join(dirname(path), `.colab-escape-${sha256Hex(encodePath(basename(path))).slice(0, 24)}.part`)
}

/**
 * True when `path` is a device or a pipe, which is written to directly. Throws `would-overwrite` when `path` exists,
 * `usage` when it is a folder.
 */
async function checkTarget(path: string, force: boolean): Promise<boolean> {
  const stats = await stat(fsPath(path)).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined
    throw error
  })
  if (stats === undefined) return false
  if (stats.isDirectory())
    throw new AppError('usage', `${path} is a folder.`, { hint: `Name the archive itself: -o ${join(path, 'NAME.tar.zst')}` })
  if (!stats.isFile()) return true
  if (force) return false
  throw new AppError('would-overwrite', `${path} exists already.`, { hint: 'Name another file with -o, or add --force to replace it.' })
}

/** A local file. It is written under a temporary name, and renamed when it is complete and synced to the disk. */
export class FileSink implements ByteSink {
  private readonly path: string
  private readonly force: boolean
  /** Undefined for a device or a pipe. */
  private readonly unfinished: string | undefined
  private readonly file: FileHandle
  private length = 0

  private constructor(path: string, force: boolean, unfinished: string | undefined, file: FileHandle) {
    this.path = path
    this.force = force
    this.unfinished = unfinished
    this.file = file
  }

  /**
   * Errors: `would-overwrite` when `path` exists without `force`; `usage` when it is a folder; `io` when it can't be
   * created.
   */
  static async create(path: string, force: boolean): Promise<FileSink> {
    try {
      if (await checkTarget(path, force)) return new FileSink(path, force, undefined, await open(fsPath(path), 'w'))
      const unfinished = unfinishedName(path)
      removeFile(fsPath(unfinished))
      return new FileSink(path, force, unfinished, await open(fsPath(unfinished), 'wx'))
    } catch (error) {
      throw sinkError(error, path)
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.put(bytes, this.canRewrite ? this.length : null)
    this.length += bytes.length
  }

  /** True unless it is a device or a pipe. */
  get canRewrite(): boolean {
    return this.unfinished !== undefined
  }

  /** Drops what was written after the first `length` bytes. */
  async truncate(length: number): Promise<void> {
    try {
      await this.file.truncate(length)
      this.length = length
    } catch (error) {
      throw sinkError(error, this.path)
    }
  }

  /** Writes over the first bytes. */
  async overwriteStart(bytes: Uint8Array): Promise<void> {
    await this.put(bytes, 0)
  }

  /** Without a position: behind what was written last. */
  private async put(bytes: Uint8Array, position: number | null): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) {
        const at = position === null ? null : position + done
        done += (await this.file.write(bytes, done, bytes.length - done, at)).bytesWritten
      }
    } catch (error) {
      throw sinkError(error, this.path)
    }
  }

  async finish(): Promise<void> {
    try {
      if (this.unfinished === undefined) return await this.file.close()
      await this.file.sync()
      const [ours, there] = [await this.file.stat(), await lstat(fsPath(this.unfinished))]
      if (ours.ino !== there.ino)
        throw new AppError('conflict', `Another run is writing ${this.path} at the same time.`, { hint: 'Run one after the other.' })
      await this.file.close()
      await checkTarget(this.path, this.force)
      await rename(fsPath(this.unfinished), fsPath(this.path))
      await syncFolder(dirname(this.path))
    } catch (error) {
      throw sinkError(error, this.path)
    }
  }

  async abort(reporter: Reporter): Promise<void> {
    await this.file.close().catch(() => undefined)
    if (this.unfinished === undefined) return
    try {
      removeFile(fsPath(this.unfinished))
    } catch (error) {
      reporter.warn(describeLeftPart(this.unfinished, error))
    }
  }
}

function sinkError(error: unknown, path: string): AppError {
  if (error instanceof AppError) return error
  const code = errnoOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new AppError('quota', `No space is left for ${path}; nothing was left behind.`, {
      hint: 'Free some space there, or name a file elsewhere with -o.',
      cause: error,
    })
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new AppError('not-found', `${dirname(path)} is not a folder.`, {
      hint: 'Make it first, or name a file elsewhere with -o.',
      cause: error,
    })
  return new AppError('io', `${path} can't be written: ${messageOf(error)}`, {
    hint:
      code === 'ENAMETOOLONG'
        ? 'Name a file with a shorter name with -o.'
        : 'Check the permissions there, or name a file elsewhere with -o.',
    cause: error,
  })
}
