import { setTimeout as wait } from 'node:timers/promises'
import { realSurroundings } from '../util/clock.ts'
import { throwIfAborted } from '../util/errors.ts'
import { googleEndpoints, type GoogleEndpoints } from './endpoints.ts'

/** What authentication needs of the world around it. */
export interface AuthContext {
  fetch: typeof fetch
  endpoints: GoogleEndpoints
  /** ms since 1970 */
  now: () => number
  random: (bytes: number) => Uint8Array
  /** Rejects with `interrupted` when the signal is aborted. */
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>
}

export function realAuthContext(fetchThrough: typeof fetch, endpointOverride?: string): AuthContext {
  const { now, random } = realSurroundings
  return { fetch: fetchThrough, endpoints: googleEndpoints(endpointOverride), now, random, sleep }
}

async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, signal === undefined ? {} : { signal })
  } catch (error) {
    throwIfAborted(signal)
    throw error
  }
}
