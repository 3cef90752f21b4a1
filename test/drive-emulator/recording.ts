import type { CallKind } from './call.ts'

export interface RecordedRequest {
  kind: CallKind
  method: string
  path: string
  /** Without anything secret. */
  query: Record<string, string>
  userAgent: string | undefined
  /** The header Accept-Encoding. */
  encoding: string
  /** 0 when no answer was sent. */
  status: number
  requestBytes: number
  responseBytes: number
  /** The fault that was in the way, if any. */
  fault?: string
}

const SECRET = new Set([
  'access_token',
  'token',
  'refresh_token',
  'code',
  'state',
  'code_challenge',
  'client_secret',
  'assertion',
  'upload_id',
  'key',
])

export const withoutSecrets = (query: URLSearchParams): Record<string, string> =>
  Object.fromEntries([...query].filter(([name]) => !SECRET.has(name)))

export class Recording {
  requests: RecordedRequest[] = []

  add(request: RecordedRequest): void {
    this.requests.push(request)
  }

  /** How many requests of each kind. */
  get counts(): Partial<Record<CallKind, number>> {
    const counts: Partial<Record<CallKind, number>> = {}
    for (const { kind } of this.requests) counts[kind] = (counts[kind] ?? 0) + 1
    return counts
  }

  reset(): void {
    this.requests = []
  }
}
