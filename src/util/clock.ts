import { randomBytes } from 'node:crypto'

/** Time and randomness are passed in, so that tests can control them. */
export interface Surroundings {
  /**
   * ms since 1970 by this machine's clock. Use it only for events on this machine. Times of a store come from the
   * store.
   */
  now: () => number
  /** Monotonic ms. */
  monotonic: () => number
  random: (bytes: number) => Uint8Array
}

export const realSurroundings: Surroundings = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  random: bytes => randomBytes(bytes),
}
