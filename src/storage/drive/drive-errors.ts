import { AppError, isAppError } from '../../util/errors.ts'
import type { ErrorAnswer } from './error-answer.ts'

const RATE_REASONS = [
  'userRateLimitExceeded',
  'rateLimitExceeded',
  'sharingRateLimitExceeded',
  'quotaExceeded',
  'RATE_LIMIT_EXCEEDED',
  'RESOURCE_EXHAUSTED',
]
/** The words in which newer answers tell a limit that waiting some minutes does not lift. */
const DAILY = /\bper day\b/i

/** Statuses by which Drive says something of a file or a request. A page of a proxy says nothing of either. */
const MEANT_BY_DRIVE = [400, 403, 404, 410]

const GUIDE = 'https://developers.google.com/workspace/drive/api/guides/handle-errors'
const TOMORROW = 'try again tomorrow'
const ANOTHER_FOLDER = 'use another folder with --store drive:<folder>'
const ACCOUNT = 'check with which account you are logged in: colab-escape auth status'

const FLAGGED = 'cannotDownloadAbusiveFile'

/**
 * Whether Google's scanner takes a file for malware or spam. It does so with compressed and encrypted data now and then
 * (duplicacy#433, rclone#2317).
 */
export const isFlagged = (error: unknown): error is AppError => isAppError(error, 'io') && error.reason === FLAGGED

/**
 * Only retryable errors become `throttled` or `unavailable`. `io` is a file that can't be read now, which says nothing
 * of its bytes or of other files. `task` completes "Drive did not ...", e.g. "store pack-12ab". The reasons are those
 * of Google's guide "Resolve errors" and of ErrorInfo (google.aip.dev/193).
 */
export function driveError({ status, reasons, message, retryAfterMs, isDrives }: ErrorAnswer, task: string): AppError {
  const [reason] = reasons
  const because = `Drive did not ${task}: ${message}${reason === undefined ? '' : ` (${reason})`}`
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs }
  if (status === 429 || (status === 403 && isRateLimit(reasons, message)))
    return new AppError('throttled', because, {
      hint: 'Drive limits how fast it is used: wait some minutes and run the same command again, it continues.',
      reason,
      ...wait,
    })
  if (status === 408 || status >= 500)
    return new AppError('unavailable', because, {
      hint: 'Drive has trouble right now: run the same command again later, it continues where it stopped.',
      repeat: 'long',
      ...wait,
    })
  if (!isDrives && MEANT_BY_DRIVE.includes(status))
    return new AppError('unavailable', `Drive did not ${task}: HTTP ${status} from something before it, without a reason.`, {
      hint: 'Run the same command again in some minutes. If it stays so: is there a proxy or a login page in between?',
      repeat: 'long',
      ...wait,
    })
  if (status === 401)
    return new AppError('unauthenticated', `Drive does not accept the login: ${message}`, { hint: 'Log in again: colab-escape auth login' })
  if (status === 404 || status === 410)
    return new AppError('not-found', because, { hint: `It was deleted or moved meanwhile, or this account may not see it: ${ACCOUNT}` })
  if (status === 409) return new AppError('conflict', because)
  if (status === 416) return new AppError('bad-range', because)
  if (status === 403) return forbidden(reasons, message, because, task)
  return new AppError('io', because, {
    hint: 'Run the command again with --verbose, and report what it shows if the error persists.',
    reason,
  })
}

/** `quotaExceeded` was the reason of a full Drive too (reference of Drive v2). */
function isRateLimit(reasons: readonly string[], message: string): boolean {
  if (DAILY.test(message) || (reasons.includes('quotaExceeded') && /storage/i.test(message))) return false
  return reasons.some(reason => RATE_REASONS.includes(reason))
}

const FULL_HINTS: Readonly<Record<string, string>> = {
  activeItemCreationLimitExceeded:
    'Drive allows an account 500 million items that it made: delete some for good, or use another account. What was stored stays usable.',
  teamDriveFileLimitExceeded:
    'A shared drive holds 500,000 items, those in its trash too: delete some for good, or use a folder that is not in this shared drive.',
  myDriveHierarchyDepthLimitExceeded: `Drive allows 100 folders below each other: ${ANOTHER_FOLDER}.`,
  teamDriveHierarchyTooDeep: `A shared drive allows 100 folders below each other: ${ANOTHER_FOLDER}.`,
}

const UNREADABLE_HINTS: Readonly<Record<string, string>> = {
  downloadQuotaExceeded: `Others download this file too, or it was downloaded very often: ${TOMORROW}. All other files can be read.`,
  fileNotDownloadable: "It isn't a file with content of its own: is it a document of Google, or a shortcut? Give the file itself.",
  cannotDownloadFile: 'Its owner does not allow to download it: ask for the right to do so, or log in as its owner.',
}

