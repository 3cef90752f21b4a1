import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { PACK_POLICY } from '../../src/repository/format/limits.ts'
import { rememberTombs } from '../../src/repository/watch/remember-tombs.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import type { Listing, StorageOptions } from '../../src/storage/storage.ts'
import { seededSurroundings, machine, type DriveAccess } from '../drive/machine.ts'
import { contextOf } from '../helpers/in-process.ts'
import { FaultyStorage } from '../helpers/storage/faulty.ts'
import type { DayClock } from './day-clock.ts'
import type { DayStore, Machine } from './day.ts'

/** A folder store whose times come from the clock of the day. */
class ClockedFolder extends FolderStorage {
  private readonly day: DayClock
  private readonly createdAt = new Map<string, number>()

  constructor(path: string, clock: DayClock) {
    super(path)
    this.day = clock
  }

  override async put(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<{ created: number }> {
    await super.put(name, bytes, options)
    if (!this.createdAt.has(name)) this.createdAt.set(name, this.day.now())
    return { created: this.createdAt.get(name)! }
  }

  override async list(options?: StorageOptions): Promise<Listing> {
    const { objects } = await super.list(options)
    const now = this.day.now()
    return { asOf: now, objects: objects.map(each => ({ ...each, created: this.createdAt.get(each.name) ?? now })) }
  }

  override async remove(name: string, options?: StorageOptions): Promise<void> {
    await super.remove(name, options)
    this.createdAt.delete(name)
  }
}

export function dayInFolder(path: string, seed: number, clock: DayClock, packPolicy = PACK_POLICY): DayStore {
  const store = new ClockedFolder(path, clock)
  let machines = 0
  return {
    now: clock.now,
    pass: async ms => clock.pass(ms),
    storedBytes: async () => readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0),
    machine: () => {
      const death = new Death()
      const mortal = new FaultyStorage(store, ({ kind }) => {
        const state = death.next()
        if (state === 'alive') return undefined
        const done = state === 'last, done' && (kind === 'put' || kind === 'remove')
        return done ? { fault: 'lost-answer' } : { fault: 'error', code: 'unavailable' }
      })
      const surroundings = { ...seededSurroundings(seed * 1000 + ++machines), now: clock.now, monotonic: clock.now }
      return { context: contextOf(rememberTombs(mortal), { surroundings, packPolicy }), ...death.control }
    },
  }
}

/**
 * The real code for Drive, over HTTP, against an emulator that uses the clock of the day too. `pass` moves that clock
 * forward.
 */
export function dayOnDrive(
  drive: DriveAccess,
  seed: number,
  clock: DayClock,
  pass: (ms: number) => Promise<void>,
  packPolicy = PACK_POLICY,
): DayStore {
  let machines = 0
  const newMachine = (): Machine => {
    const death = new Death()
    const mortal: typeof fetch = async (input, init) => {
      const state = death.next()
      if (state === 'last, done') await fetch(input, init)
      if (state !== 'alive') throw new TypeError('fetch failed')
      return fetch(input, init)
    }
    const own = seed * 1000 + ++machines
    // the patience of a lost machine ends at once
    let afterwards = 0
    const surroundings = { ...seededSurroundings(own), now: clock.now, monotonic: () => clock.now() + afterwards }
    const sleep = async (ms: number): Promise<void> => {
      if (death.isOver) afterwards += ms
      else await clock.sleep(ms)
    }
    const context = machine(drive, { seed: own, packPolicy, surroundings, now: clock.now, sleep, fetch: mortal })
    return { context: { ...context, storage: rememberTombs(context.storage) }, ...death.control }
  }
  return {
    now: clock.now,
    pass,
    storedBytes: async () => (await newMachine().context.storage.quota()).used!,
    machine: newMachine,
  }
}

/** Counts the calls of a machine, and lets it be lost at one of them. */
class Death {
  private calls = 0
  private at = Infinity
  private done = false
  readonly control: Pick<Machine, 'calls' | 'lose'> = {
    calls: () => this.calls,
    lose: (nth, done) => {
      this.at = this.calls + nth
      this.done = done
    },
  }

  get isOver(): boolean {
    return this.calls >= this.at
  }

  next(): 'alive' | 'last, done' | 'over' {
    const call = ++this.calls
    if (call < this.at) return 'alive'
    return call === this.at && this.done ? 'last, done' : 'over'
  }
}
