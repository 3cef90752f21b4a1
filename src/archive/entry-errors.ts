import { AppError, errnoOf, messageOf } from '../util/errors.ts'

/** An entry that would leave the destination, or that can't exist there. Only this entry is left out. */
export class RefusedEntryError extends Error {}

/** An entry whose bytes in the archive are wrong. Others may be whole. */
export class DamagedEntryError extends Error {}

/** An entry whose path is occupied by something that must not be overwritten. */
export class OccupiedEntryError extends Error {}

/** An entry that the file system of this machine rejected. */
export class LocalEntryError extends Error {}

const FATAL = ['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOTCONN']

/**
 * Runs file system calls for `path`. An error that concerns only this entry becomes a `LocalEntryError`. An error that
 * every other entry would meet too becomes an `AppError`.
 */
export function perEntry<T>(path: string, task: () => T): T {
  try {
    return task()
  } catch (error) {
    const code = errnoOf(error)
    if (code === undefined) throw error
    if (!FATAL.includes(code)) throw new LocalEntryError(messageOf(error), { cause: error })
    const full = code === 'ENOSPC' || code === 'EDQUOT'
    throw new AppError(full ? 'quota' : 'io', full ? `No space is left for ${path}.` : `${path} can't be written: ${messageOf(error)}`, {
      hint: full
        ? 'Free some space there, then run the same command again: files that were already extracted are kept.'
        : 'Extract to another place.',
      cause: error,
    })
  }
}
