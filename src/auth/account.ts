import { AppError } from '../util/errors.ts'
import { isRecord } from '../util/json-fields.ts'
import type { AuthContext } from './context.ts'
import { requestJson, textOf, type JsonResponse } from './request.ts'
import type { TokenSource } from './token-source.ts'

export interface Account {
  email: string
  name: string | undefined
  /** Bytes used by Drive, mail and photos together. */
  used: number
  /** Bytes; undefined where there is no limit. */
  limit: number | undefined
}

const FIELDS = 'user(displayName,emailAddress),storageQuota(limit,usage)'
export const DRIVE_API_PAGE = 'https://console.cloud.google.com/apis/library/drive.googleapis.com'

/**
 * The account of a Drive and its quota. Errors: `unauthenticated`, `denied` (the Drive API is not enabled in the
 * client's project), `unavailable`, `interrupted`.
 */
export async function readAccount({ fetch, endpoints }: AuthContext, source: TokenSource, signal?: AbortSignal): Promise<Account> {
  const url = `${endpoints.api}/drive/v3/about?fields=${encodeURIComponent(FIELDS)}`
  const aborting = signal === undefined ? {} : { signal }
  const ask = (token: string): Promise<JsonResponse> =>
    requestJson(fetch, url, { service: 'Google Drive', headers: { authorization: `Bearer ${token}` }, ...aborting })
  const token = await source.getToken(aborting)
  const first = await ask(token)
  const answer = first.status === 401 ? await ask(await source.getToken({ refuse: token, ...aborting })) : first
  if (answer.status !== 200) throw problem(answer, source)
  const { user, storageQuota: quota } = answer.json
  const email = isRecord(user) ? textOf(user.emailAddress) : undefined
  const used = isRecord(quota) ? bytes(quota.usage) : undefined
  if (!isRecord(user) || !isRecord(quota) || email === undefined || used === undefined)
    throw new AppError('unavailable', 'Google Drive answered without an account.', {
      hint: 'Is there a proxy or a login page in between? Check the network and run the same command again.',
    })
  return { email, name: textOf(user.displayName), used, limit: bytes(quota.limit) }
}

/** Free bytes; undefined where there is no limit. A Drive may be over its limit. */
export function freeOf({ used, limit }: Account): number | undefined {
  return limit === undefined ? undefined : Math.max(0, limit - used)
}

/** Drive sends 64-bit numbers as strings. */
function bytes(value: unknown): number | undefined {
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : undefined
}

function problem({ status, json }: JsonResponse, { description }: TokenSource): AppError {
  const error = isRecord(json.error) ? json.error : {}
  const first: unknown = Array.isArray(error.errors) ? error.errors[0] : undefined
  const reason = isRecord(first) ? textOf(first.reason) : undefined
  if (status === 403 && reason === 'accessNotConfigured')
    return new AppError('denied', "The Drive API is not enabled in the OAuth client's project.", {
      hint: `Enable it at ${DRIVE_API_PAGE} (the same project), wait a minute, and run the same command again.`,
    })
  if (status === 401 || (status === 403 && reason === 'insufficientPermissions'))
    return new AppError('unauthenticated', `The ${description} ${status === 401 ? 'is refused' : 'has no access to Drive'}.`, {
      hint: 'Run `colab-escape auth login` and leave the box for Google Drive ticked.',
    })
  return new AppError('unavailable', `Google Drive answered with status ${status}${reason === undefined ? '' : ` (${reason})`}.`, {
    hint: 'Wait a minute and run the same command again.',
  })
}
