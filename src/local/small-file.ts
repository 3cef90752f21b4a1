import { closeSync, fstatSync, openSync } from 'node:fs'
import { errnoOf } from '../util/errors.ts'
import { fsPath } from '../util/paths.ts'
import { AS_LISTED, readAtSync } from './read-at.ts'

/**
 * The bytes of a regular file of at most `most` bytes. Undefined if there is none at this path, or it can't be read.
 */
export function readSmallFile(path: string, most: number): Uint8Array | undefined {
  let fd: number | undefined
  try {
    fd = openSync(fsPath(path), AS_LISTED)
    const stats = fstatSync(fd)
    return stats.isFile() && stats.size <= most ? readAtSync(fd, 0, stats.size) : undefined
  } catch (error) {
    if (errnoOf(error) === undefined) throw error
    return undefined
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}
