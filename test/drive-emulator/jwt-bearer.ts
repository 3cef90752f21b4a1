import { verify } from 'node:crypto'
import { fullScope, KNOWN_SCOPES } from './access.ts'
import type { Accounts, Grant } from './accounts.ts'
import { OAuthError } from './errors.ts'

const refuse = (why: string) => new OAuthError(400, 'invalid_grant', why)

function decode(part: string): Record<string, unknown> {
  if (!/^[A-Za-z0-9_-]+$/.test(part)) throw refuse('Invalid JWT: not base64url.')
  try {
    const parsed: unknown = JSON.parse(Buffer.from(part, 'base64url').toString())
    if (typeof parsed === 'object' && parsed !== null) return parsed as Record<string, unknown>
  } catch {
    // the same answer as for JSON that is no object
  }
  throw refuse('Invalid JWT: not JSON.')
}

const AUDIENCES = [
  'https://oauth2.googleapis.com/token',
  'https://www.googleapis.com/oauth2/v4/token',
  'https://accounts.google.com/o/oauth2/token',
]

/**
 * A service account's signed claim, RS256, for at most an hour; returns what it may do. `origin` + `/token` is an
 * audience as well.
 */
export function verifyAssertion(assertion: string, accounts: Accounts, origin: string, now: number): Grant {
  const [head, body, signature, ...rest] = assertion.split('.')
  if (head === undefined || body === undefined || signature === undefined || rest.length > 0)
    throw refuse('Invalid JWT: three parts are needed.')
  if (decode(head).alg !== 'RS256') throw refuse('Invalid JWT: only RS256 is supported.')
  const { iss, aud, iat, exp, scope, sub } = decode(body)
  const account = typeof iss === 'string' ? accounts.serviceAccounts.get(iss) : undefined
  if (account === undefined) throw refuse('Invalid grant: account not found')
  if (!verify('sha256', Buffer.from(`${head}.${body}`), account.publicKey, Buffer.from(signature, 'base64url')))
    throw refuse('Invalid JWT Signature.')
  if (typeof aud !== 'string' || ![...AUDIENCES, `${origin}/token`].includes(aud)) throw refuse('Invalid JWT: Failed audience check.')
  const seconds = now / 1000
  const timely = typeof iat === 'number' && typeof exp === 'number' && exp > seconds && iat <= seconds + 60 && exp - iat <= 3600
  if (!timely)
    throw refuse(
      'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values.',
    )
  if (sub !== undefined && sub !== iss)
    throw new OAuthError(401, 'unauthorized_client', 'Client is unauthorized to retrieve access tokens.')
  const scopes = typeof scope === 'string' ? scope.split(' ') : []
  if (scopes.length === 0 || scopes.some(name => fullScope(name) !== name || !KNOWN_SCOPES.includes(name)))
    throw new OAuthError(400, 'invalid_scope', 'Invalid OAuth scope or ID token audience provided.')
  return accounts.grant(account.user, account.user.email, scopes)
}
