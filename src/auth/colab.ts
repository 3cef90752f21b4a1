import { AppError, isAppError } from '../util/errors.ts'
import type { AuthContext } from './context.ts'
import { requestJson } from './request.ts'
import { readTokenAnswer, type TokenAnswer } from './token-endpoint.ts'
import { CachedTokenSource } from './token-source.ts'

const METADATA_SERVER = 'metadata.google.internal'
const PATH = '/computeMetadata/v1/instance/service-accounts/default/token'
/** Both services run on this machine or in its network. */
const TIMEOUT_MS = 10_000
export const COLAB_CELL = 'from google.colab import auth; auth.authenticate_user()'

/**
 * The credentials of the user of a Colab notebook. Colab's broker (`host:port`) or its metadata server provides them
 * once the user agrees in a cell. Which of the two does is not documented, so a no of one is not the last word.
 */
export function colabSource(broker: string, context: AuthContext): CachedTokenSource {
  return new CachedTokenSource(
    "Colab's credentials",
    async ({ signal, refuse }) => {
      const { accessToken, expiresAt, scope } = await askBoth(broker, refuse, context, signal)
      return { token: accessToken, expiresAt, ...(scope === undefined ? {} : { scope }) }
    },
    context.now,
  )
}

/** The first answer with a token other than `refuse`. Before the user agrees, that is the error, whichever says so. */
async function askBoth(broker: string, refuse: string | undefined, context: AuthContext, signal: AbortSignal): Promise<TokenAnswer> {
  const errors: AppError[] = []
  for (const host of [broker, METADATA_SERVER]) {
    try {
      const answer = await ask(host, context, signal)
      if (answer.accessToken !== refuse) return answer
      errors.push(refused())
    } catch (error) {
      if (!isAppError(error, 'unavailable', 'unauthenticated')) throw error
      errors.push(error)
    }
  }
  throw errors.find(({ code }) => code === 'unauthenticated') ?? errors[0]!
}

/** Colab renews a token only while the notebook's tab is open. */
const RENEW = `Keep the notebook's tab open, run this in a cell, then the same command again: ${COLAB_CELL}`

const refused = (): AppError =>
  new AppError('unauthenticated', "Google refuses the token of Colab's credentials, and Colab has no other.", { hint: RENEW })

const ended = (): AppError =>
  new AppError('unauthenticated', "The token of Colab's credentials has ended, and Colab has not renewed it.", { hint: RENEW })

async function ask(host: string, { fetch, now }: AuthContext, signal: AbortSignal): Promise<TokenAnswer> {
  const service = `Colab's credentials broker (${host})`
  const headers = { 'metadata-flavor': 'Google' }
  const { status, json } = await requestJson(fetch, `http://${host}${PATH}`, { service: service, headers, signal, timeoutMs: TIMEOUT_MS })
  if (status === 200) {
    const answer = readTokenAnswer(json, service, now())
    if (answer.expiresAt <= now()) throw ended()
    return answer
  }
  if (status === 404)
    throw new AppError('unauthenticated', 'This notebook has no credentials yet.', { hint: `Run this in a cell first: ${COLAB_CELL}` })
  throw new AppError('unavailable', `${service} failed with status ${status}.`, {
    hint: `Run this in a cell, then the same command again: ${COLAB_CELL}`,
    repeat: 'if-answered',
  })
}
