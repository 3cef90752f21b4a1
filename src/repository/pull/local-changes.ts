import type { Stats } from 'node:fs'
import { dirname } from 'node:path'
import { lookAt, type LocalItem } from '../../local/look-at.ts'
import { sameTime, utimesSeconds } from '../../local/times.ts'
import { AppError, errnoOf, messageOf } from '../../util/errors.ts'
import { makeFolder, realFileSystem, syncFile, syncFolder, type FileSystem } from '../../util/file-system.ts'
import { fsPath } from '../../util/paths.ts'
import { SideBySide } from '../../util/side-by-side.ts'
import type { DirectoryEntry, SymlinkEntry } from '../format/manifest.ts'
import { closeQuietly, isStill, writeError } from './file-writer.ts'

const SYNCED_AT_ONCE = 16

/** Changes folders and symlinks of a destination, deletes what is in the way, and syncs the folders that it changed. */
export class LocalChanges {
  /** False once the medium could not sync a folder. */
  isSynced = true
  private readonly fileSystem: FileSystem
  private readonly changed = new Set<string>()

  constructor(fileSystem = realFileSystem) {
    this.fileSystem = fileSystem
  }

  makeRoot(root: string): void {
    const stats = this.orWriteError(root, (): Stats | undefined => {
      for (const folder of makeFolder(root, { fileSystem: this.fileSystem })) this.changed.add(folder)
      return this.fileSystem.statSync(fsPath(root), { throwIfNoEntry: false })
    })
    if (!stats?.isDirectory()) throw new AppError('io', `${root} is not a folder.`, { hint: 'Name another destination.' })
    this.changed.add(root)
  }

  /** Makes a folder, and makes it writable while the pull runs. Its own mode is set last. */
  makeDirectory(localPath: string, exists: boolean, mode: number): void {
    this.orWriteError(localPath, () => {
      if (!exists) this.fileSystem.mkdirSync(fsPath(localPath), { mode: mode | 0o700 })
      else if ((this.modeOf(localPath) & 0o700) !== 0o700) this.fileSystem.chmodSync(fsPath(localPath), mode | 0o700)
    })
    if (!exists) this.changed.add(dirname(localPath))
  }

  private modeOf(localPath: string): number {
    const item = lookAt(localPath, this.fileSystem)
    return item.type === 'directory' ? item.mode : 0
  }

  isStill(localPath: string, item: LocalItem): boolean {
    return this.orWriteError(localPath, () => isStill(localPath, item, this.fileSystem))
  }

  /** Deletes a file or symlink. False if there was none. */
  remove(localPath: string): boolean {
    try {
      this.fileSystem.unlinkSync(fsPath(localPath))
      this.changed.add(dirname(localPath))
      return true
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false
      throw new AppError('io', `${localPath} can't be deleted: ${messageOf(error)}`, {
        hint: 'Check the permissions of its folder.',
        cause: error,
      })
    }
  }

  removeIfEmpty(localPath: string): void {
    try {
      this.fileSystem.rmdirSync(fsPath(localPath))
      this.changed.add(dirname(localPath))
    } catch (error) {
      // not empty: it holds excluded files, files that may not be deleted, or files that were made meanwhile
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errnoOf(error) ?? '')) throw writeError(error, localPath)
    }
  }

  makeSymlink(localPath: string, { target, mtime }: SymlinkEntry): void {
    this.remove(localPath)
    this.orWriteError(localPath, () => this.fileSystem.symlinkSync(fsPath(target), fsPath(localPath)))
    this.changed.add(dirname(localPath))
    this.setLinkTime(localPath, mtime)
  }

  setLinkTime(localPath: string, mtime: bigint): void {
    this.orWriteError(localPath, () => this.fileSystem.lutimesSync(fsPath(localPath), utimesSeconds(mtime), utimesSeconds(mtime)))
  }

  setAttributes(localPath: string, mode: number, mtime: bigint): void {
    this.orWriteError(localPath, () => {
      this.fileSystem.chmodSync(fsPath(localPath), mode)
      this.fileSystem.utimesSync(fsPath(localPath), utimesSeconds(mtime), utimesSeconds(mtime))
    })
  }

  /**
   * Sets modes and times of folders, the deepest first, because the mode of a folder may deny access to what is below
   * it. Syncs these folders and all others that were changed.
   */
  async finish(directories: readonly { entry: DirectoryEntry; localPath: string }[]): Promise<void> {
    const syncs = new SideBySide(SYNCED_AT_ONCE)
    try {
      for (const { entry, localPath } of directories.toReversed()) {
        const item = this.orWriteError(localPath, () => lookAt(localPath, this.fileSystem))
        if (item.type !== 'directory') continue
        const isRight = item.mode === entry.mode && sameTime(entry.mtime, item.fingerprint)
        // an interrupted pull did not set the attributes of the folders that it had changed
        if (isRight && !this.changed.has(localPath)) continue
        this.changed.delete(localPath)
        // opened before its mode is set, which may deny it
        const fd = this.openFolder(localPath)
        if (fd !== undefined)
          await syncs.start(() => this.syncOpen(localPath, fd, () => this.setAttributes(localPath, entry.mode, entry.mtime)))
        else this.setAttributes(localPath, entry.mode, entry.mtime)
      }
      for (const folder of this.changed) await syncs.start(() => this.sync(folder))
    } finally {
      await syncs.settled()
    }
    await syncs.end()
  }

  /** Undefined if the system does not allow it: then the folder can't be synced. */
  private openFolder(localPath: string): number | undefined {
    try {
      return this.fileSystem.openSync(fsPath(localPath), 'r')
    } catch (error) {
      if (!['EACCES', 'EPERM', 'EISDIR'].includes(errnoOf(error) ?? '')) throw writeError(error, localPath)
      this.isSynced = false
      return undefined
    }
  }

  private async syncOpen(localPath: string, fd: number, setAttributes: () => void): Promise<void> {
    try {
      setAttributes()
      if (!(await syncFile(fd, this.fileSystem))) this.isSynced = false
    } catch (error) {
      throw writeError(error, localPath)
    } finally {
      closeQuietly(fd, this.fileSystem)
    }
  }

  private async sync(folder: string): Promise<void> {
    try {
      if (!(await syncFolder(folder, this.fileSystem))) this.isSynced = false
    } catch (error) {
      const code = errnoOf(error)
      if (code === 'ENOENT' || code === 'ENOTDIR') return // it was deleted
      if (code !== 'EACCES') throw writeError(error, folder)
      this.isSynced = false
    }
  }

  private orWriteError<T>(localPath: string, work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw writeError(error, localPath)
    }
  }
}
