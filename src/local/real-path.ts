import { realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { errnoOf } from '../util/errors.ts'
import { decodeFileName, fsPath } from '../util/paths.ts'

/** An absolute path. Symlinks in its existing part are resolved; the rest may be missing. */
export function realPathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch (error) {
    const isAbsent = ['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')
    if (!isAbsent || dirname(path) === path) throw error
    return join(realPathOf(dirname(path)), basename(path))
  }
}

const NOT_THERE = ['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES']

/**
 * The absolute path of what exists, with links resolved, as the disk spells it: also a name that is not UTF-8, or that
 * was given in other case. Throws the system's errors.
 */
export function spelledPath(path: string): string {
  try {
    return decodeFileName(realpathSync.native(fsPath(path), 'buffer'))
  } catch (error) {
    // Windows does not tell the path of a folder on some virtual drives
    if (process.platform !== 'win32' || NOT_THERE.includes(errnoOf(error) ?? '')) throw error
    return realpathSync(path)
  }
}
