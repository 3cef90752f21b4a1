import type { Outcome } from './commands/shared/session.ts'
import type { ErrorCode } from './util/errors.ts'

export interface ExitCode {
  code: number
  /** For the list in `--help`. */
  meaning: string
  /** The outcomes of commands and the error codes that exit with it. */
  of: readonly (ErrorCode | 'internal' | Outcome)[]
}

/** Stable, because scripts rely on them. Unlisted error codes exit with 1. */
export const EXIT_CODES: readonly ExitCode[] = [
  { code: 0, meaning: 'done', of: ['done'] },
  { code: 1, meaning: 'failed', of: ['failed'] },
  { code: 2, meaning: 'bad usage', of: ['usage'] },
  { code: 3, meaning: 'partly done (some files were left out, each with a warning; all others are done)', of: ['partly'] },
  { code: 4, meaning: 'not authenticated', of: ['unauthenticated'] },
  { code: 5, meaning: 'not found', of: ['not-found', 'not-a-repository'] },
  { code: 6, meaning: 'quota or disk full', of: ['quota'] },
  { code: 7, meaning: 'damaged data found', of: ['corrupt', 'damaged'] },
  { code: 8, meaning: 'would overwrite local changes', of: ['would-overwrite'] },
  { code: 9, meaning: 'different (diff and status with --exit-code)', of: ['different'] },
  { code: 130, meaning: 'interrupted', of: ['interrupted'] },
]

export function exitCodeOf(end: ErrorCode | 'internal' | Outcome): number {
  return EXIT_CODES.find(({ of }) => of.includes(end))?.code ?? 1
}
