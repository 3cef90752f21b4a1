import { randomBytes } from 'node:crypto'
import { constants, type Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { sameFingerprint } from '../../local/fingerprint.ts'
import { isSame, replaced, type HeldFolders } from '../../local/held-folders.ts'
import type { LocalItem } from '../../local/look-at.ts'
import { ONLY_ADDS, partName } from '../../local/part-names.ts'
import { utimesSeconds } from '../../local/times.ts'
import type { ChunkKeys } from '../../util/chunk-keys.ts'
import { errnoOf } from '../../util/errors.ts'
import { closeQuietly, removeFile, renameNew, syncFile, type FileSystem } from '../../util/file-system.ts'
import { howStrangersReach } from '../../util/small-file.ts'
import { matchingChunks } from './compare-file.ts'
import type { PlannedFile } from './pull-plan.ts'
import { RefusedEntry, writeError } from './refusals.ts'
import type { Twins } from './twins.ts'

/** With the folders that are held open, fewer than 128. */
const MAX_OPEN_FILES = 112
const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL
/** Where nobody else can exchange a file, it is not looked at which one it is. */
const NOBODY_ELSE = { dev: 0, ino: 0 }
const ZEROS = Buffer.alloc(64 * 1024)

/**
 * `placed`: the file is at its destination. `changed-meanwhile`: the destination is not as the plan saw it, and was
 * left alone.
 */
export type PlaceResult = 'placed' | 'changed-meanwhile'

/** Which file a part file is, while it is not complete. */
interface Part {
  path: string
  dev: number
  ino: number
}

interface Writing {
  file: PlannedFile
  part: Part
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
  /** Number of new files that the file system gave another mode or time. */
  withoutAttributes = 0
  private readonly open = new Map<number, Writing>()
  /** Of the files that have one. */
  private readonly parts = new Map<number, Part>()
  private readonly resumed = new Set<number>()
  /** Folders of which a part file could not be removed. */
  private readonly stuck = new Set<string>()
  private readonly files: readonly PlannedFile[]
  private readonly force: boolean
  private readonly folders: HeldFolders
  private readonly fileSystem: FileSystem
  private readonly twins: Twins | undefined
  private readonly onLeft: (part: string, error: unknown) => void

  /** `onLeft`: takes each part file that is given up and can't be removed. */
  constructor(
    files: readonly PlannedFile[],
    force: boolean,
    folders: HeldFolders,
    onLeft: (part: string, error: unknown) => void = () => undefined,
    twins?: Twins,
  ) {
    this.files = files
    this.force = force
    this.folders = folders
    this.fileSystem = folders.fileSystem
    this.twins = twins
    this.onLeft = onLeft
  }

  private partPath({ entry, localPath }: PlannedFile): string {
    return join(dirname(localPath), partName(entry.path, entry.chunks))
  }

  private remove(partPath: string): void {
    this.folders.at(partPath, path => removeFile(path, this.fileSystem))
  }

  /**
   * Whether an interrupted pull has written each chunk of a file. Undefined if there is no part file that can be read,
   * or if another user can change it: who has it open could still do so when it has its name.
   */
  async resume(
    number: number,
    lengthOf: (chunk: number) => number,
    chunkKeys: ChunkKeys,
    signal?: AbortSignal,
  ): Promise<boolean[] | undefined> {
    const file = this.files[number]!
    const path = this.partPath(file)
    let fd: number | undefined
    try {
      fd = this.folders.open(path, constants.O_RDWR)
      const stats = this.fileSystem.fstatSync(fd)
      if (!isOwnPart(stats) || stats.size !== file.entry.size) return undefined
      const matches = await matchingChunks(fd, file.entry, lengthOf, chunkKeys, signal)
      this.parts.set(number, { path, dev: stats.dev, ino: stats.ino })
      this.resumed.add(number)
      return matches
    } catch {
      return undefined
    } finally {
      if (fd !== undefined) closeQuietly(fd, this.fileSystem)
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
    try {
      if (this.open.size >= MAX_OPEN_FILES) this.closeOldest()
      const begun = this.parts.get(number)
      const { fd, part } = begun ? this.openAgain(begun) : this.openNew(number, file)
      const writing = { file, part, fd, fresh: !this.resumed.has(number) }
      this.open.set(number, writing)
      if (!begun) this.fileSystem.ftruncateSync(fd, file.entry.size)
      return writing
    } catch (error) {
      throw writeError(error, file.localPath)
    }
  }

  private openNew(number: number, file: PlannedFile): { fd: number; part: Part } {
    let path = this.partPath(file)
    if (this.stuck.has(dirname(path))) throw new RefusedEntry(ONLY_ADDS)
    let fd: number
    try {
      fd = this.openFile(path, CREATE)
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error
      path = this.freePath(path, file)
      fd = this.openFile(path, CREATE)
    }
    const { dev, ino } = this.folders.isShared(dirname(path)) ? this.fileSystem.fstatSync(fd) : NOBODY_ELSE
    const part = { path, dev, ino }
    this.parts.set(number, part)
    return { fd, part }
  }

  /** Removes a part file that is not continued. Returns the path of the new one. */
  private freePath(path: string, file: PlannedFile): string {
    try {
      this.remove(path)
      return path
    } catch (error) {
      // in a folder such as /tmp, what another user has put there stays
      if (!this.folders.isShared(dirname(path))) throw error
      return `${dirname(path)}/${partName(file.entry.path, randomBytes(16))}`
    }
  }

  private openAgain(part: Part): { fd: number; part: Part } {
    const fd = this.openFile(part.path, constants.O_RDWR)
    if (this.isThat(part, () => this.fileSystem.fstatSync(fd))) return { fd, part }
    closeQuietly(fd, this.fileSystem)
    throw replaced(part.path)
  }

  /** Where nobody else can exchange a file, this costs no look, and inodes may change, as they do on network drives. */
  private isThat(part: Part, look: () => Stats): boolean {
    return !this.folders.isShared(dirname(part.path)) || isSame(look(), part)
  }

  /** Closes files if the system allows fewer than `MAX_OPEN_FILES`. */
  private openFile(path: string, flags: number): number {
    for (;;) {
      try {
        return this.folders.open(path, flags, 0o600)
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

  /**
   * Call it when all chunks are written. Sets mode and time, syncs the part file, and renames it. If that fails, the
   * part file stays until the file is abandoned.
   */
  async place(number: number): Promise<PlaceResult> {
    const { file, part, fd } = this.openFor(number)
    this.open.delete(number)
    const { entry, localPath, item } = file
    try {
      await this.complete(fd, entry, part.path)
      this.twins?.ensureFree(entry.path, item, () => this.folders.lookAt(localPath))
      const isPlaced = this.force || isStill(localPath, item, this.folders)
      if (isPlaced) await renameNew(() => this.rename(part, localPath, item))
      else this.remove(part.path)
      this.parts.delete(number)
      if (isPlaced) this.twins?.place(entry.path)
      return isPlaced ? 'placed' : 'changed-meanwhile'
    } catch (error) {
      throw writeError(error, localPath)
    }
  }

  private rename(part: Part, localPath: string, item: LocalItem): void {
    this.folders.at(part.path, from => {
      if (!this.isThat(part, () => this.fileSystem.lstatSync(from))) throw replaced(part.path)
      this.folders.at(localPath, to => {
        // Windows replaces no file that may not be written
        if (process.platform === 'win32' && item.type === 'file' && (item.mode & 0o200) === 0) this.fileSystem.chmodSync(to, 0o666)
        this.fileSystem.renameSync(from, to)
      })
    })
  }

  private async complete(fd: number, { mode, mtime }: PlannedFile['entry'], partPath: string): Promise<void> {
    const { fileSystem } = this
    let isOpen = true
    try {
      this.setAttributes(fd, mode, mtime)
      if (!(await this.sync(fd, partPath))) this.isSynced = false
      isOpen = false
      fileSystem.closeSync(fd)
    } finally {
      if (isOpen) closeQuietly(fd, fileSystem)
    }
  }

  /** A file that was just made takes both, unless its file system holds no modes or no times. */
  private setAttributes(fd: number, mode: number, mtime: bigint): void {
    const { fileSystem } = this
    try {
      fileSystem.fchmodSync(fd, mode)
      fileSystem.futimesSync(fd, Number(fileSystem.fstatSync(fd).atimeMs) / 1000, utimesSeconds(mtime))
    } catch (error) {
      if (!refusesAttributes(error)) throw error
      this.withoutAttributes++
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
    const part = this.parts.get(number)
    this.parts.delete(number)
    if (!part) return
    try {
      this.remove(part.path)
    } catch (error) {
      // in a folder such as /tmp, it may be another user's by now
      if (!this.folders.isShared(dirname(part.path))) this.stuck.add(dirname(part.path))
      this.onLeft(part.path, error)
    }
  }

  /** Removes all part files, on a full disk. */
  abandonAll(): void {
    for (const number of this.parts.keys()) this.abandon(number)
  }

  close(): void {
    for (const { fd } of this.open.values()) closeQuietly(fd, this.fileSystem)
    this.open.clear()
  }
}

const NO_ATTRIBUTES = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']

/** Whether an error is that of a file system which holds no modes or times, or of an entry that is protected. */
export const refusesAttributes = (error: unknown): boolean => NO_ATTRIBUTES.includes(errnoOf(error) ?? '')

/** True if the item at a path is still as the plan saw it. A folder that was to be cleared counts as gone. */
export function isStill(localPath: string, item: LocalItem, folders: HeldFolders): boolean {
  const now = folders.lookAt(localPath)
  if (now.type === 'absent') return true
  if (item.type === 'absent' || item.type === 'other' || item.type === 'directory') return false
  return now.type === item.type && sameFingerprint(now.fingerprint, item.fingerprint)
}

/**
 * Whether a part file is this user's alone. If its mode was set already, which comes last, it is made anew: we may have
 * no permission to open it.
 */
function isOwnPart(stats: Stats): boolean {
  return stats.isFile() && stats.nlink === 1 && (stats.mode & 0o600) === 0o600 && howStrangersReach(stats) === undefined
}

function isZero(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at += ZEROS.length) {
    const piece = bytes.subarray(at, at + ZEROS.length)
    if (Buffer.compare(piece, ZEROS.subarray(0, piece.length)) !== 0) return false
  }
  return true
}
