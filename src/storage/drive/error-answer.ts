import { isRecord } from '../../util/json-fields.ts'

/** The relevant parts of an error response of Google's APIs. */
export interface ErrorAnswer {
  status: number
  /**
   * All that it names as its cause. Its form is `{error: {code, message, errors: [{reason}]}}`, or `{error: {code,
   * message, status, details: [{reason}]}}` (google.rpc.Status and ErrorInfo, google.aip.dev/193), or a mix of both.
   */
  reasons: readonly string[]
  message: string
  retryAfterMs: number | undefined
  /** Whether it has one of these forms. Otherwise Google's front end, or something between us and Drive, gave it. */
  isDrives: boolean
}

const MAX_RETRY_AFTER_MS = 24 * 3_600_000
/** Characters of a message that are shown. */
const LONGEST_TEXT = 1000

export function readErrorAnswer(response: Pick<Response, 'status' | 'headers'>, text: string, now: number): ErrorAnswer {
  const { status, headers } = response
  const error = errorIn(text)
  const { message } = error ?? {}
  const details = recordsIn(error?.details)
  return {
    status,
    reasons: [...recordsIn(error?.errors), ...details]
      .map(({ reason }) => reason)
      .concat(error?.status)
      .filter(reason => typeof reason === 'string')
      .map(reason => reason.slice(0, LONGEST_TEXT)),
    message: typeof message === 'string' && message !== '' ? message.slice(0, LONGEST_TEXT) : `HTTP ${status}`,
    retryAfterMs: retryAfter(headers.get('retry-after'), now) ?? retryDelayIn(details),
    isDrives: error !== undefined,
  }
}

function errorIn(text: string): Record<string, unknown> | undefined {
  try {
    const answer = JSON.parse(text) as unknown
    return isRecord(answer) && isRecord(answer.error) ? answer.error : undefined
  } catch {
    return undefined // HTML of a proxy or a load balancer
  }
}

const recordsIn = (value: unknown): Record<string, unknown>[] => (Array.isArray(value) ? value.filter(isRecord) : [])

/** Value in seconds, or an HTTP date. */
function retryAfter(header: string | null, now: number): number | undefined {
  if (header === null) return undefined
  return withinLimits(/^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - now)
}

/** `retryDelay: "30s"` of a google.rpc.RetryInfo. */
function retryDelayIn(details: readonly Record<string, unknown>[]): number | undefined {
  const delay = details.map(({ retryDelay }) => retryDelay).find(value => typeof value === 'string')
  const seconds = /^(\d+(?:\.\d+)?)s$/.exec(delay ?? '')?.[1]
  return seconds === undefined ? undefined : withinLimits(Number(seconds) * 1000)
}

function withinLimits(ms: number): number | undefined {
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), MAX_RETRY_AFTER_MS) : undefined
}
