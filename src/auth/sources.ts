import { AppError, isAppError } from '../util/errors.ts'
import type { AuthContext } from './context.ts'
import { shortScope, type UserCredentials } from './credentials.ts'
import { callTokenEndpoint, type RefusalTexts, type TokenAnswer } from './token-endpoint.ts'
import { keepAccess, readLogin, type SavedLogin } from './token-file.ts'
import { CachedTokenSource, MARGIN_MS, type AccessToken } from './token-source.ts'

const WHY_LOGINS_END =
  'A login ends when it is revoked, when it is not used for six months, and after 7 days while its OAuth client is in "testing": publish the client (`colab-escape auth setup`).'

/** A plain access token. It can't be renewed, and its scope and end are unknown. */
export function tokenSource(token: string, now: () => number): CachedTokenSource {
  if (!/^[\x21-\x7e]+$/.test(token))
    throw new AppError('unauthenticated', 'The given access token is not valid: it holds spaces or other characters that no token has.', {
      hint: 'Set COLAB_ESCAPE_TOKEN (or --token) to an access token and nothing else, or unset it.',
    })
  return new CachedTokenSource(
    'given access token',
    async ({ refuse }) => {
      if (refuse !== token) return { token, expiresAt: Infinity }
      throw new AppError('unauthenticated', 'Google refuses the given access token (COLAB_ESCAPE_TOKEN or --token).', {
        hint: 'Such tokens live for about an hour: give a new one, or unset it and run `colab-escape auth login`.',
      })
    },
    now,
  )
}

/** Credentials of a user from outside, such as those in COLAB_ESCAPE_CREDENTIALS (`where`). */
export function userSource(credentials: UserCredentials, where: string, context: AuthContext): CachedTokenSource {
  const texts = {
    subject: `the credentials in ${where}`,
    cure: `Run \`colab-escape auth login\` where there is a browser, and replace them by what \`colab-escape auth export\` prints there. ${WHY_LOGINS_END}`,
  }
  return new CachedTokenSource(
    `credentials in ${where}`,
    async ({ signal }) => toAccess(await refresh(credentials, texts, context, signal), undefined),
    context.now,
  )
}

/**
 * The saved login. Reads the file again whenever it needs a token: another process may have refreshed the login, logged
 * in or logged out.
 */
export function savedSource(login: SavedLogin, path: string, context: AuthContext): CachedTokenSource {
  return new CachedTokenSource(
    describeLogin(login),
    ({ signal, refuse }) => refreshSaved(path, login.account, refuse, context, signal),
    context.now,
  )
}

function describeLogin({ account, scope }: SavedLogin): string {
  return `saved login${account === undefined ? '' : ` of ${account}`} (${shortScope(scope) || 'no access to Drive'})`
}

async function refreshSaved(
  path: string,
  account: string | undefined,
  refuse: string | undefined,
  context: AuthContext,
  signal: AbortSignal,
): Promise<AccessToken> {
  const login = await readLogin(path)
  if (login === undefined)
    throw new AppError('unauthenticated', 'The saved login has been removed.', { hint: 'Run `colab-escape auth login`.' })
  if (login.account !== account)
    throw new AppError('unauthenticated', `The saved login is now that of ${login.account ?? 'another account'}.`, {
      hint: 'Somebody logged in meanwhile: run the same command again to continue with that account.',
    })
  const { access } = login
  if (access !== undefined && access.token !== refuse && access.expiresAt - MARGIN_MS > context.now()) return access
  const texts = { subject: `the ${describeLogin(login)}`, cure: `Run \`colab-escape auth login\` again. ${WHY_LOGINS_END}` }
  const answer = await refresh(login, texts, context, signal)
  const fresh = toAccess(answer, login.scope)
  const rotated = answer.refreshToken === undefined ? {} : { refreshToken: answer.refreshToken }
  await keepAccess(path, login, { access: fresh, ...rotated }).catch((error: unknown) => {
    // an access token works even if the disk is full or read-only; a new refresh token must be saved, because the old
    // one may be invalid
    if (answer.refreshToken !== undefined || !isAppError(error, 'io')) throw error
  })
  return fresh
}

function refresh(
  { client, refreshToken }: UserCredentials,
  texts: RefusalTexts,
  context: AuthContext,
  signal: AbortSignal,
): Promise<TokenAnswer> {
  const fields = {
    grant_type: 'refresh_token',
    client_id: client.id,
    ...(client.secret === undefined ? {} : { client_secret: client.secret }),
    refresh_token: refreshToken,
  }
  return callTokenEndpoint(context, fields, texts, signal)
}

export function toAccess({ accessToken, expiresAt, scope }: TokenAnswer, scopeBefore: string | undefined): AccessToken {
  const known = scope ?? scopeBefore
  return { token: accessToken, expiresAt, ...(known === undefined ? {} : { scope: known }) }
}
