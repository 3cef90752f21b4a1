import { createHash } from 'node:crypto'
import { SCOPES } from './access.ts'
import type { AccessToken, Accounts, Grant, OAuthClient } from './accounts.ts'
import type { Call, Reply } from './call.ts'
import { badToken, OAuthError } from './errors.ts'
import { verifyAssertion } from './jwt-bearer.ts'
import type { ConsentPage } from './oauth-consent.ts'
import type { Surroundings } from './surroundings.ts'

const invalidGrant = (why: string) => new OAuthError(400, 'invalid_grant', why)
const expiredGrant = () => invalidGrant('Token has been expired or revoked.')

/** A form body; fields that repeat are refused. */
function formOf(call: Call): URLSearchParams {
  const type = call.headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/x-www-form-urlencoded') throw new OAuthError(400, 'invalid_request', 'The body must be a form.')
  const form = new URLSearchParams(call.body.toString())
  for (const name of new Set(form.keys()))
    if (form.getAll(name).length > 1) throw new OAuthError(400, 'invalid_request', `Repeated parameter: ${name}`)
  return form
}

function required(form: URLSearchParams, name: string): string {
  const value = form.get(name) ?? ''
  if (value === '') throw new OAuthError(400, 'invalid_request', `Missing required parameter: ${name}`)
  return value
}

/** `/token`, `/revoke`, `/tokeninfo` and `/userinfo`. */
export class TokenEndpoint {
  private readonly accounts: Accounts
  private readonly consent: ConsentPage
  private readonly surroundings: Surroundings

  constructor(accounts: Accounts, consent: ConsentPage, surroundings: Surroundings) {
    this.accounts = accounts
    this.consent = consent
    this.surroundings = surroundings
  }

  token(call: Call): Reply {
    const form = formOf(call)
    const type = required(form, 'grant_type')
    switch (type) {
      case 'authorization_code':
        return this.exchange(form, this.client(form, call))
      case 'refresh_token':
        return this.refresh(form, this.client(form, call))
      case 'urn:ietf:params:oauth:grant-type:jwt-bearer': {
        const grant = verifyAssertion(required(form, 'assertion'), this.accounts, call.origin, this.surroundings.now())
        return this.answer(this.accounts.issueAccess(grant), {}, false)
      }
      default:
        throw new OAuthError(400, 'unsupported_grant_type', `Invalid grant_type: ${type}`)
    }
  }

  revoke(call: Call): Reply {
    const token = call.query.get('token') ?? required(formOf(call), 'token')
    if (!this.accounts.revoke(token)) throw new OAuthError(400, 'invalid_token', 'Token expired or revoked')
    return { status: 200, json: {} }
  }

  tokenInfo(call: Call): Reply {
    const access = this.accounts.access(call.query.get('access_token') ?? '')
    if (access === undefined) throw new OAuthError(400, 'invalid_token', 'Invalid Value')
    const { clientId, scopes, user } = access.grant
    const seconds = Math.floor((access.expires - this.surroundings.now()) / 1000)
    const email = showsEmail(scopes) ? { email: user.email, email_verified: 'true' } : {}
    const exp = String(Math.floor(access.expires / 1000))
    return {
      status: 200,
      json: {
        azp: clientId,
        aud: clientId,
        scope: [...scopes].join(' '),
        exp,
        expires_in: String(seconds),
        ...email,
        access_type: 'offline',
      },
    }
  }

  userInfo(call: Call): Reply {
    const authorization = call.headers.authorization
    if (authorization === undefined) throw badToken()
    const { user, scopes } = this.accounts.callerOf(authorization)
    if (!showsEmail(scopes) && !scopes.has('openid')) throw badToken()
    return { status: 200, json: { sub: user.permissionId, ...(showsEmail(scopes) ? { email: user.email, email_verified: true } : {}) } }
  }

  /** The client by its form fields or by basic authentication. */
  private client(form: URLSearchParams, call: Call): OAuthClient {
    const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(call.headers.authorization ?? '')?.[1]
    const [basicId, basicSecret] = basic === undefined ? [] : Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent)
    const id = basicId ?? required(form, 'client_id')
    const secret = basicSecret ?? form.get('client_secret') ?? undefined
    const client = this.accounts.clients.get(id)
    if (client === undefined) throw new OAuthError(401, 'invalid_client', 'The OAuth client was not found.')
    if (client.secret !== undefined && secret === undefined) throw new OAuthError(400, 'invalid_request', 'client_secret is missing.')
    if (client.secret !== secret) throw new OAuthError(401, 'invalid_client', 'The provided client secret is invalid.')
    return client
  }

  private exchange(form: URLSearchParams, client: OAuthClient): Reply {
    const pending = this.consent.redeem(required(form, 'code'))
    if (pending === undefined) throw invalidGrant('Malformed auth code.')
    if (pending.clientId !== client.id) throw new OAuthError(401, 'unauthorized_client', 'Unauthorized')
    if (pending.redirectUri !== form.get('redirect_uri')) throw new OAuthError(400, 'redirect_uri_mismatch', 'Bad Request')
    checkVerifier(pending.challenge, form.get('code_verifier') ?? undefined)
    const grant = this.accounts.grant(this.accounts.user(pending.email), client.id, pending.scopes)
    const refresh = pending.refreshable ? { refresh_token: this.accounts.issueRefresh(grant) } : {}
    return this.answer(this.accounts.issueAccess(grant), refresh, pending.refreshable)
  }

  private refresh(form: URLSearchParams, client: OAuthClient): Reply {
    const token = required(form, 'refresh_token')
    const grant = this.accounts.refreshable(token)
    if (grant === undefined) throw expiredGrant()
    if (grant.clientId !== client.id) throw new OAuthError(401, 'unauthorized_client', 'Unauthorized')
    return this.answer(this.accounts.issueAccess(grant), {}, true)
  }

  private answer(access: AccessToken, more: object, refreshable: boolean): Reply {
    const { grant } = access
    const now = this.surroundings.now()
    const ends = refreshable && grant.expires !== undefined ? { refresh_token_expires_in: Math.floor((grant.expires - now) / 1000) } : {}
    const expiresIn = Math.floor((access.expires - now) / 1000)
    const json = { access_token: access.token, expires_in: expiresIn, ...more, ...ends, scope: scopeText(grant), token_type: 'Bearer' }
    return { status: 200, headers: { 'cache-control': 'no-store' }, json }
  }
}

const scopeText = (grant: Grant) => [...grant.scopes].join(' ')

const showsEmail = (scopes: ReadonlySet<string>) => scopes.has(SCOPES.email) || scopes.has('email')

/** RFC 7636: 43 to 128 unreserved characters whose SHA-256 is the challenge. */
function checkVerifier(challenge: string | undefined, verifier: string | undefined): void {
  if (challenge === undefined) {
    if (verifier !== undefined) throw invalidGrant('code_verifier without code_challenge.')
    return
  }
  if (verifier === undefined) throw invalidGrant('Missing code verifier.')
  const good = /^[A-Za-z0-9._~-]{43,128}$/.test(verifier)
  if (!good || createHash('sha256').update(verifier).digest('base64url') !== challenge) throw invalidGrant('Invalid code verifier.')
}
