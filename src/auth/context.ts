import { realSurroundings } from '../util/clock.ts'
import type { Patience } from '../util/patience.ts'
import { googleEndpoints, type GoogleEndpoints } from './endpoints.ts'

/** The environment of authentication. */
export interface AuthContext {
  fetch: typeof fetch
  endpoints: GoogleEndpoints
  /** ms since 1970 */
  now: () => number
  random: (bytes: number) => Uint8Array
  patience: Patience
}

export function realAuthContext(fetchThrough: typeof fetch, patience: Patience, endpointOverride?: string): AuthContext {
  const { now, random } = realSurroundings
  return { fetch: fetchThrough, endpoints: googleEndpoints(endpointOverride), now, random, patience }
}
