import { AppError, errnoOf, messageOf } from '../util/errors.ts'

/** An entry that would leave the destination, or that can't exist there: it is left out, the others are not. */
export class RefusedEntryError extends Error {}

/** An entry in whose place something lies that is not to be overwritten. */
export class OccupiedEntryError extends Error {}

/** An entry that this machine's file system did not take. */
export class LocalEntryError extends Error {}

const FATAL = ['ENOSPC', 'EDQUOT', 'EROFS', 'EIO', 'EMFILE', 'ENFILE']

/**
 * Runs file system calls for `path`. An error of this entry alone becomes a `LocalEntryError`; one that every other
 * entry would meet too becomes an `AppError`.
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
      hint: full ? 'Free some space there, then run the same command again: what is there already is kept.' : 'Extract to another place.',
      cause: error,
    })
  }
}
