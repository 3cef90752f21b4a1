/** What a handler throws to answer with an error; the server sends it as it is. */
export abstract class ErrorAnswer extends Error {
  abstract readonly status: number
  readonly headers: Readonly<Record<string, string>> = {}
  abstract body(): string
}

export interface GoogleErrorDetails {
  domain?: string
  /** `parameter` unless told. */
  locationType?: string
  location?: string
  /** Canonical code name; Drive sends it for failed authentication and authorisation only. */
  canonical?: string
  /** `errors[0].message`, where it differs from the message above it. */
  short?: string
  headers?: Record<string, string>
}

/**
 * Drive's JSON error: `{error: {code, message, errors: [{message, domain, reason, location, locationType}], status}}`.
 */
export class GoogleError extends ErrorAnswer {
  readonly status: number
  readonly reason: string
  readonly details: GoogleErrorDetails
  override readonly headers: Readonly<Record<string, string>>

  constructor(status: number, reason: string, message: string, details: GoogleErrorDetails = {}) {
    super(message)
    this.status = status
    this.reason = reason
    this.details = details
    this.headers = { 'content-type': 'application/json; charset=UTF-8', ...details.headers }
  }

  body(): string {
    const { domain = 'global', location, locationType = 'parameter', canonical, short } = this.details
    const entry = {
      message: short ?? this.message,
      domain,
      reason: this.reason,
      ...(location === undefined ? {} : { location, locationType }),
    }
    const error = { code: this.status, message: this.message, errors: [entry], ...(canonical === undefined ? {} : { status: canonical }) }
    return JSON.stringify({ error }, undefined, 2)
  }
}

/** A plain text error, as Google's upload front end sends it. */
export class TextError extends ErrorAnswer {
  readonly status: number
  override readonly headers = { 'content-type': 'text/plain; charset=utf-8' }

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }

  body(): string {
    return this.message
  }
}

/** An OAuth error, `{error, error_description}`. */
export class OAuthError extends ErrorAnswer {
  readonly status: number
  readonly error: string
  override readonly headers = { 'content-type': 'application/json; charset=utf-8' }

  constructor(status: number, error: string, description: string) {
    super(description)
    this.status = status
    this.error = error
  }

  body(): string {
    return JSON.stringify({ error: this.error, error_description: this.message }, undefined, 2)
  }
}

/** A parameter whose value is not accepted; Google says no more than `Invalid Value`. */
export const invalidValue = (location: string, message = 'Invalid Value') => new GoogleError(400, 'invalid', message, { location })

/** A parameter that the method does not know, or whose value is out of its range. */
export const invalidParameter = (location: string, message: string) => new GoogleError(400, 'invalidParameter', message, { location })

export const badRequest = (message: string) => new GoogleError(400, 'badRequest', message)

export const requiredParameter = (location: string, message = `Required parameter: ${location}`) =>
  new GoogleError(400, 'required', message, { location })

export const fileNotFound = (id: string) => new GoogleError(404, 'notFound', `File not found: ${id}.`, { location: 'fileId' })

export const insufficientFilePermissions = () =>
  new GoogleError(403, 'insufficientFilePermissions', 'The user does not have sufficient permissions for this file.')

export const rateLimited = () =>
  new GoogleError(403, 'userRateLimitExceeded', 'User Rate Limit Exceeded. Rate of requests for user exceed configured project quota.', {
    domain: 'usageLimits',
  })

const SEE = 'See https://developers.google.com/identity/sign-in/web/devconsole-project.'

export const badToken = () =>
  new GoogleError(
    401,
    'authError',
    `Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. ${SEE}`,
    {
      canonical: 'UNAUTHENTICATED',
      location: 'Authorization',
      locationType: 'header',
      short: 'Invalid Credentials',
      headers: { 'www-authenticate': 'Bearer realm="https://accounts.google.com/", error="invalid_token"' },
    },
  )

/** Drive takes API keys too, so a call without any credential is one by a stranger, not one that forgot to log in. */
export const noCredentials = () =>
  new GoogleError(
    403,
    'forbidden',
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.",
    { canonical: 'PERMISSION_DENIED' },
  )

export const insufficientScopes = () =>
  new GoogleError(403, 'insufficientPermissions', 'Request had insufficient authentication scopes.', {
    canonical: 'PERMISSION_DENIED',
    short: 'Insufficient Permission',
    headers: { 'www-authenticate': 'Bearer realm="https://accounts.google.com/", error="insufficient_scope"' },
  })
