import { waitOrAbort } from '../../../src/util/waiting.ts'
import type { Sleep } from '../../../src/util/waiting.ts'

interface Timer {
  at: number
  wake: () => void
}

/**
 * Turns of the event loop without any new timer or file access, after which this thread is taken to have nothing left
 * to do.
 */
const IDLE_TURNS = 12

/** Of `quietMs`, the share of processor time that still counts as idle. */
const IDLE_LOAD = 0.2

/**
 * A clock that stands still while the program works and jumps to the next timer when it only waits. Minutes of modelled
 * waiting take no time, and the clock shows the modelled waiting along the critical path.
 *
 * It notices work in this thread and file system calls. It notices work in other threads (workers, zlib, crypto) only
 * with `quietMs` (10 is good): each jump then also waits for that many real ms in which the whole process used next to
 * no processor time. If the clock jumps during such work, whatever follows the work begins too late. So times and
 * chains may come out too long, never too short.
 */
export class VirtualClock {
  private time: number
  private readonly quietMs: number
  private readonly timers = new Set<Timer>()
  private registered = 0
  private running = false

  /** `start`: ms since 1970. */
  constructor(options: { start?: number; quietMs?: number } = {}) {
    this.time = options.start ?? Date.UTC(2026, 0, 1)
    this.quietMs = options.quietMs ?? 0
  }

  readonly now = (): number => this.time

  readonly sleep: Sleep = (ms, signal) =>
    waitOrAbort(signal, wake => {
      const timer = { at: this.time + Math.max(0, ms), wake }
      this.timers.add(timer)
      this.registered++
      if (!this.running) void this.run()
      return () => this.timers.delete(timer)
    })

  private async run(): Promise<void> {
    this.running = true
    while (this.timers.size > 0) {
      await this.untilIdle()
      const next = Math.min(...[...this.timers].map(({ at }) => at))
      if (next === Infinity) continue
      this.time = next
      for (const timer of this.timers) {
        if (timer.at > next) continue
        this.timers.delete(timer)
        timer.wake()
      }
    }
    this.running = false
  }

  private async untilIdle(): Promise<void> {
    do {
      let registered = this.registered
      for (let turn = 0; turn < IDLE_TURNS; turn++) {
        await new Promise(resolve => setImmediate(resolve))
        if (registered === this.registered && !filesInUse()) continue
        registered = this.registered
        turn = 0
      }
    } while (this.quietMs > 0 && !(await this.quiet()))
  }

  private async quiet(): Promise<boolean> {
    const registered = this.registered
    const before = process.cpuUsage()
    await new Promise(resolve => setTimeout(resolve, this.quietMs))
    const { user, system } = process.cpuUsage(before)
    return registered === this.registered && !filesInUse() && user + system < this.quietMs * 1000 * IDLE_LOAD
  }
}

function filesInUse(): boolean {
  return process.getActiveResourcesInfo().some(resource => resource.startsWith('FSReq') || resource === 'CloseReq')
}
