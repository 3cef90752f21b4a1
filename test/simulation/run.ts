import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DRIVE_LIMITS } from '../../src/commands/shared/store.ts'
import { COMMIT_WINDOW_MS, GRACE_MS, LISTING_LAG_MS, PACK_POLICY } from '../../src/repository/format/limits.ts'
import { hashInName } from '../../src/repository/format/object-names.ts'
import { openForReading, type RepositoryContext } from '../../src/repository/open/open.ts'
import { forget } from '../../src/repository/prune/forget.ts'
import { SAFE_GRACE_PERIODS, type GracePeriods } from '../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune } from '../../src/repository/prune/prune.ts'
import { push } from '../../src/repository/push/push.ts'
import { readSequence } from '../../src/repository/read/read-chunks.ts'
import { readManifest } from '../../src/repository/read/read-manifest.ts'
import { readSnapshots } from '../../src/repository/versions/versions.ts'
import { rememberTombs } from '../../src/repository/watch/remember-tombs.ts'
import { DriveStorage } from '../../src/storage/drive/drive-storage.ts'
import { LimitingStorage } from '../../src/storage/limiting.ts'
import { RetryingStorage } from '../../src/storage/retrying.ts'
import { Patience } from '../../src/util/patience.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { isAppError } from '../../src/util/errors.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import type { CallKind } from '../drive-emulator/call.ts'
import { DriveEmulator } from '../drive-emulator/emulator.ts'
import type { PlainRequest } from '../drive-emulator/in-process.ts'
import { contextOf, pullVersion } from '../helpers/in-process.ts'
import { seededRandom } from '../helpers/seeded.ts'
import { Network } from './network.ts'
import { Scheduler, type Sleeper } from './scheduler.ts'
import { FILE_NAMES, Sources } from './sources.ts'
import { Truth } from './truth.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

const NAMES = ['x', 'y']
const OPERATIONS = ['push', 'push', 'watchStep', 'watchStep', 'prune', 'forget', 'pull'] as const
type Operation = (typeof OPERATIONS)[number]
const PAUSES = [0, 0, MINUTE, 10 * MINUTE, LISTING_LAG_MS, 40 * MINUTE, GRACE_MS + 10 * MINUTE, 2 * HOUR, 25 * HOUR]
const STALLS = [MINUTE, COMMIT_WINDOW_MS, COMMIT_WINDOW_MS + LISTING_LAG_MS, GRACE_MS + MINUTE, 5 * HOUR, 27 * HOUR]
/** Packs of two or three files. */
const SMALL_PACKS = { ...PACK_POLICY, firstBytes: 2500, bytes: 6000, indexEveryBytes: 8000 }
const LARGE_PACKS = { ...PACK_POLICY, firstBytes: 6_000_000 }

/** A machine on which commands run one after the other. */
interface Machine extends Sleeper {
  name: string
  /** How much its clock is wrong, ms. */
  skew: number
  operation: Operation | 'end'
  /** The store of a watch, which runs as long as the machine. */
  watching: Storage | undefined
}

export interface RunOptions {
  waits?: GracePeriods
}

/** How far a run came. It shows that the simulation reaches the cases that it is for. */
export interface RunCounts {
  requests: number
  faults: number
  pushed: number
  pruned: number
  pulled: number
  deaths: number
  deletedPacks: number
}

export interface RunResult {
  counts: RunCounts
  /** Every request and answer, with its virtual time. */
  trace: readonly string[]
}

/** A promise that was broken, with the requests that led to it. */
export class Violation extends Error {
  constructor(seed: number, trace: readonly string[], cause: unknown) {
    const why = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
    super(`seed ${seed} (replay: SIMULATION_SEED=${seed} npx vitest run test/simulation): ${why}\n${trace.slice(-60).join('\n')}`, {
      cause,
    })
  }
}

/** Runs three machines against one Drive. Throws a `Violation`. */
export async function runSeed(seed: number, sources: Sources, options: RunOptions = {}): Promise<RunResult> {
  const run = new Run(seed, sources, options)
  try {
    return await run.run()
  } catch (error) {
    throw new Violation(seed, run.network.trace, error)
  }
}

