import { randomBytes } from 'node:crypto'

/** Time and chance come in from outside, so that tests own them. */
export interface Surroundings {
  /** ms since 1970 by this machine's clock: for what happens on this machine only; a store's times come from the store. */
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
