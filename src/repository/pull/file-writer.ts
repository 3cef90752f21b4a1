import { closeSync, constants, fchmodSync, fstatSync, ftruncateSync, futimesSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { sameFingerprint } from '../../local/fingerprint.ts'
import { lookAt, type LocalItem } from '../../local/look-at.ts'
import { partName } from '../../local/part-names.ts'
import { utimesSeconds } from '../../local/times.ts'
import { AppError, errnoOf, messageOf } from '../../util/errors.ts'
import { fsPath } from '../../util/paths.ts'
import { matchingChunks } from './compare-file.ts'
import type { PlannedFile } from './plan.ts'

const MAX_OPEN_FILES = 128
const ZEROS = Buffer.alloc(64 * 1024)

/** Turns a system error of the destination into an error that a person can act on. */
export function writeError(error: unknown, localPath: string): AppError {
  const code = errnoOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new AppError('io', `No space left for ${localPath}.`, {
      hint: 'Free some space, then run the same pull again: it continues where it stopped.',
      cause: error,
    })
  return new AppError('io', `${localPath} can't be written: ${messageOf(error)}`, {
    hint: 'Check the permissions of the destination, then run the same pull again.',
    cause: error,
  })
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
 * Writes part files chunk by chunk, in any order, and renames each one when it is whole. Writes are synchronous,
 * because the destination is a local disk, where a promise costs more than the write.
 */
export class FileWriter {
  private readonly open = new Map<number, Writing>()
  private readonly begun = new Set<number>()
  private readonly resumed = new Set<number>()
  private readonly files: readonly PlannedFile[]
  private readonly force: boolean

  constructor(files: readonly PlannedFile[], force: boolean) {
    this.files = files
    this.force = force
  }

  private partPath(file: PlannedFile): string {
    return `${dirname(file.localPath)}/${partName(file.entry.path, file.entry.chunks)}`
  }

  /** Whether an interrupted pull has written each chunk of a file; undefined if there is no part file. */
  async resume(number: number, lengthOf: (chunk: number) => number, signal?: AbortSignal): Promise<boolean[] | undefined> {
    const file = this.files[number]!
    const partPath = this.partPath(file)
    const item = lookAt(partPath)
    // if its mode was set already, which comes last, it is made anew: we may have no permission to open it
    if (item.type !== 'file' || item.fingerprint.size !== file.entry.size || (item.mode & 0o600) !== 0o600) return undefined
    this.begun.add(number)
    this.resumed.add(number)
    return matchingChunks(partPath, file.entry, lengthOf, signal)
  }

  write(number: number, offset: number, bytes: Uint8Array): void {
    const writing = this.openFor(number)
    try {
      if (writing.fresh && isZero(bytes)) return // left as a hole
      for (let done = 0; done < bytes.length;) done += writeSync(writing.fd, bytes, done, bytes.length - done, offset + done)
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
    if (this.open.size >= MAX_OPEN_FILES) this.closeOldest()
    try {
      if (!this.begun.has(number)) rmSync(fsPath(partPath), { force: true })
      const create = this.begun.has(number) ? 0 : constants.O_CREAT | constants.O_EXCL
      const fd = openSync(fsPath(partPath), constants.O_RDWR | create | (constants.O_NOFOLLOW ?? 0), 0o600)
      const writing = { file, partPath, fd, fresh: !this.resumed.has(number) }
      this.open.set(number, writing)
      if (!this.begun.has(number)) ftruncateSync(fd, file.entry.size)
      this.begun.add(number)
      return writing
    } catch (error) {
      throw writeError(error, file.localPath)
    }
  }

  private closeOldest(): void {
    const [number, writing] = this.open.entries().next().value!
    closeSync(writing.fd)
    this.open.delete(number)
  }

  /** Call it when all chunks are written. Sets mode and time, and renames the part file. */
  place(number: number): PlaceResult {
    const { file, partPath, fd } = this.openFor(number)
    try {
      const { entry, localPath, item } = file
      fchmodSync(fd, entry.mode)
      futimesSync(fd, Number(fstatSync(fd).atimeMs) / 1000, utimesSeconds(entry.mtime))
      closeSync(fd)
      this.open.delete(number)
      if (!this.force && !isStill(localPath, item)) {
        rmSync(fsPath(partPath), { force: true })
        return 'changed-meanwhile'
      }
      renameSync(fsPath(partPath), fsPath(localPath))
      return 'placed'
    } catch (error) {
      throw writeError(error, file.localPath)
    }
  }

  /** Gives up a file whose chunks can't be read. */
  abandon(number: number): void {
    const writing = this.open.get(number)
    if (writing) closeSync(writing.fd)
    this.open.delete(number)
    if (this.begun.has(number)) rmSync(fsPath(this.partPath(this.files[number]!)), { force: true })
  }

  close(): void {
    for (const { fd } of this.open.values()) closeSync(fd)
    this.open.clear()
  }
}

/** True if the item at a path is still as the plan saw it. A folder that was to be cleared counts as gone. */
export function isStill(localPath: string, item: LocalItem): boolean {
  const now = lookAt(localPath)
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
