import { statSync } from 'node:fs'
import { AppError, messageOf } from '../../util/errors.ts'
import { fsPath } from '../../util/paths.ts'
import { readSmallText } from '../../util/small-file.ts'

/**
 * The text of a file that holds a secret. `what` is `token`, for example. Errors: `unauthenticated` if it can't be
 * read, or if other users can read or change it.
 */
export function readSecretFile(path: string, what: string, { maxBytes, pipe }: { maxBytes: number; pipe: string }): string {
  const text = readText(path, what, maxBytes, pipe)
  const { mode } = statSync(fsPath(path))
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new AppError('unauthenticated', `Others can read the ${what}: ${path} has mode ${(mode & 0o777).toString(8)}.`, {
      hint: `Make it readable for you only: chmod 600 <file>. Others may have the ${what} already: get a new one.`,
    })
  return text
}

function readText(path: string, what: string, maxBytes: number, pipe: string): string {
  try {
    return readSmallText(path, { maxBytes, mustBeOwn: true })
  } catch (error) {
    throw new AppError('unauthenticated', `The ${what} in ${path} is not used: ${messageOf(error)}.`, {
      hint: `Give a file of your own that holds a ${what} and nothing else, or pipe the ${what} in with ${pipe}.`,
      cause: error,
    })
  }
}
