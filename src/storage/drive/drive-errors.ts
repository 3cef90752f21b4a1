import { AppError } from '../../util/errors.ts'

/**
 * The relevant parts of an error response of Google's APIs. Its form is `{error: {code, message, errors: [{reason,
 * ...}], status}}`; sometimes it is HTML or empty.
 */
export interface ErrorAnswer {
  status: number
  reason: string | undefined
  message: string
  retryAfterMs: number | undefined
}

const MAX_RETRY_AFTER_MS = 24 * 3_600_000
/** Characters of a message that are shown. */
const LONGEST_TEXT = 1000

export function readErrorAnswer(response: Pick<Response, 'status' | 'headers'>, text: string, now: number): ErrorAnswer {
  const { reason, message } = parseBody(text)
  return {
    status: response.status,
    reason,
    message: message ?? `HTTP ${response.status}`,
    retryAfterMs: retryAfter(response.headers.get('retry-after'), now),
  }
}

function parseBody(text: string): { reason: string | undefined; message: string | undefined } {
  try {
    const { error } = JSON.parse(text) as { error?: { message?: unknown; errors?: { reason?: unknown }[] } }
    const reason = error?.errors?.[0]?.reason
    return {
      reason: typeof reason === 'string' ? reason.slice(0, LONGEST_TEXT) : undefined,
      message: typeof error?.message === 'string' ? error.message.slice(0, LONGEST_TEXT) : undefined,
    }
  } catch {
    return { reason: undefined, message: undefined } // HTML of a proxy or a load balancer
  }
}

/** Value in seconds, or an HTTP date. */
function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS) : undefined
}

const RATE_REASONS = ['userRateLimitExceeded', 'rateLimitExceeded', 'sharingRateLimitExceeded']

/**
 * Only retryable errors become `throttled` or `unavailable`. `task` completes "Drive did not ...", e.g. "store
 * pack-12ab".
 */
export function driveError({ status, reason, message, retryAfterMs }: ErrorAnswer, task: string): AppError {
  const because = `Drive did not ${task}: ${message}${reason === undefined ? '' : ` (${reason})`}`
  if (status === 429 || (status === 403 && reason !== undefined && RATE_REASONS.includes(reason)))
    return new AppError('throttled', because, {
      hint: 'Drive limits how fast it is used: wait some minutes and run the same command again, it continues.',
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
  if (status === 408 || status >= 500)
    return new AppError('unavailable', because, {
      hint: 'Drive has trouble right now: run the same command again later, it continues where it stopped.',
      repeat: 'long',
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    })
  if (status === 401)
    return new AppError('unauthenticated', `Drive does not accept the login: ${message}`, { hint: 'Log in again: colab-escape auth login' })
  if (status === 404 || status === 410) return new AppError('not-found', because)
  if (status === 409) return new AppError('conflict', because)
  if (status === 416) return new AppError('bad-range', because)
  if (status === 403) return forbidden(reason, message, because)
  return new AppError('io', because, { hint: 'Run the command again with --verbose, and report what it shows if the error persists.' })
}

const FORBIDDEN_HINTS: Readonly<Record<string, string>> = {
  insufficientFilePermissions:
    'Only the owner of a file may delete it: check with which account you are logged in (colab-escape auth status).',
  dailyLimitExceeded: 'The daily limit of this client id is used up: try again tomorrow, or use a client id of your own (auth setup).',
  accessNotConfigured:
    "Enable the Drive API in the OAuth client's project (https://console.cloud.google.com/apis/library/drive.googleapis.com), wait a minute, and run the same command again.",
}

function forbidden(reason: string | undefined, message: string, because: string): AppError {
  if (reason === 'insufficientPermissions')
    return new AppError('unauthenticated', because, {
      hint: 'This login is not allowed to do that: run `colab-escape auth login` and leave the box for Google Drive ticked.',
    })
  if (reason === 'storageQuotaExceeded')
    return new AppError('quota', `Drive is full: ${message}`, {
      hint: 'Free space on Drive (its trash counts too), then run the same command again: what was stored stays usable. Service accounts have no space of their own.',
    })
  if (reason === 'numChildrenInNonRootLimitExceeded')
    return new AppError('quota', `The Drive folder is full: ${message}`, {
      hint: 'Drive allows 500,000 items in a folder: use another folder with --store drive:<folder>.',
    })
  return new AppError('denied', because, {
    hint: FORBIDDEN_HINTS[reason ?? ''] ?? 'Check with which account you are logged in: colab-escape auth status',
  })
}

/** An answer that names another address. Google's API does not do that, except for downloads. */
export function movedError(location: string | null, task: string): AppError {
  const host = location !== null && URL.canParse(location) ? ` (${new URL(location).host})` : ''
  return new AppError('unavailable', `Something between here and Drive leads to another address${host} when trying to ${task}.`, {
    hint: 'This may be the login page of a network: open any page in a browser, log in there, and run the same command again. Else check HTTPS_PROXY.',
  })
}

/** A connection that broke, was refused or could not be made. */
export function networkError(error: unknown, task: string): AppError {
  const cause =
    error instanceof Error && error.cause instanceof Error ? error.cause.message : error instanceof Error ? error.message : String(error)
  return new AppError('unavailable', `The connection to Drive failed while trying to ${task}: ${cause}`, {
    hint: 'Check the network and run the same command again: it continues where it stopped.',
    repeat: 'if-answered',
    cause: error,
  })
}
