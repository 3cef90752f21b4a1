import { AppError, errnoOf, isAppError, messageOf } from '../util/errors.ts'
import type { ErrorCode } from '../util/errors.ts'

export function isSystemError(error: unknown, codes: readonly string[]): boolean {
  const code = errnoOf(error)
  return code !== undefined && codes.includes(code)
}

/** With these errors a store can't be written, but often still be read. */
export const NOT_WRITABLE = ['EROFS', 'EACCES', 'EPERM', 'ENOSPC', 'EDQUOT']

/** The error for a failed file system call. `task` completes "Can't ...". An `AppError` is returned unchanged. */
export function folderError(error: unknown, folder: string, task: string): AppError {
  if (isAppError(error)) return error
  // a person knows no object by all 64 digits of its id
  const doing = task.replace(/(-[0-9a-f]{12})[0-9a-f]{52}/g, '$1')
  const make = (code: ErrorCode, why: string, hint: string) => new AppError(code, `Can't ${doing}: ${why}`, { hint, cause: error })
  switch (errnoOf(error) ?? '') {
    case 'ENOSPC':
    case 'EDQUOT':
      return make(
        'quota',
        `no space is left on ${folder}.`,
        'Free some space there, or forget old versions and prune, then run the same command again: it continues where it stopped.',
      )
    case 'EROFS':
      return make('denied', `${folder} is read-only.`, 'Make it writable, or choose another place with --store.')
    case 'EACCES':
    case 'EPERM':
      return make('denied', `no permission for it in ${folder}.`, 'Change the permissions there, or choose another place with --store.')
    case 'ENOTDIR':
    case 'EEXIST':
      return make('io', `${folder} is not a folder.`, 'Choose a folder with --store.')
    case 'EISDIR':
      return make('io', `${folder} has a folder of that name.`, 'Move that folder elsewhere, then try again.')
    case 'EIO':
      return make('io', `the disk under ${folder} failed to read or write.`, 'Check the disk and its cable or connection, then try again.')
    case 'EMFILE':
    case 'ENFILE':
      return make(
        'io',
        `too many files are open to use ${folder}.`,
        'Close other programs, or raise the limit (ulimit -n), then try again.',
      )
    default:
      return make(
        'io',
        `the file system of ${folder} failed: ${messageOf(error)}`,
        'Check that the disk is there and healthy, then try again.',
      )
  }
}
