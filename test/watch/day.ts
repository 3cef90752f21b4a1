import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SAFE_WAITS } from '../../src/repository/prune/waits.ts'
import { openForReading, type RepositoryContext } from '../../src/repository/context.ts'
import { forget } from '../../src/repository/forget.ts'
import { packsOf } from '../../src/repository/prune/reach.ts'
import type { RetentionPolicy } from '../../src/repository/retention.ts'
import type { StoredSnapshot } from '../../src/repository/snapshot.ts'
import { readSnapshot } from '../../src/repository/versions.ts'
import { FaultyStorage } from '../../src/storage/faulty.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import type { Listing, Storage, StorageOptions } from '../../src/storage/storage.ts'
import { isAppError } from '../../src/util/errors.ts'
import { checkAll, contextOf, pullVersion, pushFolder } from '../helpers/in-process.ts'
import { seededNoise, seededRandom } from '../helpers/trees.ts'

const HOUR = 3_600_000
const POLICY: RetentionPolicy = { last: 5, best: [{ metric: 'val_loss', order: 'min', count: 2 }] }

export interface DayOptions {
  folder: string
  seed: number
  checkpoints: number
  bytes: number
  kills: number
  /** Versions that are restored after each step; all of them after a kill. */
  restorePerStep: number
  onStep?: (step: number) => void
}

/** What went otherwise than promised: an error with the seed, to run it again. */
class BrokenPromise extends Error {}

/** A folder store whose times come from the clock of the day. */
class ClockedFolder extends FolderStorage {
  private readonly day: { ms: number }
  private readonly createdAt = new Map<string, number>()

  constructor(path: string, clock: { ms: number }) {
    super(path)
    this.day = clock
  }

  override async put(name: string, bytes: Uint8Array, options?: StorageOptions): Promise<{ created: number }> {
    await super.put(name, bytes, options)
    if (!this.createdAt.has(name)) this.createdAt.set(name, this.day.ms)
    return { created: this.createdAt.get(name)! }
  }

  override async list(options?: StorageOptions): Promise<Listing> {
    const { objects } = await super.list(options)
    return { asOf: this.day.ms, objects: objects.map(each => ({ ...each, created: this.createdAt.get(each.name) ?? this.day.ms })) }
  }

  override async remove(name: string, options?: StorageOptions): Promise<void> {
    await super.remove(name, options)
    this.createdAt.delete(name)
  }
}

interface Made {
  step: number
  loss: number
  stored: StoredSnapshot
}

