import { existsSync } from 'node:fs'
import { check } from '../../../src/repository/check/check.ts'
import type { StoredSnapshot } from '../../../src/repository/format/snapshot.ts'
import { openForReading, type RepositoryContext } from '../../../src/repository/open/open.ts'
import * as EmptyTrash from '../../../src/repository/prune/empty-trash.ts'
import { forget } from '../../../src/repository/prune/forget.ts'
import { SAFE_GRACE_PERIODS } from '../../../src/repository/prune/grace-periods.ts'
import { pruneNow } from '../../../src/repository/prune/prune-now.ts'
import { openForPrune, prune } from '../../../src/repository/prune/prune.ts'
import { push } from '../../../src/repository/push/push.ts'
import type { RetentionPolicy } from '../../../src/repository/versions/retention.ts'
import { changeTags } from '../../../src/repository/versions/tags.ts'
import { resolveVersion } from '../../../src/repository/versions/versions.ts'
import type { StoredObject } from '../../../src/storage/storage.ts'
import type { Trash } from '../../../src/storage/trash.ts'
import { isAppError } from '../../../src/util/errors.ts'
import { contextOf, settled } from '../context.ts'
import { BLOCK_BYTES, chunkOf, type Sources } from '../means.ts'
import { trashOf } from '../model-storage.ts'
import { Loss } from '../truth.ts'
import { MINUTE, newActor, World, type Actor } from '../world.ts'
import { expectAllOffered } from './offers.ts'
import { Promises, type Command } from './promises.ts'
import { expectReceipt } from './receipt.ts'
import { expectAllNamed, expectRepaired } from './reports.ts'

export type Climate = 'folder' | 'drive'

const REPAIR = new URL('../../../src/repository/repair/repair.ts', import.meta.url)
interface RepairRequest {
  dryRun: boolean
  giveUp: boolean
  trash: Trash
}
type Repair = (context: RepositoryContext, request: RepairRequest) => Promise<unknown>

/** People with one store and its weather, one command after the other. Each command must keep all promises. */
export class Scene {
  readonly world: World
  readonly promises: Promises
  readonly actor: Actor
  /** Whether anything was ever damaged or added by others. */
  isHarmed = false
  /** Whether the store is a copy of another one. */
  isCopy = false
  /** Called between two steps of a command. */
  between: (() => void) | undefined
  private readonly sources: Sources
  private files: readonly string[] = []

  constructor(chance: () => number, climate: Climate, sources: Sources) {
    this.world = new World(chance)
    this.world.lags = false
    this.world.calm = false
    this.world.sums = climate === 'drive'
    this.sources = sources
    this.promises = new Promises(this.world)
    this.actor = newActor('A', 0)
    this.world.onEffect = (kind, _, __, copies) => {
      if (kind === 'remove') this.promises.removed(copies)
      else for (const copy of copies) this.promises.learn(copy, new Map(this.files.map(file => [file, chunkOf.get(file)!])))
    }
  }

  private context(): RepositoryContext {
    return contextOf(this.world, this.actor)
  }

  /** Runs a command to its end. False if it refused. What it leaves must be offered. */
  private async run(command: Command, note: string, work: (context: RepositoryContext) => Promise<void>): Promise<boolean> {
    const { world } = this
    world.time += 1000
    world.note(this.actor, note)
    this.promises.begin(command)
    let refusal: Error | undefined
    let ended = false
    void work(this.context())
      .catch((error: unknown) => (refusal = error as Error))
      .finally(() => (ended = true))
    for (;;) {
      await settled()
      if (ended) break
      const before = world.time
      if (!world.step()) throw new Error(`${note}: it waits for nothing`)
      if (world.time === before) world.time += Math.floor(world.chance() * 2000)
      // a check may have looked before
      if (command.kind !== 'check') this.between?.()
    }
    if (refusal !== undefined && !isAppError(refusal)) throw refusal
    world.note(this.actor, refusal ? `refuses: ${refusal.message}` : 'done')
    await this.look()
    return refusal === undefined
  }

  /** Reads all that is there. */
  async look(): Promise<void> {
    await this.calmly(context => expectAllOffered(context, this.promises))
  }

