import { AppError, errnoOf, isAppError, messageOf } from '../../util/errors.ts'

/** Turns a system error of the destination into an error that a person can act on. */
export function writeError(error: unknown, localPath: string): AppError {
  if (isAppError(error)) return error
  const code = errnoOf(error) ?? ''
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new AppError('quota', `No space left for ${localPath}.`, {
      hint: 'Free some space, then run the same pull again: it keeps the files that are whole.',
      cause: error,
    })
  return new AppError('io', `${localPath} can't be written: ${messageOf(error)}`, {
    hint: `${CURES[code] ?? 'Check the permissions of the destination'}, then run the same pull again.`,
    cause: error,
  })
}

const MANY_FILES = 'Close other programs, or raise the limit of open files (ulimit -n)'
const CURES: Readonly<Record<string, string>> = {
  EIO: 'Check the disk and its cable or connection',
  EMFILE: MANY_FILES,
  ENFILE: MANY_FILES,
}
