import { AppError, type ErrorCode, errnoOf, isFullDisk, messageOf } from '../util/errors.ts'

export interface ErrorDescription {
  code: ErrorCode | 'internal'
  message: string
  hint: string
  list: readonly string[]
}

const HINTS: Record<ErrorCode, string> = {
  usage: 'Run the command with --help to see how it is used.',
  'not-found': 'Run `colab-escape log` to see what the repository holds.',
  'bad-range': 'Run `colab-escape check` to see what is damaged.',
  conflict: 'Run the same command again.',
  denied: 'Check that you may read and write there.',
  unauthenticated: 'Run `colab-escape auth login`.',
  quota: 'Free some space there, or use another --store, and run the same command again.',
  throttled: 'Wait a few minutes and run the same command again.',
  unavailable: 'Check the network and run the same command again: it continues where it stopped.',
  corrupt: 'Run `colab-escape check --read-data` to see which files and versions are affected.',
  'newer-format': 'Update colab-escape and run the same command again.',
  'not-a-repository': 'Check --store: it names the folder that holds the repository.',
  'would-overwrite': 'Move those files away, or run again with --force to overwrite them.',
  interrupted: 'Run the same command again: it continues where it stopped.',
  unsupported: 'Run `colab-escape doctor` to see what works here.',
  io: 'Run `colab-escape doctor` to see what is wrong here.',
}

const ERRNO_HINTS: Readonly<Record<string, string>> = {
  ENOENT: 'Check the path and run the same command again.',
  EACCES: 'Check the permissions of that path, or run as a user who may read and write it.',
  EPERM: 'Check the permissions of that path, or run as a user who may read and write it.',
  ENOSPC: 'Free some space on that disk and run the same command again.',
  EDQUOT: 'Free some space on that disk and run the same command again.',
  EROFS: 'Choose a place that can be written.',
  ENAMETOOLONG: 'Choose a shorter name or path.',
  ELOOP: 'Choose a path without symlinks that lead back to themselves.',
  EIO: 'Check the disk and its cable or connection, then run the same command again.',
  EMFILE: 'Close other programs, or raise the limit of open files (ulimit -n).',
  ENFILE: 'Close other programs, or raise the limit of open files (ulimit -n).',
}

/**
 * The description of any thrown value: an `AppError` unchanged, an errno as `io`, anything else as a bug (`internal`).
 */
export function describeError(error: unknown): ErrorDescription {
  if (error instanceof AppError) {
    return { code: error.code, message: error.message, hint: error.hint ?? HINTS[error.code], list: error.list }
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return { code: 'interrupted', message: 'Interrupted.', hint: HINTS.interrupted, list: [] }
  }
  const message = messageOf(error)
  const errno = errnoOf(error)
  if (errno !== undefined && /^(E[A-Z0-9]+|Unknown system error -\d+)$/.test(errno))
    return { ...describeSystemError(error as NodeJS.ErrnoException, errno), list: [] }
  return {
    code: 'internal',
    message: message === '' ? 'something unexpected happened' : message,
    hint: 'This is a bug in colab-escape: run again with --verbose and report what it shows.',
    list: [],
  }
}

/** An error that no part of the program has put into words of its own. */
function describeSystemError(error: NodeJS.ErrnoException, errno: string): Omit<ErrorDescription, 'list'> {
  if (error.syscall === 'uv_cwd')
    return {
      code: 'io',
      message: 'The current folder does not exist any more.',
      hint: 'Change to another folder (cd), and run the command again.',
    }
  const [message, { path }] = [messageOf(error), error]
  return {
    code: isFullDisk(error) ? 'quota' : 'io',
    message:
      message === error.message
        ? message
        : path === undefined
          ? `${isFullDisk(error) ? 'A disk is full: ' : ''}${message}.`
          : `${path} can't be used: ${message}.`,
    hint: ERRNO_HINTS[errno] ?? HINTS.io,
  }
}

/** Stack traces of an error and its causes, as lines. */
export function stackLines(error: unknown): string[] {
  const all: string[] = []
  for (let each = error, depth = 0; each instanceof Error && depth < 5; each = each.cause, depth++) {
    const { stack = '', message } = each
    // a message is one line, whatever is in it
    const at = stack.indexOf(message)
    const frames = at < 0 ? stack : stack.slice(at + message.length)
    all.push(`${depth === 0 ? '' : 'caused by '}${at < 0 ? `${each.name}: ` : stack.slice(0, at)}${message}`)
    all.push(...frames.split('\n').filter(line => /^\s+at /.test(line)))
  }
  return all
}
