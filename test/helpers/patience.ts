import { Patience, type PatienceOptions } from '../../src/util/patience.ts'

/** Its waits take no time: only its own clock moves on. Calls `pass` with each. */
export function timelessPatience(pass: (ms: number) => void = () => undefined, more: Partial<PatienceOptions> = {}): Patience {
  let waited = 0
  const sleep = async (ms: number): Promise<void> => {
    waited += ms
    pass(ms)
  }
  return new Patience({ sleep, random: Math.random, now: () => performance.now() + waited, ...more })
}
