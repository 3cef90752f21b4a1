import { setImmediate as nextTurn } from 'node:timers/promises'

/** Longest stretch (ms) of synchronous work before signals, timers and the screen get their turn. */
const STRETCH_MS = 25

/**
 * For loops of synchronous calls: `breathe` lets the event loop run once the last turn is long enough ago. `isDue`
 * costs next to nothing.
 */
export class Breather {
  private last = performance.now()

  /** True when a turn is due. `if (turns.isDue()) await turns.breathe()` saves the promise where it is not. */
  isDue(): boolean {
    return performance.now() - this.last > STRETCH_MS
  }

  async breathe(): Promise<void> {
    await nextTurn()
    this.last = performance.now()
  }
}
