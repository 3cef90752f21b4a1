import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { RepositoryContext } from '../../src/repository/context.ts'
import { FaultyStorage } from '../../src/storage/faulty.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import type { Listing, StorageOptions } from '../../src/storage/storage.ts'
import { seededSurroundings, machine, type DriveAccess } from '../drive/machine.ts'
import { contextOf } from '../helpers/in-process.ts'
import type { DayClock } from './day-clock.ts'
import type { DayStore } from './day.ts'

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

export function dayInFolder(path: string, seed: number, clock: DayClock): DayStore {
  const store = new ClockedFolder(path, clock)
  let machines = 0
  return {
    now: clock.now,
    pass: async ms => clock.pass(ms),
    storedBytes: async () => readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0),
    machine: lostAt => {
      const surroundings = { ...seededSurroundings(seed * 1000 + ++machines), now: clock.now, monotonic: clock.now }
      if (lostAt === undefined) return contextOf(store, { surroundings })
      const { call, done } = lostAt
      const dying = new FaultyStorage(store, ({ total, kind }) => {
        if (total < call) return undefined
        const last = total === call && done && (kind === 'put' || kind === 'remove')
        return last ? { fault: 'lost-answer' } : { fault: 'error', code: 'unavailable' }
      })
      return contextOf(dying, { surroundings })
    },
  }
}

/** The real code for Drive, over HTTP, up to an emulator that goes by the clock of the day too. `pass` puts that clock forward wherever it is. */
export function dayOnDrive(drive: DriveAccess, seed: number, clock: DayClock, pass: (ms: number) => Promise<void>): DayStore {
  let machines = 0
  const machineOn = (network: typeof fetch, isLost = (): boolean => false): RepositoryContext => {
    const own = seed * 1000 + ++machines
    const surroundings = { ...seededSurroundings(own), now: clock.now, monotonic: clock.now }
    const sleep = (ms: number): Promise<void> => (isLost() ? Promise.resolve() : clock.sleep(ms))
    return machine(drive, { seed: own, surroundings, now: clock.now, sleep, fetch: network })
  }
  return {
    now: clock.now,
    pass,
    storedBytes: async () => (await machineOn(fetch).storage.quota()).used!,
    machine: lostAt => {
      if (lostAt === undefined) return machineOn(fetch)
      let calls = 0
      const dying: typeof fetch = async (input, init) => {
        const call = ++calls
        if (call === lostAt.call && lostAt.done) await fetch(input, init)
        if (call >= lostAt.call) throw new TypeError('fetch failed')
        return fetch(input, init)
      }
      return machineOn(dying, () => calls >= lostAt.call)
    },
  }
}
