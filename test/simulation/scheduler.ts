import { AppError } from '../../src/util/errors.ts'
import type { Sleep } from '../../src/util/waiting.ts'

/** A machine as time sees it. */
export interface Sleeper {
  asleepUntil: number
  dead: boolean
  /** How long its monotonic clock stood still, ms. */
  slept: number
}

interface Event {
  at: number
  order: number
  /** Whose event it is: it waits while that machine sleeps, and never comes if it is dead. Undefined: the world's. */
  owner: Sleeper | undefined
  act: () => void
}

/** What a dead machine's program is told, so that it ends. */
const dead = (): AppError => new AppError('interrupted', 'This machine is dead.')

/**
 * Virtual time. One event happens at a time, and the next one only when the program has done all that it can do after
 * it. So the order of everything follows from the events alone.
 */
export class Scheduler {
  time: number
  private events: Event[] = []
  private order = 0
  private readonly rejections = new Map<Sleeper, Set<(error: Error) => void>>()

  constructor(start: number) {
    this.time = start
  }

  after(ms: number, owner: Sleeper | undefined, act: () => void): void {
    this.events.push({ at: this.time + Math.max(0, Math.round(ms)), order: this.order++, owner, act })
  }

  /** A promise that the program of `owner` waits for. It is rejected if that machine dies. */
  wait<T>(owner: Sleeper, begin: (resolve: (value: T) => void, reject: (error: Error) => void) => void): Promise<T> {
    if (owner.dead) return Promise.reject(dead())
    return new Promise<T>((resolve, reject) => {
      const waiting = this.rejections.get(owner) ?? new Set()
      this.rejections.set(owner, waiting)
      waiting.add(reject)
      const done = (): void => void waiting.delete(reject)
      begin(
        value => {
          done()
          resolve(value)
        },
        error => {
          done()
          reject(error)
        },
      )
    })
  }

  sleepOf(owner: Sleeper): Sleep {
    return ms => this.wait<void>(owner, resolve => this.after(ms, owner, resolve))
  }

  kill(owner: Sleeper): void {
    owner.dead = true
    for (const reject of this.rejections.get(owner) ?? []) reject(dead())
    this.rejections.delete(owner)
  }

  /** Lets the next event happen. False if there is none. */
  async step(): Promise<boolean> {
    await settled()
    for (;;) {
      this.events = this.events.filter(({ owner }) => owner?.dead !== true)
      let next: Event | undefined
      for (const event of this.events) if (!next || event.at < next.at || (event.at === next.at && event.order < next.order)) next = event
      if (!next) return false
      const { owner } = next
      if (owner && owner.asleepUntil > Math.max(this.time, next.at)) {
        next.at = owner.asleepUntil
        continue
      }
      this.events.splice(this.events.indexOf(next), 1)
      this.time = Math.max(this.time, next.at)
      next.act()
      return true
    }
  }
}

const isWork = (resource: string): boolean => resource === 'Immediate' || resource === 'CloseReq' || resource.startsWith('FSReq')

/** Resolves when the program can do nothing more before the next event. */
async function settled(): Promise<void> {
  do await new Promise(resolve => setImmediate(resolve))
  while (process.getActiveResourcesInfo().some(isWork))
}
