import { constants } from 'node:fs'
import { dirname } from 'node:path'
import { sameFingerprint } from '../../local/fingerprint.ts'
import { lookAt, type LocalItem } from '../../local/look-at.ts'
import { partName } from '../../local/part-names.ts'
import { utimesSeconds } from '../../local/times.ts'
import { AppError, errnoOf, isAppError, messageOf } from '../../util/errors.ts'
import { realFileSystem, syncFile, type FileSystem } from '../../util/file-system.ts'
import { fsPath } from '../../util/paths.ts'
import { matchingChunks } from './compare-file.ts'
import type { PlannedFile } from './plan.ts'

const MAX_OPEN_FILES = 128
const ZEROS = Buffer.alloc(64 * 1024)

/** Turns a system error of the destination into an error that a person can act on. */
export function writeError(error: unknown, localPath: string): AppError {
  if (isAppError(error)) return error
  const code = errnoOf(error) ?? ''
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new AppError('quota', `No space left for ${localPath}.`, {
      hint: 'Free some space, then run the same pull again: it keeps the files that are whole.',
      cause: error,
    })
  return new AppError('io', `${localPath} can't be written: ${messageOf(error)}`, {
    hint: `${CURES[code] ?? 'Check the permissions of the destination'}, then run the same pull again.`,
    cause: error,
  })
}

const MANY_FILES = 'Close other programs, or raise the limit of open files (ulimit -n)'
const CURES: Readonly<Record<string, string>> = {
  EIO: 'Check the disk and its cable or connection',
  EMFILE: MANY_FILES,
  ENFILE: MANY_FILES,
}

/**
 * `placed`: the file is at its destination. `changed-meanwhile`: the destination is not as the plan saw it, and was
 * left alone.
 */
export type PlaceResult = 'placed' | 'changed-meanwhile'

interface Writing {
  file: PlannedFile
  partPath: string
  fd: number
  /** True if the part file is new: where nothing was written, it is a hole. */
  fresh: boolean
}

/**
 * Writes part files chunk by chunk, in any order. Syncs and renames each one when it is whole, so that a file under its
 * own name is whole after a power loss too. Writes are synchronous, because the destination is a local disk, where a
 * promise costs more than the write.
 */
export class FileWriter {
  /** False once the medium could not sync a file. */
  isSynced = true
  private readonly open = new Map<number, Writing>()
  /** Files that have a part file. */
  private readonly begun = new Set<number>()
  private readonly resumed = new Set<number>()
  private readonly files: readonly PlannedFile[]
  private readonly force: boolean
  private readonly fileSystem: FileSystem

  constructor(files: readonly PlannedFile[], force: boolean, fileSystem = realFileSystem) {
    this.files = files
    this.force = force
    this.fileSystem = fileSystem
  }

  private partPath(file: PlannedFile): string {
    return `${dirname(file.localPath)}/${partName(file.entry.path, file.entry.chunks)}`
  }

  private remove(partPath: string): void {
    this.fileSystem.rmSync(fsPath(partPath), { force: true })
  }

  /**
   * Whether an interrupted pull has written each chunk of a file. Undefined if there is no part file that can be read.
   */
  async resume(number: number, lengthOf: (chunk: number) => number, signal?: AbortSignal): Promise<boolean[] | undefined> {
    const file = this.files[number]!
    const partPath = this.partPath(file)
    try {
      const item = lookAt(partPath, this.fileSystem)
      // if its mode was set already, which comes last, it is made anew: we may have no permission to open it
      if (item.type !== 'file' || item.fingerprint.size !== file.entry.size || (item.mode & 0o600) !== 0o600) return undefined
      const matches = await matchingChunks(partPath, file.entry, lengthOf, signal)
      this.begun.add(number)
      this.resumed.add(number)
      return matches
    } catch {
      return undefined
    }
  }

  write(number: number, offset: number, bytes: Uint8Array): void {
    const writing = this.openFor(number)
    try {
      if (writing.fresh && isZero(bytes)) return // left as a hole
      for (let done = 0; done < bytes.length;)
        done += this.fileSystem.writeSync(writing.fd, bytes, done, bytes.length - done, offset + done)
    } catch (error) {
      throw writeError(error, writing.file.localPath)
    }
  }

