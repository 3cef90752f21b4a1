import { LISTING_LAG_MS } from '../../src/repository/format/limits.ts'
import { sha256Hex } from '../../src/util/hash.ts'

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE

/** One object; a name may be borne by several. Deleted ones are kept, because listings may still show them. */
export interface Copy {
  name: string
  /** The name that it was put under: people and programs rename objects. */
  born: string
  bytes: Uint8Array
  /** By the store's clock. */
  created: number
  deleted: number | undefined
  /** Whether a person has moved it to the trash. */
  trashed: boolean
}

/** A request of an actor to the world; a `put` also has its purpose. */
export type Call = 'list' | 'get' | 'remove' | 'wait' | 'trash' | `put ${(typeof PURPOSES)[number]}`
const PURPOSES = ['pack', 'index', 'snapshot', 'label', 'tomb', 'config'] as const

/** Something an actor waits for: first it takes effect on the world, then the actor hears of it. */
interface Pending {
  actor: Actor
  call: Call
  notBefore: number
  effect: (() => void) | undefined
  answer: () => void
}

/** Whoever runs a program. */
export interface Actor {
  name: string
  asleepUntil: number
  dead: boolean
  /** How much this machine's clock is wrong, and how long it stood still. */
  skew: number
  slept: number
  /** Where it is going to be stopped, once, before it hears of the answer; and for how long. */
  stop?: { at: Call; ms: number } | undefined
}

export const newActor = (name: string, skew: number): Actor => ({ name, asleepUntil: 0, dead: false, skew, slept: 0 })

/** A store as bad as the format allows for, and the time of everybody. All chance comes from one seed. */
export class World {
  readonly chance: () => number
  time = Date.UTC(2026, 10, 22)
  readonly copies: Copy[] = []
  readonly log: string[] = []
  /** How much the store's clock is wrong. */
  clock = 0
  /** Calls take effect at once, listings show the truth. */
  calm = true
  /** Whether listings may be behind the store, unless it is calm. */
  lags = true
  /** Whether listings show checksums. Then a name may be borne by several objects, as in Google Drive. */
  sums = false
  /** Whether puts may leave two objects of one name. */
  duplicates = false
  private pending: Pending[] = []
  /** Called after every step that may have broken a promise. */
  onEffect: (kind: 'put' | 'remove', name: string, actor: Actor, copies: readonly Copy[]) => void = () => undefined

  constructor(chance: () => number) {
    this.chance = chance
  }

  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.chance() * items.length)]!
  }

  happens(probability: number): boolean {
    return this.chance() < probability
  }

  note(actor: Actor, text: string): void {
    this.log.push(`${new Date(this.time).toISOString().slice(5, 19)} ${actor.name}: ${text}`)
  }

  /** The time by the store's clock. */
  get storeTime(): number {
    return this.time + this.clock
  }

  /** The copies of a name, in the order in which the store believes them. */
  living(name: string): Copy[] {
    const copies = this.copies.filter(copy => copy.name === name && copy.deleted === undefined && !copy.trashed)
    return copies.length > 1 ? copies.sort((a, b) => (this.isBefore(a, b) ? -1 : 1)) : copies
  }

  /** Whether the store rather believes the first of two copies: the one whose checksum is in the name, or the older. */
  isBefore(a: Copy, b: Copy): boolean {
    const isRight = ({ name, bytes }: Copy): boolean => name.includes(sumOf(bytes).slice(0, 16))
    if (this.sums && isRight(a) !== isRight(b)) return isRight(a)
    return a.created < b.created
  }

  /** Runs `effect` when its turn comes, and resolves or rejects with its result. */
  call<T>(actor: Actor, call: Call, effect: () => T, notBefore = 0): Promise<T> {
    if (this.calm) return Promise.resolve().then(effect)
    return new Promise((resolve, reject) => {
      let answer: () => void = () => undefined
      const run = (): void => {
        try {
          const value = effect()
          answer = () => resolve(value)
        } catch (error) {
          answer = () => reject(error instanceof Error ? error : new Error('no error was thrown', { cause: error }))
        }
      }
      this.pending.push({ actor, call, notBefore, effect: run, answer: () => answer() })
    })
  }

  wait(actor: Actor, ms: number): Promise<void> {
    return this.call(actor, 'wait', () => undefined, this.time + ms)
  }

  /** One step of one actor, chosen by chance. False if no actor has anything left to do. */
  step(): boolean {
    this.pending = this.pending.filter(({ actor, effect }) => !actor.dead || effect !== undefined)
    const isReady = ({ actor, notBefore, effect }: Pending): boolean =>
      notBefore <= this.time && (effect !== undefined ? notBefore === 0 || actor.asleepUntil <= this.time : actor.asleepUntil <= this.time)
    const ready = this.pending.filter(isReady)
    if (ready.length === 0) {
      const times = this.pending.flatMap(({ actor, notBefore }) => [notBefore, actor.asleepUntil]).filter(time => time > this.time)
      if (times.length === 0) return false
      this.time = Math.min(...times)
      return true
    }
    const chosen = this.pick(ready)
    if (chosen.effect) {
      const { effect } = chosen
      chosen.effect = undefined
      chosen.notBefore = 0
      effect()
      this.stop(chosen)
    } else {
      this.pending.splice(this.pending.indexOf(chosen), 1)
      chosen.answer()
    }
    return true
  }

  /** The machine stops. Requests that it has sent may still arrive, and it sends no more. */
  kill(actor: Actor): void {
    actor.dead = true
    this.note(actor, 'dies')
    this.pending = this.pending.filter(
      pending => pending.actor !== actor || (pending.effect !== undefined && pending.notBefore === 0 && this.happens(0.5)),
    )
    for (const pending of this.pending) if (pending.actor === actor) pending.notBefore = this.time + Math.floor(this.chance() * 5 * HOUR)
  }

  private stop({ actor, call }: Pending): void {
    if (actor.stop?.at !== call) return
    this.sleep(actor, actor.stop.ms)
    actor.stop = undefined
  }

  sleep(actor: Actor, ms: number): void {
    actor.asleepUntil = this.time + ms
    if (this.happens(0.5)) actor.slept += ms
    this.note(actor, `sleeps ${Math.round(ms / MINUTE)} min`)
  }

  /**
   * What a listing that began at `asOf` may show: what was made less than L before it or later may be missing, what was
   * deleted since then may be there.
   */
  listing(asOf: number): Copy[] {
    return this.copies.filter(({ created, deleted, trashed }) => {
      if (trashed) return false
      const since = asOf - LISTING_LAG_MS
      if (this.calm || !this.lags) return deleted === undefined
      if (deleted !== undefined) return deleted > since && created <= this.time && this.happens(0.4)
      return created <= since || this.happens(0.5)
    })
  }
}

export const putOf = (name: string): Call => `put ${PURPOSES.find(purpose => name.startsWith(purpose))!}`

export const short = (name: string): string => name.replace(/([0-9a-f]{8})[0-9a-f]{56}/, '$1')

const sums = new WeakMap<Uint8Array, string>()

export function sumOf(bytes: Uint8Array): string {
  const known = sums.get(bytes) ?? sha256Hex(bytes)
  sums.set(bytes, known)
  return known
}
