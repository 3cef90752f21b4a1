import { fullScope, KNOWN_SCOPES } from './access.ts'
import type { Accounts, OAuthClient } from './accounts.ts'
import type { Call, Reply } from './call.ts'
import { ErrorAnswer } from './errors.ts'
import { randomText } from './surroundings.ts'
import type { Surroundings } from './surroundings.ts'

/** A consent given, waiting for its client to come for the tokens. */
export interface PendingCode {
  email: string
  clientId: string
  scopes: readonly string[]
  redirectUri: string
  challenge: string | undefined
  refreshable: boolean
  expires: number
}

export type Consent = 'ask' | 'approve' | 'deny'

/** Google shows a page, and never redirects, when the request itself is wrong. */
class ConsentError extends ErrorAnswer {
  readonly status = 400
  override readonly headers = { 'content-type': 'text/html; charset=utf-8' }
  private readonly code: string

  constructor(code: string, why: string) {
    super(why)
    this.code = code
  }

  body(): string {
    return `<!DOCTYPE html><title>Error 400: ${escape(this.code)}</title><h1>Access blocked</h1><p>${escape(this.message)}</p><p>Error 400: ${escape(this.code)}</p>`
  }
}

const escape = (text: string) => text.replace(/[&<>"]/g, sign => `&#${sign.charCodeAt(0)};`)

const KNOWN = [
  'client_id',
  'redirect_uri',
  'response_type',
  'scope',
  'state',
  'access_type',
  'prompt',
  'code_challenge',
  'code_challenge_method',
  'login_hint',
  'include_granted_scopes',
  'hl',
  'emulator_consent',
  'emulator_user',
]

const LOOPBACK = /^http:\/\/(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?(?:\/[^#]*)?$/

/** The page on which a user allows an app something: `GET` or `POST /o/oauth2/v2/auth`. */
export class ConsentPage {
  /** What the user does when the page opens; `ask` leaves it to the form or to `emulator_consent=approve|deny`. */
  consent: Consent
  private readonly codes = new Map<string, PendingCode>()
  private readonly approved = new Set<string>()
  private readonly accounts: Accounts
  private readonly surroundings: Surroundings

  constructor(accounts: Accounts, surroundings: Surroundings, consent: Consent) {
    this.accounts = accounts
    this.surroundings = surroundings
    this.consent = consent
  }

  handle(call: Call): Reply {
    const query = new URLSearchParams(call.query)
    for (const [name, value] of new URLSearchParams(call.method === 'POST' ? call.body.toString() : '')) query.set(name, value)
    for (const name of query.keys()) if (!KNOWN.includes(name)) throw new ConsentError('invalid_request', `Unknown parameter: ${name}`)
    const client = this.client(query)
    const redirectUri = this.redirectUri(query, client)
    const scopes = this.scopes(query)
    const challenge = this.challenge(query, client)
    const email = this.accounts.user(query.get('emulator_user') ?? query.get('login_hint') ?? undefined).email
    const choice = query.get('emulator_consent') ?? this.consent
    if (choice === 'ask')
      return { status: 200, headers: { 'content-type': 'text/html; charset=utf-8' }, body: this.form(query, client, scopes) }
    const target = new URL(redirectUri)
    const state = query.get('state')
    if (state !== null) target.searchParams.set('state', state)
    if (choice === 'approve') {
      const code = `4/0A${randomText(this.surroundings.random, 70)}`
      const refreshable = this.refreshable(query, email, client)
      this.codes.set(code, {
        email,
        clientId: client.id,
        scopes,
        redirectUri,
        challenge,
        refreshable,
        expires: this.surroundings.now() + 600_000,
      })
      target.searchParams.set('code', code)
      target.searchParams.set('scope', scopes.join(' '))
    } else if (choice === 'deny') target.searchParams.set('error', 'access_denied')
    else throw new ConsentError('invalid_request', `emulator_consent=${choice}`)
    return { status: 302, headers: { location: target.href }, body: '' }
  }

  /** A code is good once. */
  redeem(code: string): PendingCode | undefined {
    const pending = this.codes.get(code)
    this.codes.delete(code)
    return pending === undefined || pending.expires <= this.surroundings.now() ? undefined : pending
  }

  private client(query: URLSearchParams): OAuthClient {
    const client = this.accounts.clients.get(query.get('client_id') ?? '')
    if (client === undefined) throw new ConsentError('invalid_client', 'The OAuth client was not found.')
    if (query.get('response_type') !== 'code') throw new ConsentError('unsupported_response_type', 'response_type must be code.')
    return client
  }

  private redirectUri(query: URLSearchParams, client: OAuthClient): string {
    const uri = query.get('redirect_uri') ?? ''
    const allowed = client.type === 'installed' ? LOOPBACK.test(uri) : client.redirectUris.includes(uri)
    if (!allowed) throw new ConsentError('redirect_uri_mismatch', `The redirect_uri ${uri} is not registered.`)
    return uri
  }

  private scopes(query: URLSearchParams): string[] {
    const scopes = (query.get('scope') ?? '').split(' ').filter(scope => scope !== '')
    if (scopes.length === 0) throw new ConsentError('invalid_request', 'Missing required parameter: scope')
    for (const scope of scopes)
      if (fullScope(scope) !== scope || !KNOWN_SCOPES.includes(scope)) throw new ConsentError('invalid_scope', `Invalid scope: ${scope}`)
    return scopes
  }

  private challenge(query: URLSearchParams, client: OAuthClient): string | undefined {
    const challenge = query.get('code_challenge') ?? undefined
    const method = query.get('code_challenge_method')
    if (challenge === undefined) {
      if (client.type === 'installed') throw new ConsentError('invalid_request', 'Missing required parameter: code_challenge')
      return undefined
    }
    if (method !== 'S256') throw new ConsentError('invalid_request', 'code_challenge_method must be S256.')
    if (!/^[A-Za-z0-9_-]{43}$/.test(challenge)) throw new ConsentError('invalid_request', 'code_challenge is no SHA-256 in base64url.')
    return challenge
  }

  /** A refresh token comes with the first consent, or when the app asks for consent anew. */
  private refreshable(query: URLSearchParams, email: string, client: OAuthClient): boolean {
    const key = `${email} ${client.id}`
    const first = !this.approved.has(key)
    this.approved.add(key)
    return query.get('access_type') === 'offline' && (first || (query.get('prompt') ?? '').split(' ').includes('consent'))
  }

  private form(query: URLSearchParams, client: OAuthClient, scopes: readonly string[]): string {
    const hidden = [...query].map(([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`).join('')
    const button = (choice: string) => `<button name="emulator_consent" value="${choice}">${choice}</button>`
    return `<!DOCTYPE html><title>Sign in</title><p>${escape(client.id)} wants ${escape(scopes.join(', '))}</p><form method="post" action="/o/oauth2/v2/auth">${hidden}${button('approve')}${button('deny')}</form>`
  }
}