/** A day of training: a third of each checkpoint is frozen, the rest is new each time. The machine is lost now and then in the middle of a call. */
export async function trainForADay(options: DayOptions): Promise<{ versions: number; storedBytes: number; unacknowledged: number }> {
  const { folder, seed, checkpoints, bytes, kills, restorePerStep, onStep } = options
  const random = seededRandom(seed)
  const clock = { ms: Date.UTC(2026, 0, 5) }
  const store = new ClockedFolder(join(folder, 'store'), clock)
  const runs = join(folder, 'runs')
  mkdirSync(runs, { recursive: true })
  const killAt = new Set<number>()
  while (killAt.size < kills) killAt.add(1 + Math.floor(random() * (checkpoints - 1)))
  const losses = Array.from({ length: checkpoints }, () => Math.round(random() * 1e6) / 1e6)
  const acknowledged = new Set<number>()
  let machines = 0
  let unacknowledged = 0

  const contentOf = (step: number): Buffer => {
    const frozen = Math.floor(bytes / 3)
    return Buffer.concat([seededNoise(seed, frozen), seededNoise(seed + 1 + step, bytes - frozen)])
  }
  const machine = (storage: Storage): RepositoryContext => {
    const chance = seededRandom(seed * 1000 + ++machines)
    const draw = (length: number): Uint8Array => Uint8Array.from({ length }, () => Math.floor(chance() * 256))
    return contextOf(storage, { surroundings: { now: () => clock.ms, monotonic: () => clock.ms, random: draw } })
  }
  const expect = (holds: boolean, what: string): void => {
    if (!holds) throw new BrokenPromise(`${what} (seed ${seed})`)
  }
  const save = async (context: RepositoryContext, step: number): Promise<void> => {
    const { snapshot } = await pushFolder(context, runs, 'runs', { metrics: { step, val_loss: losses[step]! } })
    acknowledged.add(step)
    const request = { names: ['runs'], policy: POLICY, all: false, known: snapshot?.ref, waits: SAFE_WAITS, dryRun: false }
    const { failure } = await forget(context, request)
    if (failure) throw failure
  }
  const versions = async (context: RepositoryContext): Promise<Made[]> => {
    const repository = await openForReading(context)
    const all = await Promise.all(repository.view.inventory.snapshots.map(ref => readSnapshot(repository.storage, ref)))
    return all.map(stored => ({ step: stored.metrics.step!, loss: stored.metrics.val_loss!, stored })).sort((a, b) => a.step - b.step)
  }
  const restore = async (context: RepositoryContext, { step, stored }: Made): Promise<void> => {
    const out = join(folder, 'out')
    await pullVersion(context, `runs@${stored.id}`, out)
    expect(readFileSync(join(out, 'model.bin')).equals(contentOf(step)), `checkpoint ${step} came back otherwise`)
    rmSync(out, { recursive: true })
  }

  let context = machine(store)
  let before: number[] = []
  for (let step = 0; step < checkpoints; step++) {
    clock.ms += (24 * HOUR) / checkpoints
    writeFileSync(join(runs, 'model.bin'), contentOf(step))
    const killed = killAt.has(step)
    if (killed) {
      const last = 1 + Math.floor(random() * 14)
      const dying = new FaultyStorage(store, ({ total }) => (total > last ? { fault: 'error', code: 'unavailable' } : undefined))
      await save(machine(dying), step).catch((error: unknown) => {
        if (!isAppError(error, 'unavailable')) throw error
      })
      context = machine(store)
    } else await save(context, step)

    const there = await versions(context)
    const steps = there.map(made => made.step)
    const candidates = [...before, ...(acknowledged.has(step) ? [step] : [])]
    const wanted = keptOf(candidates, losses)
    // a version that was made, and its maker lost before it knew, may push another one out
    const also = keptOf(steps.includes(step) ? [...before, step] : before, losses)
    expect(
      also.every(each => steps.includes(each)) && (steps.includes(step) || !acknowledged.has(step)),
      `of ${wanted.join()} only ${steps.join()} are there after step ${step}`,
    )
    if (!killed) expect(steps.join() === wanted.join(), `${steps.join()} are there after step ${step}, not ${wanted.join()}`)
    else if (steps.includes(step) && !acknowledged.has(step)) unacknowledged++
    const chosen = killed || restorePerStep >= there.length ? there : there.slice(-1).concat(there.slice(0, restorePerStep - 1))
    for (const made of chosen) await restore(context, made)
    before = steps
    onStep?.(step)
  }

  // nothing is left over but what waits, each for its time
  await expectNoLeak(context, clock.ms, kills * 2 * bytes * 1.01, expect)
  for (let hours = 0; hours < 30; hours += 2) {
    clock.ms += 2 * HOUR
    await forget(context, { names: ['runs'], policy: POLICY, all: false, waits: SAFE_WAITS, dryRun: false })
  }
  const last = await versions(context)
  for (const made of last) await restore(context, made)
  const { problems, affected } = await checkAll(context)
  expect(problems.length + affected.length === 0, 'check finds damage')
  const { objects } = await store.list()
  const storedBytes = objects.reduce((sum, { size }) => sum + size, 0)
  const live = bytes / 3 + (last.length * bytes * 2) / 3
  expect(!objects.some(({ name }) => name.startsWith('tomb-')), 'tombs are left a day later')
  expect(storedBytes <= live * 1.5 + 200_000, `${storedBytes} bytes are stored for ${Math.round(live)} that are live`)
  return { versions: last.length, storedBytes, unacknowledged }
}

/** The policy once more, in other words. */
function keptOf(steps: readonly number[], losses: readonly number[]): number[] {
  const best = [...steps].sort((a, b) => losses[a]! - losses[b]! || b - a).slice(0, 2)
  return [...steps].sort((a, b) => a - b).filter((step, i, all) => i >= all.length - 5 || best.includes(step))
}

/** What no version needs waits in a tomb, for hours at most, or is what a lost machine left, for a day at most. */
async function expectNoLeak(
  context: RepositoryContext,
  now: number,
  leftBytes: number,
  expect: (holds: boolean, what: string) => void,
): Promise<void> {
  const repository = await openForReading(context)
  const { inventory, tombs, tombedPacks } = repository.view
  const snapshots = await Promise.all(inventory.snapshots.map(ref => readSnapshot(repository.storage, ref)))
  const live = await packsOf(repository, snapshots)
  const dead = [...inventory.packs].filter(([id]) => !live.has(id) && !tombedPacks.has(id))
  const bytes = dead.reduce((sum, [, { size }]) => sum + size, 0)
  expect(
    dead.every(([, { created }]) => now - created <= SAFE_WAITS.orphanMs),
    'packs older than a day are needed by nobody and wait for nothing',
  )
  expect(bytes <= leftBytes, `${bytes} bytes of packs are needed by nobody and in no tomb`)
  for (const [id, tomb] of tombs) {
    const waits = 'packs' in tomb && tomb.packs.some(pack => inventory.packs.has(pack))
    expect(!waits || now - inventory.tombs.get(id)!.created <= 3 * HOUR, 'packs wait in a tomb for longer than they have to')
  }
}
