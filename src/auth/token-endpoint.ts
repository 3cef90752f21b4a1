import { AppError } from '../util/errors.ts'
import { isRecord } from '../util/json-fields.ts'
import type { AuthContext } from './context.ts'
import { formBody, requestJson, textOf, type JsonResponse } from './request.ts'

export interface TokenAnswer {
  accessToken: string
  /** ms since 1970; in the past for a token that has ended already. */
  expiresAt: number
  /** Granted scopes, separated by spaces; undefined when they are those that were asked for. */
  scope?: string
  refreshToken?: string
  /** When the login itself ends, ms since 1970. Google states it if that is soon, as for a client in "testing". */
  loginEndsAt?: number
}

/** Texts about the credentials of a request, for the message of a refusal. */
export interface RefusalTexts {
  /** `the saved login of a@b` */
  subject: string
  /** How to fix a refusal. */
  cure: string
}

/** Google says 3600 s. No token is kept longer than a day, whatever the answer says. */
const LONGEST_LIFE_S = 86_400
const LONGEST_LOGIN_S = 400 * 86_400

/**
 * One call of the token endpoint, repeated while it has trouble. Errors: `unauthenticated` when Google refuses the
 * credentials, `unavailable`, `interrupted`. No error contains any of `fields`.
 */
export function callTokenEndpoint(
  context: AuthContext,
  fields: Record<string, string>,
  texts: RefusalTexts,
  signal?: AbortSignal,
): Promise<TokenAnswer> {
  const service = "Google's token endpoint"
  return context.patience.persist(signal, async () => {
    const answer = await requestJson(context.fetch, context.endpoints.token, {
      service: service,
      ...formBody(fields),
      ...(signal === undefined ? {} : { signal }),
    })
    if (answer.status === 200) return readTokenAnswer(answer.json, service, context.now())
    if (answer.status >= 400 && answer.status < 500 && answer.status !== 429 && answer.status !== 408)
      throw refusal(answer, texts, Object.values(fields))
    throw new AppError('unavailable', `${service} failed with status ${answer.status}.`, {
      hint: 'Wait a minute and run the same command again.',
      repeat: 'if-answered',
    })
  })
}

/** The checked fields of a token answer. Metadata servers answer in the same form as Google's endpoint. */
export function readTokenAnswer(json: Record<string, unknown>, service: string, now: number): TokenAnswer {
  const accessToken = textOf(json.access_token)
  const life = json.expires_in
  if (accessToken === undefined || !/^[\x21-\x7e]+$/.test(accessToken) || typeof life !== 'number' || !Number.isFinite(life))
    throw new AppError('unavailable', `${service} answered without a token.`, {
      hint: 'A proxy or a login page may have answered instead: check the network and HTTPS_PROXY.',
    })
  const answer: TokenAnswer = { accessToken, expiresAt: now + Math.min(life, LONGEST_LIFE_S) * 1000 }
  // only an absent scope means that all was granted which was asked for (RFC 6749, 5.1)
  if (typeof json.scope === 'string') answer.scope = json.scope
  const refreshToken = textOf(json.refresh_token)
  if (refreshToken !== undefined) answer.refreshToken = refreshToken
  const ends = json.refresh_token_expires_in
  if (typeof ends === 'number' && ends > 0 && ends < LONGEST_LOGIN_S) answer.loginEndsAt = now + ends * 1000
  return answer
}

/** Revokes a token. A token that Google does not know counts as revoked. */
export async function revokeToken(context: AuthContext, token: string, signal?: AbortSignal): Promise<void> {
  const service = "Google's revocation endpoint"
  const { status, json } = await requestJson(context.fetch, context.endpoints.revoke, {
    service: service,
    ...formBody({ token }),
    ...(signal === undefined ? {} : { signal }),
  })
  if (status === 200 || (status === 400 && json.error === 'invalid_token')) return
  throw new AppError('unavailable', `${service} failed with status ${status}.`, { hint: 'Wait a minute and run the same command again.' })
}

const CLIENT_ERRORS = new Set(['invalid_client', 'unauthorized_client', 'deleted_client', 'disabled_client', 'org_internal'])

function refusal({ status, json }: JsonResponse, texts: RefusalTexts, secrets: string[]): AppError {
  const error = typeof json.error === 'string' && /^[a-z_]{1,40}$/.test(json.error) ? json.error : `status ${status}`
  const said = isRecord(json.error) ? json.error.message : json.error_description
  const why = typeof said === 'string' && said !== '' ? `${error}, ${withoutSecrets(said, secrets)}` : error
  if (CLIENT_ERRORS.has(error) || (error === 'invalid_request' && /client_secret/.test(why)))
    return new AppError('unauthenticated', `Google refuses the OAuth client of ${texts.subject}: ${why}.`, {
      hint: 'Check the client id and secret (GOOGLE_CLIENT_ID, GOOGLE_CLIENT_SECRET or --client-secret-file); `colab-escape auth setup` shows how to make one.',
    })
  return new AppError('unauthenticated', `Google refuses ${texts.subject}: ${why}.`, { hint: texts.cure })
}

function withoutSecrets(text: string, secrets: string[]): string {
  const clean = secrets.filter(secret => secret.length >= 8).reduce((rest, secret) => rest.replaceAll(secret, '[secret]'), text)
  return clean.slice(0, 200).replace(/\.$/, '')
}
