import type { Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { sameMode } from '../../local/attributes.ts'
import { replaced, type HeldFolders } from '../../local/held-folders.ts'
import type { LocalItem } from '../../local/look-at.ts'
import { partName } from '../../local/part-names.ts'
import { noSymlinks } from '../../local/symlinks.ts'
import { sameTime, utimesSeconds } from '../../local/times.ts'
import { AppError, errnoOf, isAppError, messageOf } from '../../util/errors.ts'
import { closeQuietly, makeFolder, OPEN_FOLDER, syncFolder, syncOpenFolder, type FileSystem } from '../../util/file-system.ts'
import { encodePath, fsPath } from '../../util/paths.ts'
import { SideBySide } from '../../util/side-by-side.ts'
import type { SymlinkEntry } from '../format/manifest.ts'
import { isStill } from './file-writer.ts'
import type { PullPlan } from './plan.ts'
import { writeError } from './write-error.ts'

const SYNCED_AT_ONCE = 16

type PlannedDirectory = PullPlan['directories'][number]

/** Changes folders and symlinks of a destination, deletes what is in the way, and syncs the folders that it changed. */
export class LocalChanges {
  /** False once the medium could not sync a folder. */
  isSynced = true
  private readonly folders: HeldFolders
  private readonly fileSystem: FileSystem
  private readonly changed = new Set<string>()

  constructor(folders: HeldFolders) {
    this.folders = folders
    this.fileSystem = folders.fileSystem
  }

  makeRoot(): void {
    const { root } = this.folders
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
      if (exists) this.openUp(localPath, mode)
      else this.folders.at(localPath, path => this.fileSystem.mkdirSync(path, { mode: mode | 0o700 }))
    })
    if (!exists) this.changed.add(dirname(localPath))
  }

  private openUp(localPath: string, mode: number): void {
    this.folders.pinned(localPath, (path, stats) => {
      if (!stats.isDirectory()) throw replaced(localPath)
      if ((stats.mode & 0o700) !== 0o700) this.fileSystem.chmodSync(path, mode | 0o700)
    })
  }

  isStill(localPath: string, item: LocalItem): boolean {
    return this.orWriteError(localPath, () => isStill(localPath, item, this.folders))
  }

  /** Deletes a file or symlink. False if there was none. */
  remove(localPath: string): boolean {
    try {
      this.folders.at(localPath, path => this.fileSystem.unlinkSync(path))
      this.changed.add(dirname(localPath))
      return true
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false
      if (isAppError(error)) throw error
      throw new AppError('io', `${localPath} can't be deleted: ${messageOf(error)}`, {
        hint: 'Check the permissions of its folder.',
        cause: error,
      })
    }
  }

  removeIfEmpty(localPath: string): void {
    try {
      this.folders.at(localPath, path => this.fileSystem.rmdirSync(path))
      this.changed.add(dirname(localPath))
    } catch (error) {
      // not empty: it holds excluded files, files that may not be deleted, or files that were made meanwhile
      if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes(errnoOf(error) ?? '')) throw writeError(error, localPath)
    }
  }

  /**
   * Makes a symlink beside its place first: what it replaces stays where none can be made. Returns why that is so,
   * undefined if it was made.
   */
  makeSymlink(localPath: string, { path, target, mtime }: SymlinkEntry): string | undefined {
    const part = join(dirname(localPath), partName(path, encodePath(target)))
    this.remove(part)
    this.changed.add(dirname(localPath))
    try {
      const why = this.linkAt(part, target, mtime)
      if (why !== undefined) return why
      this.remove(localPath)
      this.folders.at(part, from => this.folders.at(localPath, to => this.fileSystem.renameSync(from, to)))
      return undefined
    } catch (error) {
      this.discard(part)
      throw writeError(error, localPath)
    }
  }

  private linkAt(part: string, target: string, mtime: bigint): string | undefined {
    try {
      this.folders.at(part, path => this.fileSystem.symlinkSync(fsPath(target), path))
      const time = utimesSeconds(mtime)
      this.folders.at(part, path => this.fileSystem.lutimesSync(path, time, time))
      return undefined
    } catch (error) {
      const why = noSymlinks(error)
      if (why === undefined) throw error
      this.discard(part)
      return why
    }
  }

  /** For what no pull needs: a later one removes it too. */
  private discard(part: string): void {
    try {
      this.folders.at(part, path => this.fileSystem.rmSync(path, { force: true }))
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
    this.fileSystem.chmodSync(path, mode)
    this.fileSystem.utimesSync(path, utimesSeconds(mtime), utimesSeconds(mtime))
  }

  /**
   * Sets modes and times of folders, the deepest first, because the mode of a folder may deny access to what is below
   * it. Syncs these folders and all others that were changed.
   */
  async finish(directories: readonly PlannedDirectory[]): Promise<void> {
    const syncs = new SideBySide(SYNCED_AT_ONCE)
    try {
      for (const directory of directories.toReversed()) {
        const { entry, localPath } = directory
        const item = this.orWriteError(localPath, () => this.folders.lookAt(localPath))
        if (item.type === 'absent') continue
        if (item.type !== 'directory') throw replaced(localPath)
        const isRight = sameMode(entry.mode, item.mode, 'directory') && sameTime(entry.mtime, item.fingerprint)
        // an interrupted pull did not set the attributes of the folders that it had changed
        if (isRight && !this.changed.has(localPath)) continue
        this.changed.delete(localPath)
        // opened before its mode is set, which may deny it
        const fd = this.openFolder(localPath)
        if (fd !== undefined) await syncs.start(() => this.syncOpen(fd, directory))
        else this.setFolderAttributes(directory)
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
      return this.folders.open(localPath, OPEN_FOLDER)
    } catch (error) {
      if (!['EACCES', 'EPERM', 'EISDIR'].includes(errnoOf(error) ?? '')) throw writeError(error, localPath)
      this.isSynced = false
      return undefined
    }
  }

  private async syncOpen(fd: number, directory: PlannedDirectory): Promise<void> {
    try {
      this.setFolderAttributes(directory)
      if (!(await syncOpenFolder(fd, this.fileSystem))) this.isSynced = false
    } catch (error) {
      throw writeError(error, directory.localPath)
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
