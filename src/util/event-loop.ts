import { setImmediate as nextTurn } from 'node:timers/promises'

/** Longest time (ms) of synchronous work before signals, timers and the screen are handled. */
const STRETCH_MS = 25

/**
 * For loops of synchronous calls: `breathe` lets the event loop run if enough time has passed. `isDue` costs next to
 * nothing.
 */
export class Breather {
  private last = performance.now()

  /**
   * True when `breathe` would let the event loop run. `if (turns.isDue()) await turns.breathe()` avoids a promise in
   * all other cases.
   */
  isDue(): boolean {
    return performance.now() - this.last > STRETCH_MS
  }

  async breathe(): Promise<void> {
    await nextTurn()
    this.last = performance.now()
  }
}