  private openFor(number: number): Writing {
    const known = this.open.get(number)
    if (known) {
      this.open.delete(number)
      this.open.set(number, known) // the map's order is that of last use
      return known
    }
    const file = this.files[number]!
    const partPath = this.partPath(file)
    try {
      if (this.open.size >= MAX_OPEN_FILES) this.closeOldest()
      if (!this.begun.has(number)) this.remove(partPath)
      const create = this.begun.has(number) ? 0 : constants.O_CREAT | constants.O_EXCL
      const fd = this.openFile(partPath, constants.O_RDWR | create | (constants.O_NOFOLLOW ?? 0))
      const writing = { file, partPath, fd, fresh: !this.resumed.has(number) }
      this.open.set(number, writing)
      if (!this.begun.has(number)) {
        this.begun.add(number)
        this.fileSystem.ftruncateSync(fd, file.entry.size)
      }
      return writing
    } catch (error) {
      throw writeError(error, file.localPath)
    }
  }

  /** Closes files if the system allows fewer than `MAX_OPEN_FILES`. */
  private openFile(path: string, flags: number): number {
    for (;;) {
      try {
        return this.fileSystem.openSync(fsPath(path), flags, 0o600)
      } catch (error) {
        if (errnoOf(error) !== 'EMFILE' || this.open.size === 0) throw error
        this.closeOldest()
      }
    }
  }

  private closeOldest(): void {
    const [number, { fd }] = this.open.entries().next().value!
    this.open.delete(number)
    this.fileSystem.closeSync(fd)
  }

  /** Call it when all chunks are written. Sets mode and time, syncs the part file, and renames it. */
  async place(number: number): Promise<PlaceResult> {
    const { file, partPath, fd } = this.openFor(number)
    this.open.delete(number)
    const { entry, localPath, item } = file
    try {
      await this.complete(fd, entry, partPath)
      const isPlaced = this.force || isStill(localPath, item, this.fileSystem)
      if (isPlaced) this.fileSystem.renameSync(fsPath(partPath), fsPath(localPath))
      else this.remove(partPath)
      this.begun.delete(number)
      return isPlaced ? 'placed' : 'changed-meanwhile'
    } catch (error) {
      throw writeError(error, localPath)
    }
  }

  private async complete(fd: number, { mode, mtime }: PlannedFile['entry'], partPath: string): Promise<void> {
    const { fileSystem } = this
    let isOpen = true
    try {
      fileSystem.fchmodSync(fd, mode)
      fileSystem.futimesSync(fd, Number(fileSystem.fstatSync(fd).atimeMs) / 1000, utimesSeconds(mtime))
      if (!(await this.sync(fd, partPath))) this.isSynced = false
      isOpen = false
      fileSystem.closeSync(fd)
    } finally {
      if (isOpen) closeQuietly(fd, fileSystem)
    }
  }

  private async sync(fd: number, partPath: string): Promise<boolean> {
    try {
      return await syncFile(fd, this.fileSystem)
    } catch (error) {
      // the system reports a lost write once: a later pull would read the right bytes from memory, and trust them
      this.remove(partPath)
      throw error
    }
  }

  /** Gives up a file whose chunks can't be read. */
  abandon(number: number): void {
    const writing = this.open.get(number)
    this.open.delete(number)
    if (writing) closeQuietly(writing.fd, this.fileSystem)
    if (!this.begun.delete(number)) return
    const file = this.files[number]!
    try {
      this.remove(this.partPath(file))
    } catch (error) {
      throw writeError(error, file.localPath)
    }
  }

  /** Removes all part files, on a full disk. */
  abandonAll(): void {
    for (const number of this.begun) {
      try {
        this.abandon(number)
      } catch {
        // the full disk is the error to report
      }
    }
  }

  close(): void {
    for (const { fd } of this.open.values()) closeQuietly(fd, this.fileSystem)
    this.open.clear()
  }
}

/** For a file or folder whose content does not count any more, is synced, or will be opened again. */
export function closeQuietly(fd: number, fileSystem: FileSystem): void {
  try {
    fileSystem.closeSync(fd)
  } catch {
    // it is closed all the same
  }
}

/** True if the item at a path is still as the plan saw it. A folder that was to be cleared counts as gone. */
export function isStill(localPath: string, item: LocalItem, fileSystem = realFileSystem): boolean {
  const now = lookAt(localPath, fileSystem)
  if (now.type === 'absent') return true
  if (item.type === 'absent' || item.type === 'other' || item.type === 'directory') return false
  return now.type === item.type && sameFingerprint(now.fingerprint, item.fingerprint)
}

function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const piece = bytes.subarray(at, at + ZEROS.length)
    if (Buffer.compare(piece, ZEROS.subarray(0, piece.length)) !== 0) return false
  }
  return true
}
