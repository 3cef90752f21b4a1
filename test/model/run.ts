import { COMMIT_WINDOW_MS, GRACE_MS, LISTING_LAG_MS } from '../../src/repository/format/limits.ts'
import { openForReading, type RepositoryContext } from '../../src/repository/open/open.ts'
import { forget } from '../../src/repository/prune/forget.ts'
import { SAFE_GRACE_PERIODS, type GracePeriods } from '../../src/repository/prune/grace-periods.ts'
import { openForPrune, prune } from '../../src/repository/prune/prune.ts'
import { unforget } from '../../src/repository/prune/unforget.ts'
import { push } from '../../src/repository/push/push.ts'
import { readSequence } from '../../src/repository/read/read-chunks.ts'
import { readManifest } from '../../src/repository/read/read-manifest.ts'
import { sealedChunkKeys } from '../../src/repository/sealing/sealed-chunks.ts'
import { readSnapshots } from '../../src/repository/versions/versions.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { PLAIN_CHUNKS } from '../../src/util/chunk-keys.ts'
import { isAppError } from '../../src/util/errors.ts'
import { seededRandom } from '../helpers/seeded.ts'
import { contextOf, settled } from './context.ts'
import { BLOCK_BYTES, chunksWith, FILE_NAMES, TRAINING, type Sources } from './means.ts'
import { Loss, Truth, type LossKind } from './truth.ts'
import { encrypted, MODEL_KEYS } from './unsealing.ts'
import { HOUR, MINUTE, newActor, World, type Actor } from './world.ts'

export interface RunOptions {
  waits?: GracePeriods
  /** Names of objects rest on chance; without, equal content has equal names. */
  freshNames?: boolean
  /** Machines also bring forgotten versions back. */
  unforgets?: boolean
  /** The repository is encrypted. */
  isEncrypted?: boolean
}

/** A promise that was broken, with the steps that led to it. */
export class Violation extends Error {
  /** Undefined where nothing stored was lost: something failed that should not, or was left that should be gone. */
  readonly lost: LossKind | undefined

  constructor(seed: number, world: World, cause: unknown) {
    const why = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
    super(`seed ${seed} (replay: MODEL_SEED=${seed} npx vitest run test/model): ${why}\n${world.log.join('\n')}`, { cause })
    this.lost = cause instanceof Loss ? cause.kind : undefined
  }
}

/** How far a run came. It shows that the model reaches the cases that it is for. */
export interface RunCounts {
  steps: number
  pushes: number
  packsSwept: number
  deaths: number
  pulls: number
  /** Versions that were brought back. */
  unforgotten: number
}

const STALLS = [
  6 * MINUTE,
  COMMIT_WINDOW_MS,
  COMMIT_WINDOW_MS + LISTING_LAG_MS,
  GRACE_MS - MINUTE,
  GRACE_MS + MINUTE,
  2.5 * HOUR,
  5 * HOUR,
  27 * HOUR,
]
const PAUSES = [0, 0, MINUTE, 10 * MINUTE, LISTING_LAG_MS, 40 * MINUTE, GRACE_MS, GRACE_MS + 10 * MINUTE, 2 * HOUR, 25 * HOUR]
const STOPS = ['list', 'list', 'put pack', 'put index', 'put snapshot', 'remove'] as const
const NAMES = ['x', 'y']
const OPERATIONS = ['push', 'push', 'prune', 'prune', 'forget', 'pull'] as const

/** Something that an actor does, after a pause. */
interface Act {
  pause: number
  operation: (typeof OPERATIONS)[number] | 'pushAgain' | 'unforget'
}

/** Runs one seeded interleaving of two or three actors; throws a `Violation`. */
export async function runSeed(seed: number, sources: Sources, options: RunOptions = {}): Promise<RunCounts> {
  const run = new Run(seed, sources, options)
  try {
    await run.run()
  } catch (error) {
    throw new Violation(seed, run.world, error)
  }
  return run.counts
}

class Run {
  readonly world: World
  readonly counts: RunCounts = { steps: 0, pushes: 0, packsSwept: 0, deaths: 0, pulls: 0, unforgotten: 0 }
  private readonly truth: Truth
  private readonly sources: Sources
  private readonly waits: GracePeriods
  private readonly freshNames: boolean
  private readonly wrap: ((storage: Storage) => Storage) | undefined
  private readonly chunkOf: ReadonlyMap<string, string>
  private readonly operations: readonly Act['operation'][]
  /** What was pushed so far: some of it is pushed again. */
  private readonly pushed: string[][] = []
  private trained = 0
  private readonly pushing = new Map<Actor, string[]>()
  /** Names whose versions were all forgotten with `--all`. */
  private readonly givenUp = new Set<string>()
  private failure: Error | undefined

