import { constants, type Stats } from 'node:fs'
import { basename, dirname } from 'node:path'
import { AppError, errnoOf } from '../util/errors.ts'
import { closeQuietly, realFileSystem, type FileSystem } from '../util/file-system.ts'
import { fsPath } from '../util/paths.ts'
import { howStrangersReach } from '../util/small-file.ts'
import { lookAt, type LocalItem } from './look-at.ts'

/** Folders held open at a time, the root not counted. */
const MOST = 15
const { O_NOFOLLOW = 0, O_DIRECTORY = 0, O_NONBLOCK = 0 } = constants as Partial<typeof constants>
/** Of Linux: opens an item as a place, which needs no permission to read it. */
const O_PATH = 0x200000

/**
 * Reaches items in a destination folder, and never leaves it: another user may exchange a folder in it for a symlink
 * while a command runs. On Linux the folders on the way are held open, one opened through the other, and /proc/self/fd
 * leads from a folder to what is in it. Elsewhere all folders on the way are looked at before and after each use.
 */
export class HeldFolders {
  readonly root: string
  readonly fileSystem: FileSystem
  /** Undefined until it is needed; false where folders can't be held open. */
  private rootFd: number | false | undefined
  /** In the order of last use. */
  private readonly held = new Map<string, number>()
  private readonly shared = new Map<string, boolean>()

  /** `root` is absolute and its links are resolved. It is opened when it is first needed, so it may be made later. */
  constructor(root: string, fileSystem = realFileSystem) {
    this.root = root
    this.fileSystem = fileSystem
  }

  /**
   * Calls `use` with a path of what is at `localPath`, the root or below it. The path holds only during the call,
   * so `use` must not wait. A link in the last part is for `use` to refuse. Throws `conflict` if something else than a
   * folder is on the way.
   */
  at<T>(localPath: string, use: (path: string | Buffer) => T): T {
    const folder = localPath === this.root ? this.root : dirname(localPath)
    const fd = this.hold(folder)
    if (folder === localPath) return fd === undefined ? use(fsPath(folder)) : this.through(fd, folder, held => use(`${held}/.`))
    if (fd === undefined) return this.between(folder, () => use(fsPath(localPath)))
    return this.through(fd, folder, held => use(fsPath(`${held}/${basename(localPath)}`)))
  }

  /**
   * Calls `use` with a path of the file or folder at `localPath`, which then can't be exchanged for another, and with
   * what is known of it. A symlink is never followed: `use` gets its own stats.
   */
  pinned<T>(localPath: string, use: (path: string | Buffer, stats: Stats) => T): T {
    return this.at(localPath, path => {
      if (this.rootFd === false) return use(path, this.fileSystem.lstatSync(path))
      const fd = this.fileSystem.openSync(path, O_PATH | O_NOFOLLOW)
      try {
        return this.through(fd, localPath, pin => use(pin, this.fileSystem.fstatSync(fd)))
      } finally {
        closeQuietly(fd, this.fileSystem)
      }
    })
  }

  /** Opens a file or folder, never a link, and waits for no pipe. */
  open(localPath: string, flags: number, mode?: number): number {
    return this.at(localPath, path => this.fileSystem.openSync(path, flags | O_NOFOLLOW | O_NONBLOCK, mode))
  }

  lookAt(localPath: string): LocalItem {
    try {
      return this.at(localPath, path => lookAt(path, this.fileSystem))
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return { type: 'absent' }
      throw error
    }
  }

  /** Whether other users can change what is in a folder, as far as its owner and mode tell when it is first asked. */
  isShared(folder: string): boolean {
    const known = this.shared.get(folder)
    if (known !== undefined) return known
    const fd = this.hold(folder)
    const stats = fd === undefined ? this.fileSystem.statSync(fsPath(folder)) : this.fileSystem.fstatSync(fd)
    const isShared = howStrangersReach(stats) !== undefined
    if (this.shared.size === MOST) this.shared.clear()
    this.shared.set(folder, isShared)
    return isShared
  }

  close(): void {
    for (const fd of this.held.values()) closeQuietly(fd, this.fileSystem)
    this.held.clear()
    if (typeof this.rootFd === 'number') closeQuietly(this.rootFd, this.fileSystem)
    this.rootFd = undefined
  }

  /** The descriptor of a folder; undefined where folders can't be held open. */
  private hold(folder: string): number | undefined {
    this.rootFd ??= this.openRoot()
    if (this.rootFd === false) return undefined
    if (folder === this.root) return this.rootFd
    const known = this.held.get(folder)
    if (known !== undefined) {
      this.held.delete(folder)
      this.held.set(folder, known)
      return known
    }
    if (folder.length <= this.root.length) throw new Error(`${folder} is not in ${this.root}`)
    const above = dirname(folder)
    const parent = this.hold(above)!
    const fd = this.through(parent, above, held => this.openFolder(`${held}/${basename(folder)}`, folder))
    if (this.held.size === MOST) this.closeOldest()
    this.held.set(folder, fd)
    return fd
  }

  private closeOldest(): void {
    const [folder, fd] = this.held.entries().next().value!
    this.held.delete(folder)
    closeQuietly(fd, this.fileSystem)
  }

  private openFolder(path: string, folder: string): number {
    try {
      return this.fileSystem.openSync(fsPath(path), O_PATH | O_DIRECTORY | O_NOFOLLOW)
    } catch (error) {
      if (['ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) throw replaced(folder, error)
      throw error
    }
  }

  private openRoot(): number | false {
    if (process.platform !== 'linux') return false
    const fd = this.openFolder(this.root, this.root)
    if (this.leadsTo(fd)) return fd
    closeQuietly(fd, this.fileSystem)
    return false
  }

  /** Whether /proc is there, and is what it should be. */
  private leadsTo(fd: number): boolean {
    try {
      return isSame(this.fileSystem.statSync(`/proc/self/fd/${fd}/.`), this.fileSystem.fstatSync(fd))
    } catch {
      return false
    }
  }

  /** Errors name the path that a person knows. */
  private through<T>(fd: number, localPath: string, use: (held: string) => T): T {
    const held = `/proc/self/fd/${fd}`
    try {
      return use(held)
    } catch (error) {
      if (error instanceof Error && errnoOf(error) !== undefined) error.message = error.message.replaceAll(held, localPath)
      throw error
    }
  }

  /** Where nothing can be held open. What is exchanged and put back within one call is not noticed. */
  private between<T>(folder: string, use: () => T): T {
    const before = this.wayTo(folder)
    const result = use()
    if (this.wayTo(folder) !== before) throw replaced(folder)
    return result
  }

  /** Which folders lead from the root to this one. */
  private wayTo(folder: string): string {
    const stats = this.fileSystem.lstatSync(fsPath(folder))
    if (!stats.isDirectory()) throw replaced(folder)
    return `${folder === this.root ? '' : this.wayTo(dirname(folder))} ${stats.dev} ${stats.ino}`
  }
}

export function isSame(a: { dev: number; ino: number }, b: { dev: number; ino: number }): boolean {
  return a.dev === b.dev && a.ino === b.ino
}

/** For what was a folder when this command began. */
export function replaced(localPath: string, cause?: unknown): AppError {
  return new AppError('conflict', `Something else took the place of ${localPath} while this ran. It was not followed.`, {
    hint: 'See who else can change the destination (ls -ld), then run the same command again, there or into a folder of your own.',
    cause,
  })
}