const FORBIDDEN_HINTS: Readonly<Record<string, string>> = {
  insufficientFilePermissions: `Only those may write to a folder who may edit it, and only the owner of a file may delete it: ask its owner, or ${ACCOUNT}`,
  dailyLimitExceeded: `The daily limit of this client id is used up: ${TOMORROW}, or use a client id of your own (auth setup).`,
  accessNotConfigured:
    "Enable the Drive API in the OAuth client's project (https://console.cloud.google.com/apis/library/drive.googleapis.com), wait a minute, and run the same command again.",
  appNotAuthorizedToFile:
    'This login only reaches what its own client made (scope drive.file), and it did not make this. Run: colab-escape auth login --scope drive',
  domainPolicy:
    "The administrators of this account's domain don't allow other programs to use Drive: ask them to allow the OAuth client, or use another account.",
  uploadTooLarge: 'Drive takes files of up to 5 TB: make a smaller one, for instance of a part of the folder.',
  fileOwnerNotMemberOfTeamDrive: 'The owner of the file must be a member of the shared drive: ask its managers.',
  teamDriveMembershipRequired: 'Only members of the shared drive may do that: ask its managers, or use another folder.',
  fileWriterTeamDriveMoveInDisabled: `The administrators of the domain don't allow to move that into the shared drive: ${ANOTHER_FOLDER}.`,
  teamDrivesFolderMoveInNotSupported: `Drive does not move folders into a shared drive: ${ANOTHER_FOLDER}.`,
  cannotAddParent: `Drive does not allow new files in that folder: ${ANOTHER_FOLDER}.`,
  teamDrivesParentLimit: `A file in a shared drive is in one folder only: ${ANOTHER_FOLDER}.`,
}

/** Reasons of the newer form in the words of Drive v3. */
const SAME: Readonly<Record<string, string>> = {
  ACCESS_TOKEN_SCOPE_INSUFFICIENT: 'insufficientPermissions',
  SERVICE_DISABLED: 'accessNotConfigured',
}
const KNOWN = new Set([
  'insufficientPermissions',
  'storageQuotaExceeded',
  'quotaExceeded',
  'numChildrenInNonRootLimitExceeded',
  FLAGGED,
  ...[FULL_HINTS, UNREADABLE_HINTS, FORBIDDEN_HINTS].flatMap(Object.keys),
])

function forbidden(reasons: readonly string[], message: string, because: string, task: string): AppError {
  const known = reasons.map(reason => SAME[reason] ?? reason).find(reason => KNOWN.has(reason))
  const reason = known ?? (DAILY.test(message) ? 'dailyLimitExceeded' : '')
  if (reason === 'insufficientPermissions')
    return new AppError('unauthenticated', because, {
      hint: 'This login is not allowed to do that: run `colab-escape auth login` and leave the box for Google Drive ticked.',
    })
  if (reason === 'storageQuotaExceeded' || reason === 'quotaExceeded')
    return new AppError('quota', `Drive is full: ${message}`, {
      hint: 'Free space on Drive (its trash counts too), then run the same command again: what was stored stays usable. Service accounts have no space of their own.',
    })
  if (reason === 'numChildrenInNonRootLimitExceeded')
    return new AppError('quota', `The Drive folder is full: ${message}`, {
      hint: `Drive allows 500,000 items in a folder: ${ANOTHER_FOLDER}.`,
    })
  if (FULL_HINTS[reason] !== undefined)
    return new AppError('quota', `A limit of Drive is reached: ${message}`, { hint: FULL_HINTS[reason] })
  if (reason === FLAGGED)
    return new AppError('io', `Drive did not ${task}: Google's scanner takes it for malware or spam, and lets only its owner read it.`, {
      hint: 'It often errs with compressed data. Run the same command as the owner of the file or, in a shared drive, as one of its managers (colab-escape auth status shows the account), or ask Google for a review in Drive.',
      reason: FLAGGED,
    })
  if (UNREADABLE_HINTS[reason] !== undefined) return new AppError('io', because, { hint: UNREADABLE_HINTS[reason] })
  if (reason === '' && reasons.some(each => ['forbidden', 'PERMISSION_DENIED'].includes(each)))
    return new AppError('denied', because, { hint: `The login is not allowed to do that: ${ACCOUNT}` })
  return new AppError('denied', because, {
    hint: FORBIDDEN_HINTS[reason] ?? `Google explains its refusals at ${GUIDE}`,
    reason: reasons[0],
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