  constructor(
    seed: number,
    sources: Sources,
    { waits = SAFE_GRACE_PERIODS, freshNames = true, unforgets = false, isEncrypted = false }: RunOptions,
  ) {
    this.world = new World(seededRandom(seed))
    this.truth = new Truth(this.world)
    this.sources = sources
    this.waits = { ...waits, orphanMs: this.world.happens(0.5) ? waits.orphanMs : 0 }
    this.freshNames = freshNames
    this.wrap = isEncrypted ? encrypted : undefined
    this.chunkOf = chunksWith(isEncrypted ? sealedChunkKeys(MODEL_KEYS) : PLAIN_CHUNKS)
    this.operations = unforgets ? [...OPERATIONS, 'forget', 'unforget', 'unforget'] : OPERATIONS
    this.world.duplicates = this.world.happens(0.3)
    this.world.onEffect = (kind, name, actor) => {
      if (kind === 'put')
        this.truth.learn(
          name,
          (this.pushing.get(actor) ?? []).map(file => this.chunkOf.get(file)!),
        )
      else if (name.startsWith('pack-')) this.counts.packsSwept++
      this.truth.check()
      this.checkLast(kind, name)
    }
  }

  private context(actor: Actor): RepositoryContext {
    return contextOf(this.world, actor, this.freshNames, this.wrap)
  }

  async run(): Promise<void> {
    const { world } = this
    await this.prelude()
    this.givenUp.clear()
    world.calm = false
    const actors = Array.from({ length: world.happens(0.5) ? 2 : 3 }, (_, i) => newActor('ABC'[i]!, world.pick([0, -HOUR, 3 * HOUR])))
    const plot = world.happens(0.5) ? this.plot(actors[0]!) : []
    let ended = 0
    for (const [i, actor] of actors.entries())
      void this.live(actor, plot[i] ?? []).then(
        () => ended++,
        (error: unknown) => (this.failure ??= error as Error),
      )
    const pace = world.pick([1000, 20_000, 2 * MINUTE, 6 * MINUTE])
    const unrest = world.pick([0, 0.01, 0.03, 0.06])
    for (;;) {
      await settled()
      if (this.failure !== undefined) throw this.failure
      const before = world.time
      if (!world.step()) break
      this.counts.steps++
      if (world.time === before) world.time += Math.floor(world.chance() * pace)
      const actor = world.pick(actors)
      if (actor.dead || !world.happens(unrest)) continue
      if (world.happens(0.25)) {
        world.kill(actor)
        this.counts.deaths++
      } else if (actor.asleepUntil <= world.time) world.sleep(actor, world.pick(STALLS))
    }
    if (ended + actors.filter(({ dead }) => dead).length < actors.length) throw new Error('an actor waits for nothing')
    await this.expectCleanEnd()
  }

  /** Some versions, and mostly a tomb that is about to be due. */
  private async prelude(): Promise<void> {
    const { world } = this
    const actor = newActor('prelude', 0)
    const training = world.happens(0.3) ? TRAINING.length : 0
    for (let i = 0; i < Math.max(3, training); i++) {
      await (training > 0 ? this.pushFiles(actor, 'x', this.nextOfTraining()) : this.push(actor))
      world.time += 30 * MINUTE
    }
    if (world.happens(0.8)) await this.forget(actor)
    world.time += world.pick([0, 30 * MINUTE, GRACE_MS - LISTING_LAG_MS, GRACE_MS - 5 * MINUTE, GRACE_MS + MINUTE, 3 * HOUR, 26 * HOUR])
  }

