import nodeFs from 'node:fs'
import { dirname } from 'node:path'
import { errnoOf } from './errors.ts'
import { fsPath } from './paths.ts'
import { sleep } from './waiting.ts'

/**
 * The calls by which the folder store, the caches, the saved login and a pull read and change a disk. They get it as an
 * argument, so that a test can record the calls, make one fail, or cut the power.
 */
export interface FileSystem extends Pick<
  typeof nodeFs,
  | 'chmodSync'
  | 'closeSync'
  | 'fchmodSync'
  | 'fstatSync'
  | 'fsync'
  | 'ftruncateSync'
  | 'futimesSync'
  | 'lstatSync'
  | 'lutimesSync'
  | 'mkdirSync'
  | 'openSync'
  | 'readdirSync'
  | 'readlinkSync'
  | 'renameSync'
  | 'rmSync'
  | 'rmdirSync'
  | 'statSync'
  | 'statfsSync'
  | 'symlinkSync'
  | 'unlinkSync'
  | 'utimesSync'
  | 'writeSync'
> {
  promises: Pick<
    typeof nodeFs.promises,
    'lstat' | 'open' | 'opendir' | 'readdir' | 'readFile' | 'rename' | 'rm' | 'stat' | 'statfs' | 'unlink' | 'utimes'
  >
}

/** The disks of this machine. */
export const realFileSystem: FileSystem = nodeFs

/**
 * `mkdir -p`. Returns the folders in which it made another, the topmost first. Node's own recursive `mkdir` never ends
 * where the system answers ENOENT though the parent is there, as in /proc, and fails with ENOENT on a read-only disk.
 */
export function makeFolder(folder: string, { mode = 0o777, fileSystem = realFileSystem } = {}): string[] {
  const changed: string[] = []
  for (let isAgain = false; ; isAgain = true) {
    try {
      fileSystem.mkdirSync(fsPath(folder), { mode })
      return [...changed, dirname(folder)]
    } catch (error) {
      if (isFolder(folder, fileSystem)) return changed
      if (isAgain || errnoOf(error) !== 'ENOENT' || folder === dirname(folder)) throw error
      changed.push(...makeFolder(dirname(folder), { mode, fileSystem }))
    }
  }
}

function isFolder(path: string, fileSystem: FileSystem): boolean {
  try {
    return fileSystem.statSync(fsPath(path)).isDirectory()
  } catch {
    return false
  }
}

/**
 * Removes a file or a link, if there is one. Node's `rm` goes on to `rmdir` where the system refuses that, and then
 * says "not a directory".
 */
export function removeFile(path: string | Buffer, fileSystem = realFileSystem): void {
  try {
    fileSystem.unlinkSync(path)
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error
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

/**
 * Renames a new file. Windows refuses it for a moment while another program, such as a virus scanner, has that file or
 * the one that it replaces open: then it is tried again, for two seconds.
 */
export async function renameNew(rename: () => void | Promise<void>): Promise<void> {
  for (let wait = 10; ; wait *= 2) {
    try {
      return await rename()
    } catch (error) {
      if (process.platform !== 'win32' || wait > 1000 || !['EPERM', 'EACCES', 'EBUSY'].includes(errnoOf(error) ?? '')) throw error
    }
    await sleep(wait)
  }
}

/** The answers of a medium that can't sync a file or a folder. */
const NO_SYNC = ['EINVAL', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP']
/** Windows syncs no folder. */
const NO_FOLDER_SYNC = [...NO_SYNC, 'EPERM', 'EISDIR']

/** Syncs an open file to the disk. False if the medium can't do that. */
export function syncFile(fd: number, fileSystem = realFileSystem): Promise<boolean> {
  return syncOrNot(fd, NO_SYNC, fileSystem)
}

/** The same for an open folder. False also if the platform can't do that. */
export function syncOpenFolder(fd: number, fileSystem = realFileSystem): Promise<boolean> {
  return syncOrNot(fd, NO_FOLDER_SYNC, fileSystem)
}

function syncOrNot(fd: number, unable: readonly string[], fileSystem: FileSystem): Promise<boolean> {
  return new Promise((resolve, reject) => {
    fileSystem.fsync(fd, error => {
      if (!error) resolve(true)
      else if (unable.includes(errnoOf(error) ?? '')) resolve(false)
      else reject(error)
    })
  })
}

/** Opens a folder, and nothing else where the system can tell: Windows has no such flag. */
export const OPEN_FOLDER = nodeFs.constants.O_RDONLY | ((nodeFs.constants as Partial<typeof nodeFs.constants>).O_DIRECTORY ?? 0)

/** Makes creations, renames and deletions in `folder` durable. False if the platform or the medium can't do that. */
export async function syncFolder(folder: string, fileSystem = realFileSystem): Promise<boolean> {
  try {
    const handle = await fileSystem.promises.open(fsPath(folder), OPEN_FOLDER)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
    return true
  } catch (error) {
    if (!NO_FOLDER_SYNC.includes(errnoOf(error) ?? '')) throw error
    return false
  }
}
