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
 * The credentials of the user of a Colab notebook. Colab's broker (`host:port`) provides them once the user agrees in a
 * cell.
 */
export function colabSource(broker: string, context: AuthContext): CachedTokenSource {
  return new CachedTokenSource(
    "Colab's credentials",
    async ({ signal }) => {
      const { accessToken, expiresAt, scope } = await askEither(broker, context, signal)
      return { token: accessToken, expiresAt, ...(scope === undefined ? {} : { scope }) }
    },
    context.now,
  )
}

async function askEither(broker: string, context: AuthContext, signal: AbortSignal): Promise<TokenAnswer> {
  try {
    return await ask(broker, context, signal)
  } catch (error) {
    if (!isAppError(error, 'unavailable')) throw error
    return await ask(METADATA_SERVER, context, signal).catch((second: unknown) => {
      throw isAppError(second, 'unavailable') ? error : second
    })
  }
}

async function ask(host: string, { fetch, now }: AuthContext, signal: AbortSignal): Promise<TokenAnswer> {
  const service = `Colab's credentials broker (${host})`
  const headers = { 'metadata-flavor': 'Google' }
  const { status, json } = await requestJson(fetch, `http://${host}${PATH}`, { service: service, headers, signal, timeoutMs: TIMEOUT_MS })
  if (status === 200) return readTokenAnswer(json, service, now())
  if (status === 404)
    throw new AppError('unauthenticated', 'This notebook has no credentials yet.', { hint: `Run this in a cell first: ${COLAB_CELL}` })
  throw new AppError('unavailable', `${service} failed with status ${status}.`, {
    hint: `Run this in a cell, then the same command again: ${COLAB_CELL}`,
  })
}