  /**
   * What the first two do first. Chance alone rarely comes to the most dangerous: one is stopped in the midst of
   * something, and the other takes away what that may rest on. A short stop ends before it is gone, a long one when
   * nothing tells of it any more.
   */
  private plot(victim: Actor): Act[][] {
    const { world } = this
    const long = world.happens(0.5)
    victim.stop = { at: world.pick(STOPS), ms: world.pick(STALLS.filter(ms => ms >= 2 * GRACE_MS === long)) }
    const later = [GRACE_MS, GRACE_MS + 10 * MINUTE]
    const sooner = [0, MINUTE, 10 * MINUTE]
    const next = (): Act => ({
      pause: world.pick(long ? later : sooner),
      operation: world.pick(['prune', long ? 'prune' : 'pushAgain', 'pushAgain']),
    })
    return [
      [{ pause: 0, operation: world.pick(['pushAgain', 'pushAgain', 'push', 'prune']) }],
      [{ pause: world.pick(sooner), operation: 'forget' }, { pause: world.pick(later), operation: 'prune' }, next(), next()],
    ]
  }

  private async live(actor: Actor, acts: readonly Act[]): Promise<void> {
    const { world } = this
    for (let i = 0; i < 4; i++) {
      const { pause, operation } = acts[i] ?? { pause: world.pick(PAUSES), operation: world.pick(this.operations) }
      await world.wait(actor, pause)
      await this[operation](actor)
    }
  }

  private async push(actor: Actor, again = this.world.happens(0.4)): Promise<void> {
    const { world } = this
    const files = again && this.pushed.length > 0 ? world.pick(this.pushed) : this.newFiles()
    await this.pushFiles(actor, world.pick(NAMES), files)
  }

  private async pushFiles(actor: Actor, name: string, files: string[]): Promise<void> {
    const { world } = this
    this.pushed.push(files)
    world.note(actor, `pushes ${name}: ${files.join(' ')}`)
    this.pushing.set(actor, files)
    const context = this.context(actor)
    const rest = { message: undefined, tags: [], level: 'fast', blockBytes: BLOCK_BYTES, dryRun: false, cache: undefined } as const
    try {
      const { snapshot, outcome } = await push(context, {
        name,
        source: this.sources.of(files),
        host: actor.name,
        program: 'model',
        ...rest,
      })
      world.note(actor, `push: ${outcome}`)
      this.counts.pushes++
      this.truth.rely(snapshot!.ref.objectName)
      this.truth.check()
    } catch (error) {
      // it gave up because packs that it relied on kept disappearing, or its version was forgotten at once
      if (!isAppError(error, 'unavailable', 'conflict')) throw error
      world.note(actor, error.message)
    }
  }

  private newFiles(): string[] {
    if (!this.world.happens(0.4)) return FILE_NAMES.filter(() => this.world.happens(0.4))
    return this.nextOfTraining()
  }

  private nextOfTraining(): string[] {
    return ['c', 'b.1', TRAINING[this.trained++ % TRAINING.length]!]
  }

  /** What was pushed before: its packs may be about to go. */
  private pushAgain(actor: Actor): Promise<void> {
    return this.push(actor, true)
  }

  private async prune(actor: Actor): Promise<void> {
    this.world.note(actor, 'prunes')
    const context = this.context(actor)
    await this.tolerate(actor, async () => {
      const opened = await openForPrune(context)
      await prune(context, opened, { waits: this.waits, dryRun: false })
    })
  }

  private async forget(actor: Actor): Promise<void> {
    const { world } = this
    const all = world.happens(0.15)
    const names = world.happens(0.5) ? NAMES : [world.pick(NAMES)]
    world.note(actor, `forgets ${names.join(' ')}${all ? ', all' : ''}`)
    if (all) for (const name of names) this.givenUp.add(name)
    await this.tolerate(actor, async () => {
      const policy = all ? {} : { last: world.pick([1, 1, 2]) }
      const { names: decided, failure } = await forget(this.context(actor), { names, policy, all, waits: this.waits, dryRun: false })
      for (const { version } of decided.flatMap(({ decision }) => decision.kept)) this.truth.rely(version.ref.objectName)
      if (failure) throw failure
    })
  }

  private async unforget(actor: Actor): Promise<void> {
    this.world.note(actor, 'unforgets')
    await this.tolerate(actor, async () => {
      const { restored } = await unforget(this.context(actor), this.waits.graceMs, versions => versions)
      for (const { snapshot } of restored) this.truth.rely(snapshot.ref.objectName)
      this.truth.check()
      this.counts.unforgotten += restored.length
    })
  }

  /** A listing that lags may show a version without all that it needs: then a prune deletes nothing. */
  private async tolerate(actor: Actor, work: () => Promise<void>): Promise<void> {
    try {
      await work()
      this.world.note(actor, 'done')
    } catch (error) {
      if (!isAppError(error, 'unavailable')) throw error
      this.world.note(actor, error.message)
    }
  }

