import { createHash } from 'node:crypto'
import { AppError } from '../util/errors.ts'
import type { AuthContext } from './context.ts'
import { SCOPES, type OAuthClient, type ScopeName } from './credentials.ts'
import { toAccess } from './sources.ts'
import { callTokenEndpoint } from './token-endpoint.ts'
import type { SavedLogin } from './token-file.ts'

/** One login attempt: the address to open, and what the answer must match. */
export interface Authorization {
  /** The consent page. */
  url: string
  redirectUri: string
  /** Google returns it with the answer. An answer with another state belongs to another login. */
  state: string
  /** PKCE (RFC 7636): the code can be exchanged only with this secret. */
  verifier: string
  client: OAuthClient
  scope: ScopeName
}

/** Starts a login. `redirectUri` is a loopback address. */
export function beginAuthorization(client: OAuthClient, scope: ScopeName, redirectUri: string, context: AuthContext): Authorization {
  const state = base64url(context.random(24))
  const verifier = base64url(context.random(48))
  const query = new URLSearchParams({
    client_id: client.id,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope: SCOPES[scope].url,
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    // with these two, Google gives a refresh token at each login, not only at the first
    access_type: 'offline',
    prompt: 'consent',
  })
  return { url: `${context.endpoints.auth}?${query.toString()}`, redirectUri, state, verifier, client, scope }
}

/** The answer that the browser brings back. */
export type BrowserAnswer = { kind: 'code'; code: string } | { kind: 'refusal'; error: AppError }

/** Reads the answer from the query of the redirect address. Undefined when it does not belong to this login. */
export function readAnswer(query: URLSearchParams, { state }: Authorization): BrowserAnswer | undefined {
  if (query.get('state') !== state) return undefined
  const error = query.get('error')
  if (error !== null) return { kind: 'refusal', error: refusedInBrowser(error) }
  const code = query.get('code') ?? ''
  return code === '' ? undefined : { kind: 'code', code }
}

function refusedInBrowser(error: string): AppError {
  if (error === 'access_denied')
    return new AppError('unauthenticated', 'Access was denied in the browser.', {
      hint: 'Log in again and allow it. While the OAuth client is in "testing", only its test users may: publish it.',
    })
  if (error === 'admin_policy_enforced')
    return new AppError('unauthenticated', 'Your organisation lets only programs into Drive that its administrator has approved.', {
      hint: 'Ask the administrator to approve the id of your OAuth client, or log in with another account.',
    })
  if (error === 'org_internal')
    return new AppError('unauthenticated', 'The OAuth client is for the accounts of its own organisation only.', {
      hint: 'Log in with such an account, or set its audience to "External": https://console.cloud.google.com/auth/audience',
    })
  const why = /^[a-z_]{1,40}$/.test(error) ? error : 'an unknown error'
  return new AppError('unauthenticated', `Google refused the login: ${why}.`, {
    hint: 'Check the OAuth client: `colab-escape auth setup` shows how to make one.',
  })
}

/**
 * The code in the pasted text, which is the whole address of the page or the code alone. Errors: `usage`;
 * `unauthenticated` when the user or Google refused.
 */
export function readPasted(text: string, authorization: Authorization): string {
  const pasted = text.trim()
  if (!/[?&=]|:\/\//.test(pasted) && /^[\w./~%-]{8,}$/.test(pasted)) return pasted.includes('%') ? decodeCode(pasted) : pasted
  const query = new URLSearchParams(pasted.replace(/^[^?]*\?/, '').replace(/#.*$/, ''))
  const answer = readAnswer(query, authorization)
  if (answer?.kind === 'refusal') throw answer.error
  if (answer?.kind === 'code') return answer.code
  throw new AppError(
    'usage',
    query.has('state') ? 'That address belongs to another login.' : 'That is not the address of the page you were sent to.',
    {
      hint: 'Log in again, open the new address, and paste the whole address of the page that cannot be opened (http://127.0.0.1:.../?state=...).',
    },
  )
}

/** Exchanges the code for tokens. Errors: `unauthenticated`, also when the user did not tick Drive; `unavailable`. */
export async function finishAuthorization(
  { redirectUri, verifier, client, scope }: Authorization,
  code: string,
  context: AuthContext,
  signal?: AbortSignal,
): Promise<SavedLogin> {
  const fields = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirectUri,
    code_verifier: verifier,
    client_id: client.id,
    ...(client.secret === undefined ? {} : { client_secret: client.secret }),
  }
  const texts = {
    subject: 'the code of this login',
    cure: 'A code works once and for a few minutes: log in again.',
  }
  const answer = await callTokenEndpoint(context, fields, texts, signal)
  const granted = answer.scope ?? SCOPES[scope].url
  if (!granted.split(' ').includes(SCOPES[scope].url))
    throw new AppError('unauthenticated', 'The login was allowed, but without access to Google Drive.', {
      hint: 'Log in again and tick the box for Google Drive.',
    })
  if (answer.refreshToken === undefined)
    throw new AppError('unauthenticated', 'Google gave no refresh token, so the login would end within the hour.', {
      hint: 'Remove your client at https://myaccount.google.com/connections and log in again.',
    })
  return {
    type: 'user',
    client,
    refreshToken: answer.refreshToken,
    scope: granted,
    account: undefined,
    endsAt: answer.loginEndsAt,
    access: toAccess(answer, granted),
  }
}

function decodeCode(code: string): string {
  try {
    return decodeURIComponent(code)
  } catch {
    return code
  }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}
