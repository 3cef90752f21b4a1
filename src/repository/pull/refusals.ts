import { AppError, errnoOf, isAppError, messageOf } from '../../util/errors.ts'

/** What was not restored, or not deleted, because the destination refused it. */
export interface Refusal {
  /** As in the manifest. */
  path: string
  why: string
  /** It was to be deleted, and nothing else was to take its place. */
  kept?: boolean
}

/** A reason that is known before the file system is asked, or that it does not give itself. */
export class RefusedEntry extends Error {}

/**
 * Collects what a destination refuses, entry by entry, so that one entry never ends the rest. Below a folder that was
 * refused nothing is tried.
 */
export class Refusals {
  readonly found: Refusal[] = []
  /** What to do about them, each thing once. */
  readonly cures = new Set<string>()
  private readonly byPath = new Map<string, Refusal>()

  /** Calls `work`. If the destination refuses it, notes why for `path`, and returns undefined. */
  attempt<T>(path: string, work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      this.take(path, error)
      return undefined
    }
  }

  /** The same for what deletes `path`. */
  attemptToDelete(path: string, work: () => unknown): void {
    const before = this.found.length
    this.attempt(path, work)
    for (const refusal of this.found.slice(before)) refusal.kept = true
  }

  /** Notes the error of one entry. Throws one that every other entry would meet too, and what is no error of a disk. */
  take(path: string, error: unknown): void {
    const cause = isAppError(error, 'io') && error.cause !== undefined ? error.cause : error
    if (cause instanceof RefusedEntry) return this.add(path, cause.message)
    const code = errnoOf(cause)
    if (code === undefined) throw error
    if (ENDS_ALL.has(code)) throw writeError(error, path)
    const { why, cure } = kindOf(code, cause)
    this.add(path, `${why}: ${messageOf(cause)}`, cure)
  }

  add(path: string, why: string, cure?: string): void {
    const refusal: Refusal = { path, why }
    this.found.push(refusal)
    this.byPath.set(path, refusal)
    if (cure !== undefined) this.cures.add(cure)
  }

  /** Whether an entry was refused, or its folder was: then it is noted too. Ask for a folder before its contents. */
  covers(path: string): boolean {
    const refusal = this.byPath.get(path)
    if (refusal !== undefined) {
      refusal.kept = false
      return true
    }
    if (this.byPath.size === 0 || !this.byPath.has(path.slice(0, Math.max(0, path.lastIndexOf('/'))))) return false
    this.add(path, 'its folder could not be restored')
    return true
  }
}

/** What a warning says. `shown`: the path as people see it. */
export function describeRefusal({ why, kept }: Refusal, shown: string): string {
  return `${shown} was not ${kept === true ? 'deleted' : 'restored'}: ${why}`
}

/** A full disk, too many open files, a file system whose program has ended. */
const ENDS_ALL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOTCONN'])

interface Kind {
  codes: readonly string[]
  /** Only errors of calls that take a name, not of those that set an attribute. */
  ofNames?: true
  why: string
  cure: string
}

const OTHER_NAMES = "Rename in the source what that disk can't hold, or pull to another disk"
const KINDS: readonly Kind[] = [
  { codes: ['EILSEQ', 'ENAMETOOLONG', 'EINVAL'], ofNames: true, why: "that disk can't hold its name", cure: OTHER_NAMES },
  { codes: ['ENOENT'], why: "that disk can't hold its name, or its folder has gone", cure: OTHER_NAMES },
  { codes: ['EACCES'], why: 'no permission', cure: 'Give yourself the permission to write there (ls -ld, chmod u+rwx), or ask the owner' },
  {
    codes: ['EPERM'],
    why: 'the system does not allow it',
    cure: "See whether it is another user's (ls -l), or is made unchangeable (lsattr, then chattr -i -a)",
  },
  {
    codes: ['EROFS'],
    why: 'the disk is read-only there',
    cure: 'Mount that disk for writing (mount -o remount,rw), or pull to another one',
  },
  { codes: ['EIO'], why: 'the disk failed', cure: 'Check the disk and its cable or connection' },
  {
    codes: ['EFBIG', 'EOVERFLOW'],
    why: 'it is too large for that disk',
    cure: 'Pull it to a disk that holds files of this size, or raise ulimit -f',
  },
  {
    codes: ['EISDIR', 'ENOTDIR', 'ENOTEMPTY', 'EEXIST'],
    why: 'something else has its place, and could not be removed',
    cure: 'Move away what has its place',
  },
  { codes: ['EBUSY', 'ETXTBSY'], why: 'it is in use', cure: 'End the program that uses it, or unmount what is mounted there' },
]

/** On Windows no file can be replaced or deleted that a program has open. */
const WINDOWS_KIND: Kind = {
  codes: ['EPERM', 'EACCES', 'EBUSY'],
  why: 'another program has it open, or this account may not change it',
  cure: 'Close the program that has it open, or see who may change it (its Properties, Security)',
}

const TAKES_NAME = /^(l?stat|mkdir|open|readlink|rename|rmdir|symlink|unlink)$/

function kindOf(code: string, error: unknown): Omit<Kind, 'codes'> {
  const { syscall = '' } = error as NodeJS.ErrnoException
  const kinds = process.platform === 'win32' ? [WINDOWS_KIND, ...KINDS] : KINDS
  const kind = kinds.find(({ codes, ofNames }) => codes.includes(code) && (ofNames === undefined || TAKES_NAME.test(syscall)))
  return kind ?? { why: 'the disk does not take it', cure: 'Pull to another disk' }
}

/** For a command that ends because of one path, such as that of the destination itself. */
export function writeError(error: unknown, localPath: string): AppError {
  if (isAppError(error)) return error
  const code = errnoOf(error) ?? ''
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new AppError('quota', `No space left for ${localPath}.`, {
      hint: 'Free some space, then run the same pull again: it keeps the files that are whole.',
      cause: error,
    })
  const cure = ['EMFILE', 'ENFILE'].includes(code)
    ? 'Close other programs, or raise the limit of open files (ulimit -n)'
    : error instanceof RefusedEntry
      ? 'Pull to another disk'
      : kindOf(code, error).cure
  return new AppError('io', `${localPath} can't be written: ${messageOf(error)}`, {
    hint: `${cure}, then run the same pull again.`,
    cause: error,
  })
}