  /**
   * Reads one version whole. One that every listing shows must come back exact, whatever prunes meanwhile, unless it is
   * forgotten.
   */
  private async pull(actor: Actor): Promise<void> {
    const { world, truth } = this
    const began = world.time
    world.note(actor, 'pulls')
    let name: string | undefined
    try {
      const repository = await openForReading(this.context(actor)).catch((error: unknown) => {
        if (isAppError(error, 'not-found')) return undefined
        throw error
      })
      const versions = repository ? await readSnapshots(repository, repository.view, repository.view.inventory.snapshots) : []
      if (!repository || versions.length === 0) return
      const version = world.pick(versions)
      name = version.ref.objectName
      for await (const entry of readManifest(repository, version)) {
        if (entry.type !== 'file') continue
        let size = 0
        for await (const chunk of readSequence(repository, entry.chunks, entry.path)) size += chunk.length
        if (size !== entry.size) throw new Error(`${entry.path} has ${size} bytes`)
      }
      this.counts.pulls++
      world.note(actor, 'pulled')
    } catch (error) {
      const committed = name === undefined ? undefined : truth.committedAt(name)
      if (!isAppError(error, 'corrupt') || (committed !== undefined && committed <= began - LISTING_LAG_MS)) throw error
      world.note(actor, `could not pull: ${error.message}`)
    }
  }

  /** Whoever forgets by rules never takes the last version of a name. */
  private checkLast(kind: string, name: string): void {
    const gone = kind === 'remove' ? this.truth.snapshots.get(name) : undefined
    if (!gone || this.givenUp.has(gone.name) || this.world.living(name).length > 0) return
    const { truth, world } = this
    const wasCommitted = world.copies.some(copy => copy.name === name && copy.created <= gone.listed + COMMIT_WINDOW_MS)
    const isVersion = (other: string): boolean => truth.committedAt(other) !== undefined || truth.isPresent(other)
    const others = [...truth.snapshots].filter(([other, { name: of }]) => of === gone.name && isVersion(other))
    if (wasCommitted && others.length === 0) throw new Loss('version', `${gone.name} has no version left`)
  }

  /** When all actors have ended and time has passed, only needed packs are left and all promised versions read back. */
  private async expectCleanEnd(): Promise<void> {
    const { world, truth } = this
    world.calm = true
    const janitor = newActor('janitor', 0)
    for (let round = 0; round < 7; round++) {
      world.time += round === 0 ? 26 * HOUR : 2 * HOUR
      const context = this.context(janitor)
      await prune(context, await openForPrune(context), { waits: SAFE_GRACE_PERIODS, dryRun: false })
    }
    const context = this.context(janitor)
    const again = await prune(context, await openForPrune(context), { waits: SAFE_GRACE_PERIODS, dryRun: false })
    if (again.copiedBytes > 0 || again.marked.packs > 0) throw new Error('prunes never come to an end')
    const left = [...new Set(world.copies.filter(({ deleted }) => deleted === undefined).map(({ name }) => name))]
    const shares = [...truth.liveShares()]
    const dead = shares.filter(([, live]) => live === 0)
    if (dead.length > 0) throw new Error(`nobody needs ${dead.map(([pack]) => pack.slice(0, 13)).join()}, and it is not freed`)
    if (left.some(name => name.startsWith('tomb-'))) throw new Error('tombs are left')
    const repository = await openForReading(this.context(janitor))
    const { view } = repository
    if (view.supersededIndexes.length > 0) throw new Error('superseded indexes are left')
    const versions = await readSnapshots(repository, view, view.inventory.snapshots)
    const offered = versions.map(({ ref }) => ref.objectName)
    if (view.problems.length > 0) throw new Error(view.problems[0]!.message)
    const lost = truth.committed().filter(name => !offered.includes(name))
    if (lost.length > 0) throw new Error(`${lost.join()} is not offered`)
    for (const version of versions) {
      for await (const entry of readManifest(repository, version)) {
        if (entry.type !== 'file') continue
        const pieces: Uint8Array[] = []
        for await (const chunk of readSequence(repository, entry.chunks, entry.path)) pieces.push(chunk)
        if (entry.chunks.toString('hex') !== this.chunkOf.get(entry.path)) throw new Error(`${entry.path} is another file`)
      }
    }
  }
}