class Run {
  readonly network: Network
  private readonly random: () => number
  private readonly sources: Sources
  private readonly waits: GracePeriods
  private readonly scheduler = new Scheduler(Date.UTC(2026, 10, 22))
  private readonly emulator: DriveEmulator
  private readonly truth: Truth
  private readonly machines: Machine[]
  private readonly hasLarge: boolean
  private readonly counts: RunCounts = { requests: 0, faults: 0, pushed: 0, pruned: 0, pulled: 0, deaths: 0, deletedPacks: 0 }
  private state = 0
  private stores = 0
  private failure: Error | undefined

  constructor(seed: number, sources: Sources, { waits = SAFE_GRACE_PERIODS }: RunOptions) {
    this.random = seededRandom(seed)
    this.sources = sources
    this.waits = { ...waits, orphanMs: this.happens(0.5) ? waits.orphanMs : 0 }
    this.hasLarge = this.happens(0.1)
    const { scheduler } = this
    const surroundings = { now: () => scheduler.time, sleep: () => Promise.resolve(), random: seededRandom(seed + 1) }
    this.emulator = new DriveEmulator({ surroundings })
    this.truth = new Truth(this.emulator, sources)
    const onArrival = (who: string, kind: CallKind, request: PlainRequest): void => this.arrived(who, kind, request)
    this.network = new Network({ emulator: this.emulator, scheduler, random: seededRandom(seed + 2), onArrival })
    this.machines = ['A', 'B', 'C'].map(name => this.newMachine(name, this.pick([0, -HOUR, 3 * HOUR])))
  }

