import { describe, expect, test } from 'vitest'
import { driveError } from '../../../src/storage/drive/drive-errors.ts'
import { readErrorAnswer } from '../../../src/storage/drive/error-answer.ts'
import type { AppError, ErrorCode } from '../../../src/util/errors.ts'
import type { ErrorAnswer } from '../../drive-emulator/errors.ts'
import { REFUSALS, type Refusal } from '../../drive-emulator/refusals.ts'

const errorOf = (status: number, body: string, headers: Record<string, string> = {}): AppError =>
  driveError(readErrorAnswer({ status, headers: new Headers(headers) }, body, 0), 'store pack-12ab')

const errorOfAnswer = (answer: ErrorAnswer): AppError => errorOf(answer.status, answer.body(), answer.headers)

const refusal = (reason: string, message = 'No.'): AppError =>
  errorOf(403, JSON.stringify({ error: { code: 403, message, errors: [{ domain: 'global', reason, message }] } }))

/** What each refusal of the emulator means, and what its hint must say. */
const MEANINGS: Record<Refusal, [ErrorCode, RegExp]> = {
  userRateLimitExceeded: ['throttled', /wait some minutes/],
  rateLimitExceeded: ['throttled', /wait some minutes/],
  sharingRateLimitExceeded: ['throttled', /wait some minutes/],
  tooManyRequests: ['throttled', /wait some minutes/],
  tooManyRequestsEmpty: ['throttled', /wait some minutes/],
  rateLimitInDetails: ['throttled', /wait some minutes/],
  quotaExceeded: ['throttled', /wait some minutes/],
  backendError: ['unavailable', /trouble right now/],
  internalError: ['unavailable', /trouble right now/],
  unavailableEmpty: ['unavailable', /trouble right now/],
  badGatewayPage: ['unavailable', /trouble right now/],
  forbiddenPage: ['unavailable', /in some minutes.*proxy/],
  downloadQuotaExceeded: ['io', /tomorrow/],
  activeItemCreationLimitExceeded: ['quota', /500 million items/],
  domainPolicy: ['denied', /administrators/],
  teamDriveFileLimitExceeded: ['quota', /shared drive/],
  appNotAuthorizedToFile: ['denied', /--scope drive/],
  fileNotDownloadable: ['io', /document of Google/],
  uploadTooLarge: ['denied', /5 TB/],
}

test.each(Object.entries(MEANINGS))('%s is %s', (name, [code, hint]) => {
  const error = errorOfAnswer(REFUSALS[name as Refusal]())
  expect(error).toMatchObject({ code, hint: expect.stringMatching(hint) as string })
  expect(error.hint).not.toContain('auth status')
})

test.each<[string, ErrorCode, RegExp]>([
  ['storageQuotaExceeded', 'quota', /Free space/],
  ['numChildrenInNonRootLimitExceeded', 'quota', /another folder/],
  ['myDriveHierarchyDepthLimitExceeded', 'quota', /another folder/],
  ['insufficientPermissions', 'unauthenticated', /box for Google Drive/],
  ['insufficientFilePermissions', 'denied', /auth status/],
  ['forbidden', 'denied', /auth status/],
  ['cannotDownloadAbusiveFile', 'io', /owner/],
  ['cannotDownloadFile', 'io', /owner/],
  ['dailyLimitExceeded', 'denied', /tomorrow/],
  ['fileWriterTeamDriveMoveInDisabled', 'denied', /another folder/],
  ['cannotAddParent', 'denied', /another folder/],
  ['somethingNew', 'denied', /guides\/handle-errors/],
  ['constructor', 'denied', /guides\/handle-errors/],
])('the reason %s is %s', (reason, code, hint) => {
  expect(refusal(reason)).toMatchObject({ code, hint: expect.stringMatching(hint) as string })
})

describe('the newer form of errors', () => {
  const withDetails = (details: unknown[], error: object = {}, status = 403): AppError =>
    errorOf(status, JSON.stringify({ error: { code: status, message: 'No.', status: 'PERMISSION_DENIED', details, ...error } }))

  test('is read beside the older one: the reason that says most counts', () => {
    const forbidden = { errors: [{ reason: 'forbidden' }] }
    expect(withDetails([{ reason: 'SERVICE_DISABLED' }], forbidden)).toMatchObject({ hint: expect.stringContaining('Enable') as string })
    expect(withDetails([{ reason: 'RATE_LIMIT_EXCEEDED' }], forbidden).code).toBe('throttled')
    expect(withDetails([{ reason: 'ACCESS_TOKEN_SCOPE_INSUFFICIENT' }], forbidden).code).toBe('unauthenticated')
    expect(withDetails([], { status: 'RESOURCE_EXHAUSTED' }).code).toBe('throttled')
    expect(withDetails([]).hint).toContain('auth status')
  })

  test('tells how long to wait', () => {
    const wait = [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '30.5s' }]
    expect(withDetails(wait, { status: 'RESOURCE_EXHAUSTED' }, 429).retryAfterMs).toBe(30_500)
    expect(withDetails([{ retryDelay: 'soon' }], { status: 'RESOURCE_EXHAUSTED' }, 429).retryAfterMs).toBeUndefined()
  })

  test('tells a limit of the day, which no wait of minutes lifts', () => {
    const daily = { message: "Quota exceeded for limit 'Queries per day' of service 'drive.googleapis.com'." }
    const error = withDetails([{ reason: 'RATE_LIMIT_EXCEEDED' }], daily)
    expect(error).toMatchObject({ code: 'denied', hint: expect.stringContaining('tomorrow') as string })
  })

  test.each([[[]], [[null, 1, { reason: 7 }]], ['text'], [{}]])('with details %j is understood as far as it goes', details => {
    expect(errorOf(403, JSON.stringify({ error: { message: 5, details, errors: details } })).code).toBe('denied')
  })
})

test('a full Drive in the words of Drive v2 is a full Drive', () => {
  expect(refusal('quotaExceeded', 'The user has exceeded their Drive storage quota').code).toBe('quota')
})

test.each([400, 403, 404, 410])('a page with status %i says nothing of a file', status => {
  for (const body of ['', '<html>No.</html>', '"text"', '{"error": "no"}']) expect(errorOf(status, body).code).toBe('unavailable')
})