  private async calmly(work: (context: RepositoryContext) => Promise<void>): Promise<void> {
    this.world.calm = true
    await work(this.context())
    this.world.calm = false
  }

  async push(name: string, files: readonly string[], tags: readonly string[] = []): Promise<boolean> {
    this.files = files
    let pushed: StoredSnapshot | undefined
    const request = { message: undefined, level: 'fast', blockBytes: BLOCK_BYTES, dryRun: false, cache: undefined, host: 'A' } as const
    await this.run({ kind: 'push' }, `pushes ${name}: ${files.join(' ')}`, async context => {
      const { snapshot, outcome } = await push(context, { name, tags, program: 'model', source: this.sources.of(files), ...request })
      this.world.note(this.actor, outcome)
      pushed = snapshot
    })
    if (pushed) await this.calmly(context => expectReceipt(context, this.promises, pushed!))
    return pushed !== undefined
  }

  tag(spec: { name: string; at?: string; back?: number }, change: { add?: string[]; remove?: string[] }): Promise<boolean> {
    const { name, at, back = 0 } = spec
    return this.run({ kind: 'tag' }, `tags ${name}@${at ?? ''}~${back} ${JSON.stringify(change)}`, async context => {
      const repository = await openForReading(context)
      const version = await resolveVersion(repository, repository.view, { name, at, back })
      await changeTags(context, repository, version, { add: [], remove: [], move: false, ...change })
    })
  }

  forget(names: readonly string[], policy: RetentionPolicy, all = false): Promise<boolean> {
    const note = `forgets ${names.join(' ')} ${all ? 'all' : JSON.stringify(policy)}`
    return this.run({ kind: 'forget', names, policy, all }, note, async context => {
      await this.refuseTrashed()
      const { failure } = await forget(context, { names, policy, all, waits: SAFE_GRACE_PERIODS, dryRun: false })
      if (failure) throw failure
    })
  }

  prune({ now = false } = {}): Promise<boolean> {
    return this.run({ kind: 'prune' }, now ? 'prunes now' : 'prunes', async context => {
      await this.refuseTrashed()
      const opened = await openForPrune(context)
      await (now ? pruneNow(context, opened) : prune(context, opened, { waits: SAFE_GRACE_PERIODS, dryRun: false }))
    })
  }

  /** As the commands do, once they do. */
  private async refuseTrashed(): Promise<void> {
    const { refuseTrashed } = EmptyTrash as { refuseTrashed?: (objects: readonly StoredObject[]) => void }
    if (this.world.sums) refuseTrashed?.(await trashOf(this.world, this.actor).list())
  }

  emptyTrash(): Promise<boolean> {
    return this.run({ kind: 'empty the trash' }, 'empties the trash', async context => {
      const { packs } = await EmptyTrash.takeFromTrash(trashOf(this.world, this.actor))
      await prune(context, await openForPrune(context), { waits: SAFE_GRACE_PERIODS, dryRun: false }, { snapshots: [], packs })
    })
  }

  /** `named`: an object that must be named too. */
  check({ reading = false, named = '' } = {}): Promise<boolean> {
    return this.run({ kind: 'check' }, reading ? 'checks all data' : 'checks', async context => {
      const result = await check(context, { readData: reading ? 1 : 0 })
      expectAllNamed(this, result, reading)
      if (!result.problems.join().includes(named)) throw new Loss('report', `a check does not name ${named}`)
    })
  }

  get canRepair(): boolean {
    return existsSync(REPAIR)
  }

  async repair(): Promise<boolean> {
    if (!this.canRepair) throw new Loss('offer', 'there is no repair')
    const { repair } = (await import(/* @vite-ignore */ REPAIR.href)) as { repair: Repair }
    const isDone = await this.run({ kind: 'repair' }, 'repairs', async context => {
      await repair(context, { dryRun: false, giveUp: false, trash: trashOf(this.world, this.actor) })
    })
    if (isDone) expectRepaired(this.promises)
    return isDone
  }

  pause(ms = MINUTE): void {
    this.world.time += ms
  }
}