  private pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.random() * items.length)]!
  }

  private happens(probability: number): boolean {
    return this.random() < probability
  }

  private newMachine(name: string, skew: number): Machine {
    return { name, skew, asleepUntil: 0, dead: false, slept: 0, operation: 'end', watching: undefined }
  }

  async run(): Promise<RunResult> {
    const { machines, network, emulator } = this
    network.weather = this.pick([0, 0.03, 0.08, 0.15])
    const unrest = this.pick([0, 0.003, 0.01])
    const lag = this.pick([0, 0, MINUTE, LISTING_LAG_MS - MINUTE])
    Object.assign(emulator.lag, { creationMs: lag, deletionMs: this.pick([0, lag]) })
    await this.live(
      machines.map(machine => this.commandsOf(machine)),
      unrest,
    )
    Object.assign(network, { weather: 0 })
    Object.assign(emulator.lag, { creationMs: 0, deletionMs: 0 })
    await this.live([this.end()], 0)
    const { trace, faults } = network
    const counts = { ...this.counts, faults: Object.values(faults).reduce((sum, count) => sum + count, 0) }
    return { counts, trace }
  }

  /** Lets time pass until all of `lives` have ended, or their machines are dead. */
  private async live(lives: readonly Promise<void>[], unrest: number): Promise<void> {
    let running = lives.length
    for (const life of lives) life.catch((error: unknown) => (this.failure ??= error as Error)).finally(() => running--)
    while (await this.scheduler.step()) {
      if (this.failure !== undefined) throw this.failure
      if (unrest > 0 && this.happens(unrest)) this.disturb(this.pick(this.machines))
    }
    if (this.failure !== undefined) throw this.failure
    if (running > 0) throw new Error('a machine waits for nothing')
  }

  private disturb(machine: Machine): void {
    const { scheduler, network } = this
    if (machine.dead) return
    if (this.happens(0.2)) {
      network.note(machine.name, 'dies')
      this.counts.deaths++
      scheduler.kill(machine)
      return
    }
    const ms = this.pick(STALLS)
    network.note(machine.name, `sleeps ${ms / MINUTE} min`)
    machine.asleepUntil = scheduler.time + ms
    if (this.happens(0.5)) machine.slept += ms
  }

  private async commandsOf(machine: Machine): Promise<void> {
    const { scheduler, network } = this
    try {
      for (let i = 0; i < 5; i++) {
        await scheduler.sleepOf(machine)(this.pick(PAUSES))
        machine.operation = this.truth.versions.size === 0 ? 'push' : this.pick(OPERATIONS)
        network.note(machine.name, machine.operation)
        await this[machine.operation](machine)
        network.note(machine.name, `${machine.operation} ends`)
      }
    } catch (error) {
      if (!machine.dead) throw error
    }
  }

  private storageOf(machine: Machine): Storage {
    const { scheduler } = this
    const random = seededRandom(Math.floor(this.random() * 2 ** 32) + this.stores++)
    const sleep = scheduler.sleepOf(machine)
    const { now, monotonic } = this.clocksOf(machine)
    const patience = new Patience({ sleep, random, now: monotonic })
    let token: string | undefined
    const drive = new DriveStorage({
      // a token ends after an hour, and is then renewed
      tokens: {
        getToken: ({ refuse } = {}) => {
          if (token === undefined || refuse === token) token = this.emulator.issueToken().accessToken
          return Promise.resolve(token)
        },
      },
      path: ['colab-escape'],
      baseUrl: 'https://drive.simulation',
      fetch: this.network.fetchOf(machine, machine.name),
      // real time: nothing here ever waits so long
      idleMs: 10 * MINUTE,
      ...{ sleep, patience, now, monotonic, hashInName },
    })
    return new RetryingStorage(new LimitingStorage(drive, DRIVE_LIMITS), patience)
  }

  private clocksOf(machine: Machine): { now: () => number; monotonic: () => number } {
    const { scheduler } = this
    return { now: () => scheduler.time + machine.skew, monotonic: () => scheduler.time - machine.slept }
  }

  private contextOf(machine: Machine, storage = this.storageOf(machine)): RepositoryContext {
    const random = (length: number): Uint8Array => Uint8Array.from({ length }, () => Math.floor(this.random() * 256))
    return contextOf(storage, {
      surroundings: { ...this.clocksOf(machine), random },
      packPolicy: this.hasLarge ? LARGE_PACKS : SMALL_PACKS,
    })
  }

  private push(machine: Machine): Promise<void> {
    return this.save(machine, this.contextOf(machine), new Set())
  }

  /** A file may be in the midst of being written. */
  private watchStep(machine: Machine): Promise<void> {
    machine.watching ??= rememberTombs(this.storageOf(machine))
    return this.save(machine, this.contextOf(machine, machine.watching), new Set(this.happens(0.5) ? [this.pick(FILE_NAMES)] : []))
  }

  private async save(machine: Machine, context: RepositoryContext, held: ReadonlySet<string>): Promise<void> {
    const name = this.pick(NAMES)
    const state = this.happens(0.3) ? this.state : (this.state = (this.state + 1) % Sources.states)
    const { source, picture } = this.sources.of(
      state,
      FILE_NAMES.filter(() => this.happens(0.7)),
      this.hasLarge,
    )
    const live = machine.operation === 'watchStep' ? { held, anyState: () => false } : undefined
    const rest = { tags: [], level: 'fast', dryRun: false, cache: undefined } as const
    await this.tolerate(machine, async () => {
      const request = { name, source, host: machine.name, program: 'simulation', ...rest, ...(live ? { live } : {}) }
      const { snapshot, outcome } = await push(context, request)
      this.network.note(machine.name, `${outcome} ${snapshot?.ref.objectName ?? ''}`)
      if (!snapshot) throw new Error(`the push ended with ${outcome}`)
      this.counts.pushed++
      this.truth.acknowledge({ objectName: snapshot.ref.objectName, name, picture, held, at: this.scheduler.time })
    })
  }

  private prune(machine: Machine): Promise<void> {
    return this.tolerate(machine, async () => {
      const context = this.contextOf(machine)
      await prune(context, await openForPrune(context), { waits: this.waits, dryRun: false })
      this.counts.pruned++
      await this.truth.check()
    })
  }

  private forget(machine: Machine): Promise<void> {
    return this.tolerate(machine, async () => {
      const policy = { last: this.pick([1, 1, 2]) }
      const { failure } = await forget(this.contextOf(machine), { names: NAMES, policy, all: false, waits: this.waits, dryRun: false })
      if (failure) throw failure
      await this.truth.check()
    })
  }

  /** Reads a version whole. One that every listing shows must come back, unless it is forgotten meanwhile. */
  private async pull(machine: Machine): Promise<void> {
    const began = this.scheduler.time
    let name = ''
    try {
      await this.tolerate(machine, async () => {
        const repository = await openForReading(this.contextOf(machine))
        const snapshots = await readSnapshots(repository, repository.view, repository.view.inventory.snapshots)
        if (snapshots.length === 0) return
        const snapshot = this.pick(snapshots)
        name = snapshot.ref.objectName
        const found = new Map<string, string>()
        for await (const entry of readManifest(repository, snapshot)) {
          if (entry.type !== 'file') continue
          const pieces: Uint8Array[] = []
          for await (const piece of readSequence(repository, entry.chunks, entry.path)) pieces.push(piece)
          found.set(entry.path, sha256Hex(Buffer.concat(pieces)))
        }
        const version = this.truth.versions.get(name)
        if (version) this.truth.compare(version, found)
        this.counts.pulled++
      })
    } catch (error) {
      const oldest = Math.min(...[...this.truth.versions.values()].map(({ at }) => at))
      const since = name === '' ? oldest : (this.truth.versions.get(name)?.at ?? Infinity)
      if (!isAppError(error, 'corrupt', 'not-found') || since <= began - LISTING_LAG_MS) throw error
    }
  }

  /** Trouble with the way to Drive is not the program's fault, as long as there is any; nor is what others forget. */
  private async tolerate(machine: Machine, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (machine.dead) throw error
      const isGone = isAppError(error, 'conflict') && /gone again/.test(error.message)
      const isCrowded = isAppError(error, 'unavailable') && /kept disappearing|is being rewritten/.test(error.message)
      const isWeather = this.network.weather > 0 && isAppError(error, 'unavailable', 'throttled')
      if (!isGone && !isCrowded && !isWeather) throw error
      this.network.note(machine.name, error.message)
    }
  }

  /** Called before Drive does what a request asks for. Checks what is deleted. */
  private arrived(who: string, kind: CallKind, { url }: PlainRequest): void {
    this.counts.requests++
    if (kind !== 'files.delete') return
    const file = this.emulator.files.get(url.pathname.split('/').at(-1)!)
    if (!file) return
    if (file.name.startsWith('pack-')) this.counts.deletedPacks++
    const version = this.truth.versions.get(file.name)
    if (!version) return
    const operation = this.machines.find(({ name }) => name === who)?.operation
    // a request that was late may arrive when its machine does something else
    if (operation === 'pull' && this.network.weather === 0) this.failure ??= new Error(`a ${operation} deletes ${file.name}`)
    this.truth.versions.delete(file.name)
    const left = this.truth.names().filter(name => name.startsWith('snapshot-') && name.endsWith(`-${version.name}.json`))
    if (left.length < 2) this.failure ??= new Error(`${who} deletes ${file.name}, the last version of its name`)
  }

  /** When all have ended and time has passed, every version is whole, and nothing is left that nobody needs. */
  private async end(): Promise<void> {
    const janitor = this.newMachine('janitor', 0)
    const sleep = this.scheduler.sleepOf(janitor)
    await this.truth.check()
    if (this.truth.versions.size === 0) return
    for (let round = 0; round < 8; round++) {
      await sleep(round === 0 ? 9 * 24 * HOUR : 2 * HOUR)
      const context = this.contextOf(janitor)
      await prune(context, await openForPrune(context), { waits: SAFE_GRACE_PERIODS, dryRun: false })
    }
    await this.truth.check()
    const context = this.contextOf(janitor)
    const again = await prune(context, await openForPrune(context), { waits: SAFE_GRACE_PERIODS, dryRun: false })
    if (again.copiedBytes > 0 || again.marked.packs > 0 || again.freed.packs > 0) throw new Error('prunes never come to an end')
    this.expectNothingLeft()
    await this.pullAll(janitor)
  }

  private expectNothingLeft(): void {
    const files = [...this.emulator.files.values()].filter(({ parent, content }) => parent !== undefined && content !== undefined)
    const names = files.map(({ name }) => name).filter(name => name !== 'config.json')
    const twice = names.filter((name, at) => names.indexOf(name) !== at)
    if (twice.length > 0) throw new Error(`${twice.join()} is on Drive twice`)
    const wrong = files.filter(({ name, content }) => !content!.sum('sha256').startsWith(hashInName(name) ?? ''))
    if (wrong.length > 0) throw new Error(`${wrong[0]!.name} has other bytes than its name says`)
    if (names.some(name => name.startsWith('tomb-'))) throw new Error('tombs are left')
  }

  /** A clean machine pulls the newest versions, byte for byte. */
  private async pullAll(janitor: Machine): Promise<void> {
    const out = mkdtempSync(join(tmpdir(), 'colab-escape-simulation-out-'))
    try {
      for (const { name, objectName } of this.truth.versions.values()) {
        const id = objectName.split('-')[2]!
        const { damaged } = await pullVersion(this.contextOf(janitor), `${name}@${id}`, join(out, id))
        if (damaged.length > 0) throw new Error(`${objectName}: ${damaged.length} files could not be pulled`)
      }
    } finally {
      rmSync(out, { recursive: true, force: true })
    }
  }
}
