import { randomBytes } from 'node:crypto'

/** Time and chance come in from outside, so that tests own them. */
export interface Surroundings {
  /**
   * ms since 1970 by this machine's clock. Use it for events on this machine only; times of a store come from the
   * store.
   */
  now: () => number
  /** ms that only ever grow. */
  monotonic: () => number
  random: (bytes: number) => Uint8Array
}

export const realSurroundings: Surroundings = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  random: bytes => randomBytes(bytes),
}
