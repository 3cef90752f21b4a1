import type { Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { sameMode } from '../../local/attributes.ts'
import { replaced, type HeldFolders } from '../../local/held-folders.ts'
import type { LocalItem } from '../../local/look-at.ts'
import { partName } from '../../local/part-names.ts'
import { noSymlinks } from '../../local/symlinks.ts'
import { sameTime, utimesSeconds } from '../../local/times.ts'
import { AppError, errnoOf } from '../../util/errors.ts'
import { closeQuietly, makeFolder, OPEN_FOLDER, removeFile, syncFolder, syncOpenFolder, type FileSystem } from '../../util/file-system.ts'
import { encodePath, fsPath } from '../../util/paths.ts'
import { SideBySide } from '../../util/side-by-side.ts'
import type { SymlinkEntry } from '../format/manifest.ts'
import { isStill, refusesAttributes } from './file-writer.ts'
import type { PlannedDirectory } from './pull-plan.ts'
import { RefusedEntry, writeError, type Refusals } from './refusals.ts'

const SYNCED_AT_ONCE = 16

/** Changes folders and symlinks of a destination, deletes what is in the way, and syncs the folders that it changed. */
export class LocalChanges {
  /** False once the medium could not sync a folder. */
  isSynced = true
  /** Number of new files, then also of other entries, that the file system gave another mode or time. */
  withoutAttributes = 0
  private readonly folders: HeldFolders
  private readonly fileSystem: FileSystem
  private readonly changed = new Set<string>()
  /** The modes of folders that were opened up. */
  private readonly opened = new Map<string, number>()

  constructor(folders: HeldFolders) {
    this.folders = folders
    this.fileSystem = folders.fileSystem
  }

  /** `mode`: that of the root if it is made here. */
  makeRoot(mode: number | undefined): void {
    const { root } = this.folders
    const stats = this.orWriteError(root, (): Stats | undefined => {
      const changed = makeFolder(root, { fileSystem: this.fileSystem })
      for (const folder of changed) this.changed.add(folder)
      if (changed.length > 0 && mode !== undefined) this.giveMode(root, mode | 0o700)
      return this.fileSystem.statSync(fsPath(root), { throwIfNoEntry: false })
    })
    if (!stats?.isDirectory()) throw new AppError('io', `${root} is not a folder.`, { hint: 'Name another destination.' })
    if ((stats.mode & 0o700) !== 0o700) this.tryToOpenUp(root)
    this.changed.add(root)
  }

  /** An interrupted pull leaves the root with this mode. */
  private giveMode(root: string, mode: number): void {
    try {
      this.folders.at(root, path => this.fileSystem.chmodSync(path, mode))
    } catch (error) {
      if (!refusesAttributes(error)) throw error
    }
  }

  /** Makes a folder, and makes it writable while the pull runs. Its own mode is set last. */
  makeDirectory(localPath: string, exists: boolean, mode: number): void {
    if (exists) return this.tryToOpenUp(localPath, mode)
    this.orWriteError(localPath, () => {
      try {
        this.folders.at(localPath, path => this.fileSystem.mkdirSync(path, { mode: mode | 0o700 }))
        this.changed.add(dirname(localPath))
      } catch (error) {
        // somebody made it meanwhile
        if (errnoOf(error) !== 'EEXIST' || this.folders.lookAt(localPath).type !== 'directory') throw error
        this.tryToOpenUp(localPath, mode)
      }
    })
  }

  /** Makes a folder writable. If that is not allowed, what is to be changed in it may be refused. */
  private tryToOpenUp(localPath: string, mode?: number): void {
    try {
      this.folders.pinned(localPath, (path, stats) => {
        if (!stats.isDirectory()) throw replaced(localPath)
        if ((stats.mode & 0o700) === 0o700) return
        this.fileSystem.chmodSync(path, (mode ?? stats.mode & 0o777) | 0o700)
        this.opened.set(localPath, stats.mode & 0o7777)
      })
    } catch (error) {
      if (errnoOf(error) === undefined) throw error
    }
  }

  /** Changes a folder, also one of this user's that may not be written to. */
  private inFolder<T>(folder: string, change: () => T): T {
    try {
      return change()
    } catch (error) {
      if (errnoOf(error) !== 'EACCES') throw error
      this.tryToOpenUp(folder)
      return change()
    }
  }

  isStill(localPath: string, item: LocalItem): boolean {
    return this.orWriteError(localPath, () => isStill(localPath, item, this.folders))
  }

  /** Deletes a file or symlink. False if there was none. */
  remove(localPath: string): boolean {
    try {
      this.inFolder(dirname(localPath), () => this.folders.at(localPath, path => this.fileSystem.unlinkSync(path)))
      this.changed.add(dirname(localPath))
      return true
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false
      throw writeError(error, localPath)
    }
  }

  removeIfEmpty(localPath: string): void {
    try {
      this.inFolder(dirname(localPath), () => this.folders.at(localPath, path => this.fileSystem.rmdirSync(path)))
      this.changed.add(dirname(localPath))
    } catch (error) {
      // not empty: it holds excluded files, files that may not be deleted, or files that were made meanwhile
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errnoOf(error) ?? '')) throw writeError(error, localPath)
    }
  }

  /** Makes a symlink beside its place first: what it replaces stays where none can be made. */
  makeSymlink(localPath: string, { path, target, mtime }: SymlinkEntry): void {
    const part = join(dirname(localPath), partName(path, encodePath(target)))
    this.remove(part)
    this.changed.add(dirname(localPath))
    try {
      this.linkAt(part, target, mtime)
      this.remove(localPath)
      this.folders.at(part, from => this.folders.at(localPath, to => this.fileSystem.renameSync(from, to)))
    } catch (error) {
      this.discard(part)
      throw error instanceof RefusedEntry ? error : writeError(error, localPath)
    }
  }

  private linkAt(part: string, target: string, mtime: bigint): void {
    try {
      this.folders.at(part, path => this.fileSystem.symlinkSync(fsPath(target), path))
      const time = utimesSeconds(mtime)
      this.folders.at(part, path => this.fileSystem.lutimesSync(path, time, time))
    } catch (error) {
      const why = noSymlinks(error)
      throw why === undefined ? error : new RefusedEntry(why)
    }
  }

  /** For what no pull needs: a later one removes it too. */
  private discard(part: string): void {
    try {
      this.folders.at(part, path => removeFile(path, this.fileSystem))
    } catch {
      // the error that led here is the one to report
    }
  }

  setLinkTime(localPath: string, mtime: bigint): void {
    const time = utimesSeconds(mtime)
    this.orWriteError(localPath, () => this.folders.at(localPath, path => this.fileSystem.lutimesSync(path, time, time)))
  }

  /** False if something else than this file is there, whose mode and time then stay as they are. */
  setFileAttributes(localPath: string, item: LocalItem, mode: number, mtime: bigint): boolean {
    return this.orWriteError(localPath, () => {
      // the file itself is open while it is compared, so that no other can take its place
      return this.folders.pinned(localPath, (path, stats) => {
        if (item.type !== 'file' || !stats.isFile() || stats.ino !== Number(item.fingerprint.inode)) return false
        this.setAttributes(path, mode, mtime)
        return true
      })
    })
  }

  private setFolderAttributes({ entry, localPath }: PlannedDirectory): void {
    this.orWriteError(localPath, () =>
      this.folders.pinned(localPath, (path, stats) => {
        if (!stats.isDirectory()) throw replaced(localPath)
        this.setAttributes(path, entry.mode, entry.mtime)
      }),
    )
  }

  private setAttributes(path: string | Buffer, mode: number, mtime: bigint): void {
    try {
      this.fileSystem.chmodSync(path, mode)
      this.fileSystem.utimesSync(path, utimesSeconds(mtime), utimesSeconds(mtime))
    } catch (error) {
      // where new files don't take them either, it is not this one that is protected
      if (this.withoutAttributes === 0 || !refusesAttributes(error)) throw error
      this.withoutAttributes++
    }
  }

  /**
   * Sets modes and times of folders, the deepest first, because the mode of a folder may deny access to what is below
   * it. Syncs these folders and all others that were changed.
   */
  async finish(directories: readonly PlannedDirectory[], refused: Refusals): Promise<void> {
    const syncs = new SideBySide(SYNCED_AT_ONCE)
    this.closeAgain(directories)
    try {
      for (const directory of directories.toReversed()) {
        const { path } = directory.entry
        try {
          const fd = this.openChanged(directory)
          if (fd === 'right') continue
          if (fd === undefined) this.setFolderAttributes(directory)
          else await syncs.start(() => this.syncOpen(fd, directory, refused))
        } catch (error) {
          refused.take(path, error, 'attributes')
        }
      }
      for (const folder of this.changed) await syncs.start(() => this.sync(folder, refused))
    } finally {
      await syncs.settled()
    }
    await syncs.end()
  }

  /** Opens a folder before its mode is set, which may deny it. `right`: nothing is to be done for it. */
  private openChanged({ entry, localPath }: PlannedDirectory): number | 'right' | undefined {
    const item = this.folders.lookAt(localPath)
    if (item.type === 'absent') return 'right'
    if (item.type !== 'directory') throw replaced(localPath)
    const isRight = sameMode(entry.mode, item.mode, 'directory') && sameTime(entry.mtime, item.fingerprint)
    // an interrupted pull did not set the attributes of the folders that it had changed
    if (isRight && !this.changed.has(localPath)) return 'right'
    this.changed.delete(localPath)
    return this.openFolder(localPath)
  }

  /** Gives other folders that were opened up, and are still there, their modes again. */
  private closeAgain(directories: readonly PlannedDirectory[]): void {
    for (const { localPath } of directories) this.opened.delete(localPath)
    for (const [localPath, mode] of [...this.opened].sort(([a], [b]) => b.length - a.length)) {
      try {
        this.folders.pinned(localPath, (path, stats) => {
          if (stats.isDirectory()) this.fileSystem.chmodSync(path, mode)
        })
      } catch {
        // it was deleted
      }
    }
  }

  /** Undefined if the system does not allow it: then the folder can't be synced. */
  private openFolder(localPath: string): number | undefined {
    try {
      return this.folders.open(localPath, OPEN_FOLDER)
    } catch (error) {
      if (!['EACCES', 'EPERM', 'EISDIR'].includes(errnoOf(error) ?? '')) throw writeError(error, localPath)
      this.isSynced = false
      return undefined
    }
  }

  private async syncOpen(fd: number, directory: PlannedDirectory, refused: Refusals): Promise<void> {
    try {
      this.setFolderAttributes(directory)
      if (!(await syncOpenFolder(fd, this.fileSystem))) this.isSynced = false
    } catch (error) {
      refused.take(directory.entry.path, error, 'attributes')
    } finally {
      closeQuietly(fd, this.fileSystem)
    }
  }

  private async sync(folder: string, refused: Refusals): Promise<void> {
    try {
      if (!(await syncFolder(folder, this.fileSystem))) this.isSynced = false
    } catch (error) {
      const code = errnoOf(error)
      if (code === 'ENOENT' || code === 'ENOTDIR') return // it was deleted
      this.isSynced = false
      if (code !== 'EACCES') refused.take(folder, error)
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
