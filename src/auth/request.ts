import { AppError, isAppError, messageOf, throwIfAborted } from '../util/errors.ts'
import { isRecord } from '../util/json-fields.ts'

/** Answers are a few hundred bytes. A longer one does not come from Google. */
const LARGEST_ANSWER = 256 * 1024
const TIMEOUT_MS = 30_000

export interface JsonResponse {
  status: number
  /** The body as JSON if it is an object, else an empty one. */
  json: Record<string, unknown>
}

export interface RequestOptions extends RequestInit {
  /** The service, for messages: `Google's token endpoint`. */
  service: string
  timeoutMs?: number
}

/**
 * One request with a small JSON answer, whatever its status. Refuses redirects, because the content is for this address
 * only. Errors: `unavailable` when there is no answer or it is too long; `interrupted`.
 */
export async function requestJson(doFetch: typeof fetch, url: string, options: RequestOptions): Promise<JsonResponse> {
  const { service, timeoutMs = TIMEOUT_MS, signal, ...init } = options
  const outer = signal ?? undefined
  throwIfAborted(outer)
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const response = await doFetch(url, {
      ...init,
      redirect: 'error',
      signal: outer === undefined ? timeout : AbortSignal.any([outer, timeout]),
    })
    return { status: response.status, json: parseObject(await readText(response)) }
  } catch (error) {
    throwIfAborted(outer)
    if (isAppError(error)) throw error
    const why = timeout.aborted ? `no answer within ${timeoutMs / 1000} s` : reasonOf(error)
    throw new AppError('unavailable', `${service} can't be reached: ${why}.`, {
      hint: 'Check the network (and HTTPS_PROXY, if you need a proxy), and run the same command again.',
      repeat: 'if-answered',
      cause: error,
    })
  }
}

/** The value as a form, as OAuth requires. */
export function formBody(fields: Record<string, string>): RequestInit {
  return {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
    body: new URLSearchParams(fields).toString(),
  }
}

async function readText(response: Response): Promise<string> {
  if (response.body === null) return ''
  const pieces: Uint8Array[] = []
  let length = 0
  for await (const piece of response.body as unknown as AsyncIterable<Uint8Array>) {
    length += piece.length
    if (length > LARGEST_ANSWER) throw new Error(`its answer is longer than ${LARGEST_ANSWER} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

export function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : {}
  } catch {
    return {}
  }
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

/** fetch only says "fetch failed". The reason is in the cause. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const code = cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
  const message = messageOf(cause).trim()
  if (message === 'unexpected redirect') return 'something leads to another address, perhaps the login page of a network'
  return message === '' ? (code ?? 'the connection failed') : message
}
