import type { Level } from '../../compression/limits.ts'
import { LoadOfOthers } from '../../util/load-of-others.ts'

/** What a push waits for at the moment when a block can be encoded. */
export interface Waiting {
  /** Bytes of packs that are being uploaded, and the most that may be. */
  inFlight: number
  most: number
  /** Bytes of packs that were uploaded, and the seconds in which at least one upload was under way. */
  uploaded: number
  seconds: number
  /** Blocks that are being encoded, and threads that encode. */
  encoding: number
  threads: number
}

/** Chooses the level of a block when it is about to be encoded. */
export type LevelRule = (waiting: Waiting) => Level

/** Others may use so much of the processors: a desktop that idles, not a training. */
const OTHERS_AT_MOST = 1 / 4
/** The link waits for nobody if this share of what may be in flight is: the next packs have no place. */
const NEARLY_FULL = 3 / 4
/** ... or if it has so much to send that it takes longer than Drive takes to answer. */
const LONG_SECONDS = 3

/** The rule of one push. */
export function autoLevel(): LevelRule {
  const others = new LoadOfOthers()
  return waiting => levelFor(waiting, others.now())
}

/**
 * The level of the next block, by what the push waits for and by the share of the processors that other programs use
 * (undefined: not known). `high` takes several times as long, so it is for blocks that
 * nobody waits for: the link has enough to do, a thread is free, and the processors are idle. Each block is asked about
 * anew: if the blocks take too long, less is in flight, and the next ones are `balanced`.
 */
export function levelFor({ inFlight, most, uploaded, seconds, encoding, threads }: Waiting, others: number | undefined): Level {
  if (others === undefined || others > OTHERS_AT_MOST || encoding >= threads) return 'balanced'
  // as if all that is in flight were sent at this moment: a link is rather taken for faster than it is
  const secondsToSend = inFlight === 0 ? 0 : (inFlight * seconds) / (uploaded + inFlight)
  return inFlight >= NEARLY_FULL * most || secondsToSend >= LONG_SECONDS ? 'high' : 'balanced'
}
