import { seededRandom } from '../helpers/seeded.ts'

/** Time and chance come in from outside, so that lag and latency can be virtual or real. */
export interface Surroundings {
  /** ms since 1970; also what the `Date` header says. */
  now: () => number
  sleep: (ms: number) => Promise<void>
  /** In [0, 1). */
  random: () => number
}

export function realSurroundings(seed = 1): Surroundings {
  return {
    now: () => Date.now(),
    sleep: ms => new Promise(resolve => setTimeout(resolve, ms)),
    random: seededRandom(seed),
  }
}

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-'

export function randomText(random: () => number, length: number): string {
  let text = ''
  for (let i = 0; i < length; i++) text += ALPHABET.charAt(Math.floor(random() * ALPHABET.length))
  return text
}
