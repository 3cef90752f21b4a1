import { realSurroundings } from '../util/clock.ts'
import { sleep, type Sleep } from '../util/waiting.ts'
import { googleEndpoints, type GoogleEndpoints } from './endpoints.ts'

/** The environment of authentication. */
export interface AuthContext {
  fetch: typeof fetch
  endpoints: GoogleEndpoints
  /** ms since 1970 */
  now: () => number
  random: (bytes: number) => Uint8Array
  sleep: Sleep
}

export function realAuthContext(fetchThrough: typeof fetch, endpointOverride?: string): AuthContext {
  const { now, random } = realSurroundings
  return { fetch: fetchThrough, endpoints: googleEndpoints(endpointOverride), now, random, sleep }
}
