import { realpathSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { errnoOf } from '../util/errors.ts'

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
