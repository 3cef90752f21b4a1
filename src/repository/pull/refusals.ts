import { AppError, errnoOf, isAppError, messageOf } from '../../util/errors.ts'

/** The destination itself, among the paths of the manifest. */
export const ROOT = '.'

/**
 * What a destination refuses: that something is there as in the version; only its mode and time; that it is deleted,
 * with nothing else to take its place; to say what is in it.
 */
type Step = 'content' | 'attributes' | 'removal' | 'listing'

/** What was not restored, or not deleted, because the destination refused it. */
export interface Refusal {
  /** As in the manifest, or `ROOT`. */
  path: string
  why: string
  step: Step
}

/** A reason that is known before the file system is asked, or that it does not give itself. */
export class RefusedEntry extends Error {}

/**
 * Collects what a destination refuses, entry by entry, so that one entry never ends the rest. Below a folder that was
 * refused nothing is tried.
 */
export class Refusals {
  /** The local path of the destination. */
  readonly root: string
  readonly found: Refusal[] = []
  /** What to do about them, each thing once. */
  readonly cures = new Set<string>()
  private readonly byPath = new Map<string, Refusal>()

  constructor(root: string) {
    this.root = root
  }

  /** Calls `work`. If the destination refuses it, notes why for `path`, and returns undefined. */
  attempt<T>(path: string, work: () => T, step: Step = 'content'): T | undefined {
    try {
      return work()
    } catch (error) {
      this.take(path, error, step)
      return undefined
    }
  }

  /** Notes the error of one entry. Throws one that every other entry would meet too, and what is no error of a disk. */
  take(path: string, error: unknown, step: Step = 'content'): void {
    const cause = isAppError(error, 'io') && error.cause !== undefined ? error.cause : error
    if (cause instanceof RefusedEntry) return this.add(path, cause.message, undefined, step)
    const code = errnoOf(cause)
    if (code === undefined) throw error
    if (ENDS_ALL.has(code)) throw writeError(error, path === ROOT ? this.root : path)
    const { why, cure } = kindOf(code, cause)
    const said = messageOf(cause)
    this.add(path, why === undefined ? said : `${why}: ${said}`, cure, step)
  }

  add(path: string, why: string, cure?: string, step: Step = 'content'): void {
    const refusal: Refusal = { path, why, step }
    this.found.push(refusal)
    this.byPath.set(path, refusal)
    if (cure !== undefined) this.cures.add(cure)
  }

  /** Whether an entry was refused, or its folder was: then it is noted too. Ask for a folder before its contents. */
  covers(path: string): boolean {
    const refusal = this.byPath.get(path)
    if (refusal !== undefined) {
      refusal.step = 'content'
      return true
    }
    if (this.byPath.size === 0 || !this.byPath.has(path.slice(0, Math.max(0, path.lastIndexOf('/'))))) return false
    this.add(path, 'its folder could not be restored')
    return true
  }
}

/** What a warning says. `shown`: a path of the manifest as people see it. */
export function describeRefusal({ path, why, step }: Refusal, root: string, shown: (path: string) => string): string {
  return `${path === ROOT ? root : shown(path)} ${OUTCOMES[step]}: ${why}`
}

const OUTCOMES: Readonly<Record<Step, string>> = {
  content: 'was not restored',
  attributes: 'did not get its mode and time',
  removal: 'was not deleted',
  listing: 'could not be listed, so nothing in it was deleted',
}

/** A full disk, too many open files, a file system whose program has ended. */
const ENDS_ALL: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOTCONN'])

interface Kind {
  codes: readonly string[]
  /** Only errors of calls that take a name, not of those that set an attribute. */
  ofNames?: true
  /** Undefined: what the system says is clear. */
  why?: string
  cure: string
}

const OTHER_NAMES = "Rename in the source what that disk can't hold, or pull to another disk"
const KINDS: readonly Kind[] = [
  { codes: ['EILSEQ', 'ENAMETOOLONG', 'EINVAL'], ofNames: true, why: "that disk can't hold its name", cure: OTHER_NAMES },
  { codes: ['ENOENT'], why: "that disk can't hold its name, or its folder has gone", cure: OTHER_NAMES },
  { codes: ['EACCES'], cure: 'Give yourself the permission to write there (ls -ld, chmod u+rwx), or ask the owner' },
  {
    codes: ['EPERM'],
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

/** A name that a person gave for this pull alone needs no other one in the source. */
const ofOneName = (cure: string): string => (cure === OTHER_NAMES ? 'Choose another folder' : cure)

/** For a command that ends because of one path, such as that of the destination itself. */
export function writeError(error: unknown, localPath: string): AppError {
  if (isAppError(error)) return error
  const code = errnoOf(error) ?? ''
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new AppError('quota', `No space is left for ${localPath}.`, {
      hint: 'Free some space, then run the same pull again: it keeps the files that are whole.',
      cause: error,
    })
  const cure = ['EMFILE', 'ENFILE'].includes(code)
    ? 'Close other programs, or raise the limit of open files (ulimit -n)'
    : error instanceof RefusedEntry
      ? 'Pull to another disk'
      : ofOneName(kindOf(code, error).cure)
  return new AppError('io', `${localPath} can't be written: ${messageOf(error)}`, {
    hint: `${cure}, then run the same pull again.`,
    cause: error,
  })
}
