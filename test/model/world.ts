import { LISTING_LAG_MS } from '../../src/repository/format/limits.ts'
import type { Listing, Storage } from '../../src/storage/storage.ts'
import { AppError } from '../../src/util/errors.ts'

export const MINUTE = 60_000
export const HOUR = 60 * MINUTE

/** One object; a name may be borne by several. Deleted ones are kept, because listings may still show them. */
export interface Copy {
  name: string
  bytes: Uint8Array
  created: number
  deleted: number | undefined
}

/** A request of an actor to the world; a `put` also has its purpose. */
export type Call = 'list' | 'get' | 'remove' | 'wait' | 'put pack' | 'put index' | 'put snapshot' | 'put tomb' | 'put config'

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
  /** Calls take effect at once, listings show the truth. */
  calm = true
  /** Whether puts may leave two objects of one name. */
  duplicates = false
  private pending: Pending[] = []
  /** Called after every step that may have broken a promise. */
  onEffect: (kind: 'put' | 'remove', name: string, actor: Actor) => void = () => undefined

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

  living(name: string): Copy[] {
    return this.copies.filter(copy => copy.name === name && copy.deleted === undefined)
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

  storageOf(actor: Actor): Storage {
    return new ModelStorage(this, actor)
  }

  /**
   * What a listing that began at `asOf` may show: what was made less than L before it or later may be missing, what was
   * deleted since then may be there.
   */
  listing(asOf: number): Copy[] {
    return this.copies.filter(({ created, deleted }) => {
      const since = asOf - LISTING_LAG_MS
      if (deleted !== undefined) return !this.calm && deleted > since && created <= this.time && this.happens(0.4)
      return this.calm || created <= since || this.happens(0.5)
    })
  }
}

class ModelStorage implements Storage {
  readonly location = 'the model'
  private readonly world: World
  private readonly actor: Actor
  /** Copies that this machine knows of: only those can it delete. */
  private known = new Set<Copy>()

  constructor(world: World, actor: Actor) {
    this.world = world
    this.actor = actor
  }

  put(name: string, bytes: Uint8Array): Promise<{ created: number }> {
    const { world, actor } = this
    const copyOf = new Uint8Array(bytes)
    return world.call(actor, putOf(name), () => {
      const there = [...this.known].find(copy => copy.name === name && copy.deleted === undefined)
      if (there) return { created: there.created }
      const copy: Copy = { name, bytes: copyOf, created: world.time, deleted: undefined }
      world.copies.push(copy)
      this.known.add(copy)
      world.note(actor, `put ${short(name)}`)
      if (world.duplicates && !world.calm && world.happens(0.1))
        world.copies.push({ ...copy, created: world.time + Math.floor(world.chance() * MINUTE) })
      world.onEffect('put', name, actor)
      return { created: copy.created }
    })
  }

  get(name: string, range?: { offset: number; length: number }): Promise<Uint8Array> {
    return this.world.call(this.actor, 'get', () => {
      const copy = this.world.living(name)[0]
      if (!copy) throw new AppError('not-found', `there is no ${name}`)
      if (!range) return copy.bytes.slice()
      if (range.offset + range.length > copy.bytes.length) throw new AppError('bad-range', `${name} is shorter`)
      return copy.bytes.slice(range.offset, range.offset + range.length)
    })
  }

  list(): Promise<Listing> {
    const { world, actor } = this
    const asOf = world.time
    return world.call(actor, 'list', () => {
      const shown = world.listing(asOf)
      for (const copy of shown) this.known.add(copy)
      world.note(actor, 'list')
      const oldest = new Map<string, Copy>()
      for (const copy of shown) if (copy.created < (oldest.get(copy.name)?.created ?? Infinity)) oldest.set(copy.name, copy)
      return { asOf, objects: [...oldest.values()].map(({ name, bytes, created }) => ({ name, size: bytes.length, created })) }
    })
  }

  remove(name: string): Promise<void> {
    const { world, actor } = this
    return world.call(actor, 'remove', () => {
      for (const copy of this.known) if (copy.name === name) copy.deleted ??= world.time
      world.note(actor, `remove ${short(name)}`)
      world.onEffect('remove', name, actor)
    })
  }

  quota(): Promise<{ used: undefined; limit: undefined }> {
    return Promise.resolve({ used: undefined, limit: undefined })
  }
}

/** Labels, which nothing here makes, would count as tombs. */
function putOf(name: string): Call {
  for (const kind of ['pack', 'index', 'snapshot', 'config'] as const) if (name.startsWith(kind)) return `put ${kind}`
  return 'put tomb'
}

export const short = (name: string): string => name.replace(/([0-9a-f]{8})[0-9a-f]{56}/, '$1')
