/*
 * Errors, bytes, hashes, paths, time, the disk and the reporter's interface. It does not know repositories, stores or
 * commands, and imports no other room.
 */

import { constants } from 'node:os'
import { PACKAGE } from './package-source.ts'

/** The kind of an error, stable between releases. Exit codes and retries depend on it alone. */
export type ErrorCode =
  | 'usage'
  | 'not-found'
  | 'bad-range'
  | 'conflict'
  | 'denied'
  | 'unauthenticated'
  | 'quota'
  | 'throttled'
  | 'unavailable'
  | 'corrupt'
  | 'newer-format'
  | 'not-a-repository'
  | 'would-overwrite'
  | 'interrupted'
  | 'unsupported'
  | 'io'

/**
 * How long calls are repeated that are `throttled` or `unavailable`. `long`: the cause passes with time. `if-answered`:
 * the same once the other side has answered anything, before that briefly. `never`: they were repeated already. Without
 * it, `throttled` calls are repeated long, `unavailable` ones briefly.
 */
export type Repeat = 'long' | 'if-answered' | 'never'

export interface ErrorDetails {
  /** What the user should do next, in one sentence. */
  hint?: string
  cause?: unknown
  /** Milliseconds that the server asked us to wait (`throttled` and `unavailable` only). */
  retryAfterMs?: number
  /** What the server calls it, such as Drive's `insufficientFilePermissions`; or `NO_REPOSITORY`. */
  reason?: string | undefined
  repeat?: Repeat
  /** Further lines, such as a list of files that are in the way. */
  list?: readonly string[]
  /** True if data is not there at all, false if it is there and wrong (`corrupt` only). */
  isMissing?: boolean
}

/** The reason of errors that another choice of a store cures. */
export const NO_REPOSITORY = 'no-repository'

/** An error that the user can act on: a stable code, what failed and why (`message`), and what to do next (`hint`). */
export class AppError extends Error {
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly retryAfterMs: number | undefined
  readonly reason: string | undefined
  readonly repeat: Repeat | undefined
  readonly list: readonly string[]
  readonly isMissing: boolean

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.name = 'AppError'
    this.code = code
    this.hint = details.hint
    this.retryAfterMs = details.retryAfterMs
    this.reason = details.reason
    this.repeat = details.repeat
    this.list = details.list ?? []
    this.isMissing = details.isMissing ?? false
  }
}

export function isAppError(error: unknown, ...codes: ErrorCode[]): error is AppError {
  return error instanceof AppError && (codes.length === 0 || codes.includes(error.code))
}

const CHECK_HINT = 'Run `colab-escape check --read-data` to see which files and versions are affected.'

/** Damaged or hostile bytes. Every decoder of the format throws only this error. */
export function corrupt(subject: string, why: string, hint?: string): AppError {
  return new AppError('corrupt', `${subject} is damaged: ${why}`, { hint: hint ?? CHECK_HINT })
}

/** Like `corrupt`, for data that is not there: a pack, or a chunk that no pack holds. */
export function missing(subject: string, why: string): AppError {
  return new AppError('corrupt', `${subject} is damaged: ${why}`, { hint: CHECK_HINT, isMissing: true })
}

/** An id or a format of a newer release. */
export function newerFormat(subject: string): AppError {
  return new AppError('newer-format', `${subject} was made by a newer colab-escape.`, {
    hint: PACKAGE.howToUpdate,
  })
}

/**
 * The `errno` code ('ENOENT', ...) of a Node system error. Undefined for other errors, also for an `AppError`. Node
 * knows only a number for EDQUOT.
 */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof AppError) return undefined
  if ('errno' in error && error.errno === -constants.errno.EDQUOT) return 'EDQUOT'
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** Whether a disk had no room, or this user no more of it. */
export function isFullDisk(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '')
}

/** What Node has no words for. */
const WORDS: Readonly<Record<string, string>> = {
  EDQUOT: 'the disk quota is used up',
  EISDIR: 'it is a folder',
  EREMOTEIO: 'remote I/O error',
  ESTALE: 'stale file handle',
}

/** What went wrong. Of a system error its words alone, without the name of its call and the path, which Node adds. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { message } = error
  if (!('syscall' in error) || !('errno' in error) || typeof error.syscall !== 'string') return message
  const known = Object.entries(constants.errno).find(([, number]) => number === -(error.errno as number))?.[0]
  const words = /^(?:E[A-Z0-9]+|Unknown system error -\d+): (.*)/s.exec(message)?.[1]
  return WORDS[known ?? ''] ?? words?.split(`, ${error.syscall}`, 1)[0] ?? message
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new AppError('interrupted', 'Interrupted.', { hint: 'Run the same command again: it continues where it stopped.' })
}
