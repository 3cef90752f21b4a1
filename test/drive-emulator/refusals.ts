import { ErrorAnswer, GoogleError, rateLimited } from './errors.ts'

/** Google's newer form of errors: no `errors`, but a `status` and typed `details`. */
class DetailsError extends ErrorAnswer {
  readonly status: number
  readonly canonical: string
  readonly reason: string
  override readonly headers = { 'content-type': 'application/json; charset=UTF-8' }

  constructor(status: number, canonical: string, reason: string, message: string) {
    super(message)
    this.status = status
    this.canonical = canonical
    this.reason = reason
  }

  body(): string {
    const type = 'type.googleapis.com/google.rpc.ErrorInfo'
    const details = [{ '@type': type, reason: this.reason, domain: 'googleapis.com', metadata: { service: 'drive.googleapis.com' } }]
    return JSON.stringify({ error: { code: this.status, message: this.message, status: this.canonical, details } }, undefined, 2)
  }
}

/** A page of Google's front end; without a title an empty answer. */
class PageError extends ErrorAnswer {
  readonly status: number
  override readonly headers: Readonly<Record<string, string>>

  constructor(status: number, title: string, headers: Record<string, string> = {}) {
    super(title)
    this.status = status
    this.headers = { ...(title === '' ? {} : { 'content-type': 'text/html; charset=UTF-8' }), ...headers }
  }

  body(): string {
    if (this.message === '') return ''
    return `<!DOCTYPE html>\n<html lang=en>\n<title>Error ${this.status} (${this.message})!!1</title>\n<p><b>${this.status}.</b> <ins>That’s an error.</ins>\n`
  }
}

const usage = (status: number, reason: string, message: string) => new GoogleError(status, reason, message, { domain: 'usageLimits' })
const global = (reason: string, message: string) => new GoogleError(403, reason, message)

/**
 * What Drive refuses with, by name. The reasons are those of Google's guide "Resolve errors"
 * (developers.google.com/workspace/drive/api/guides/handle-errors), the shapes without `errors` those of public logs.
 */
export const REFUSALS = {
  userRateLimitExceeded: rateLimited,
  rateLimitExceeded: () => usage(403, 'rateLimitExceeded', 'Rate Limit Exceeded'),
  sharingRateLimitExceeded: () => usage(403, 'sharingRateLimitExceeded', 'Rate limit exceeded. User message: "Sorry, try again later."'),
  tooManyRequests: () => usage(429, 'rateLimitExceeded', 'Rate Limit Exceeded'),
  /** A 429 of the front end says nothing at all. */
  tooManyRequestsEmpty: () => new PageError(429, ''),
  rateLimitInDetails: () =>
    new DetailsError(
      403,
      'PERMISSION_DENIED',
      'RATE_LIMIT_EXCEEDED',
      "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute per user' of service 'drive.googleapis.com'.",
    ),
  backendError: () => new GoogleError(503, 'backendError', 'Backend Error'),
  internalError: () => new GoogleError(500, 'internalError', 'Internal Error'),
  unavailableEmpty: () => new PageError(503, ''),
  badGatewayPage: () => new PageError(502, 'Server Error'),
  forbiddenPage: () => new PageError(403, 'Forbidden'),
  quotaExceeded: () => usage(403, 'quotaExceeded', 'The quota of requests has been exceeded.'),
  downloadQuotaExceeded: () => global('downloadQuotaExceeded', 'The download quota for this file has been exceeded.'),
  activeItemCreationLimitExceeded: () =>
    global('activeItemCreationLimitExceeded', 'This account has exceeded the creation limit of 500 million items.'),
  domainPolicy: () => global('domainPolicy', 'The domain administrators have disabled Drive apps.'),
  teamDriveFileLimitExceeded: () => global('teamDriveFileLimitExceeded', 'The file limit for this shared drive has been exceeded.'),
  appNotAuthorizedToFile: () => global('appNotAuthorizedToFile', 'The user has not granted the app 1234567890 write access to the file.'),
  fileNotDownloadable: () => global('fileNotDownloadable', 'Only files with binary content can be downloaded.'),
  uploadTooLarge: () => global('uploadTooLarge', 'The upload is too large.'),
} as const satisfies Record<string, () => ErrorAnswer>

export type Refusal = keyof typeof REFUSALS
