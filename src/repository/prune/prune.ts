/*
 * Forgets versions and prunes: marks, sweeps and retires. It deletes no pack before it has read every snapshot that may
 * need it.
 */

import pLimit from 'p-limit'
import { type AppError, isAppError } from '../../util/errors.ts'
import type { IndexedPack } from '../format/index-object.ts'
import { compareSnapshots, indexName, packName, type SnapshotRef } from '../format/object-names.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { adoptPacks, openView, type RepositoryView } from '../open/view.ts'
import type { DatedLabel } from '../versions/versions.ts'
import { copyForMarks } from './copy-for-marks.ts'
import { Decider, type Decision } from './decide.ts'
import type { GracePeriods } from './grace-periods.ts'
import { deletableIndexes, droppablePacks, IndexHistory, writeIndexes } from './indexes.ts'
import { removeLabels, restoreTagged } from './leftovers.ts'
import { correctIndexes, indexWith } from './own-directories.ts'
import { copyBytes, type MarkPlan } from './plan/mark-plan.ts'
import type { Proofs } from './proofs.ts'
import { markReachable, readRoots } from './reachability.ts'
import { Removals } from './removals.ts'
import { dueTimes, retireTombs, writeTombs } from './tombs.ts'
import { readProtection } from './unreadable.ts'

export interface PruneRequest {
  waits: GracePeriods
  dryRun: boolean
  /** A version that this process has just made, and that a listing may not show yet. */
  known?: SnapshotRef | undefined
  /**
   * True where the next version comes soon and pushes out the oldest one. Deltas then stay as long as all that is kept
   * takes no more with them than without: what would be gained now is not worth writing that version whole.
   */
  sparesDeltas?: boolean
}

/** Packs and their bytes. */
export interface Amount {
  packs: number
  bytes: number
}

export interface PruneResult {
  /** Packs that this run has deleted. */
  freed: Amount
  /** Packs that this run has put into a tomb. */
  marked: Amount
  /** Packs in tombs, also in those of this run. `until`: when the last may be deleted, ms by the store's clock. */
  waiting: Amount & { until: number | undefined }
  /** Packs in tombs that are old enough, which are needed until the copies made from them are old enough. */
  held: Amount
  /** Packs that could be deleted, but only by others. `keepers`: who they are. */
  left: Amount & { keepers: string[] }
  /** Packs that no version needs, but maybe a push under way. `until`: when the last may be marked. */
  spared: Amount & { until: number | undefined }
  /** Bytes of new packs that hold copied chunks. An estimate in a dry run. */
  copiedBytes: number
  indexes: number
  tombs: number
  labels: number
  /** Messages about what went wrong without stopping the run. */
  problems: string[]
}

/** A repository opened for deleting. */
export interface PruneBasis {
  repository: OpenRepository
  /** Packs that no listed index names. They are put into the next index. */
  adopted: IndexedPack[]
  labels: DatedLabel[]
}

/**
 * Lists and opens a repository for deleting. Throws if anything can't be read that may protect data: a tomb may
 * name any pack (rule 6), and a label may keep a version.
 */
export async function openForPrune(context: RepositoryContext, known?: SnapshotRef): Promise<PruneBasis> {
  const { storage, signal, pool, reporter } = context
  reporter.progress({ phase: 'listing' })
  const view = await openView(storage, { signal })
  if (view.damagedTomb) throw view.damagedTomb
  const { snapshots } = view.inventory
  if (known && !snapshots.some(({ objectName }) => objectName === known.objectName)) {
    snapshots.push(known)
    snapshots.sort(compareSnapshots)
  }
  const adopted = await adoptPacks(storage, view, { signal })
  const repository = { storage, index: view.index, pool, signal, view }
  return { repository, adopted, labels: await readProtection(repository) }
}

export interface Removal {
  /** Snapshots that were deleted after the listing. */
  snapshots: readonly SnapshotRef[]
  /** Ids of packs that those needed. If no version needs them, they are marked at once, however young they are. */
  packs: ReadonlySet<string>
}

const NOTHING_REMOVED: Removal = { snapshots: [], packs: new Set() }

/**
 * Prunes by rules 7 to 10 of docs/format.md: sweeps, then marks, then retires. The repository is whole after each step,
 * so a prune can continue one that died. `removed` are the snapshots that the caller has deleted since the listing.
 *
 * Time: linear in the plain bytes of all manifests, in the number of copies and bases, and in the bytes that are read
 * to verify or to copy them. It decides again, 50 times at most, when it finds damage.
 */
export async function prune(
  context: RepositoryContext,
  opened: PruneBasis,
  request: PruneRequest,
  removed: Removal = NOTHING_REMOVED,
): Promise<PruneResult> {
  const run = new PruneRun(context, opened, request, removed)
  try {
    await run.run()
    return run.result
  } catch (error) {
    // no pack is deleted yet; another prune may have moved the missing chunks, and the listing did not show it yet
    if (!isAppError(error, 'corrupt')) throw error
    const again = await openForPrune(context, request.known)
    if (!hasOtherPacks(opened, again)) throw error
    const second = new PruneRun(context, again, request, removed)
    await second.run()
    return second.result
  }
}

/** True if another prune has moved chunks: the later listing shows other packs. */
function hasOtherPacks(before: PruneBasis, now: PruneBasis): boolean {
  const [old, packs] = [before, now].map(({ repository }) => repository.view.inventory.packs) as [
    Map<string, unknown>,
    Map<string, unknown>,
  ]
  return old.size !== packs.size || [...old.keys()].some(id => !packs.has(id))
}

class PruneRun {
  readonly result: PruneResult
  private readonly context: RepositoryContext
  private repository: OpenRepository
  private view: RepositoryView
  private readonly adopted: IndexedPack[]
  private readonly labels: readonly DatedLabel[]
  private readonly request: PruneRequest
  private readonly removed: Removal
  /** When each tombed pack may be deleted, by its oldest tomb; ms by the store's clock. */
  private readonly due: ReadonlyMap<string, number>
  private readonly indexes: IndexHistory
  private readonly deleted = new Set<string>()
  private readonly removals: Removals
  /** Ids of indexes that say something else about a pack than the pack itself. They are replaced. */
  private readonly liars: Set<string>
  private outOfSpace: AppError | undefined

  constructor(context: RepositoryContext, { repository, adopted, labels }: PruneBasis, request: PruneRequest, removed: Removal) {
    this.context = context
    this.repository = repository
    this.view = repository.view
    this.adopted = adopted
    this.labels = labels
    this.request = request
    this.removed = removed
    this.due = dueTimes(this.view, request.waits.graceMs)
    this.indexes = new IndexHistory(context.storage, this.view, context.signal)
    this.liars = correctIndexes(this.view, adopted)
    this.removals = new Removals(context)
    this.result = {
      freed: { packs: 0, bytes: 0 },
      marked: { packs: 0, bytes: 0 },
      waiting: { packs: 0, bytes: 0, until: undefined },
      held: { packs: 0, bytes: 0 },
      left: { packs: 0, bytes: 0, keepers: [] },
      spared: { packs: 0, bytes: 0, until: undefined },
      copiedBytes: 0,
      indexes: 0,
      tombs: 0,
      labels: 0,
      problems: this.view.problems.map(({ message }) => message),
    }
  }

  async run(): Promise<void> {
    const { inventory } = this.view
    const { graceMs } = this.request.waits
    if (!this.request.dryRun) await restoreTagged(this.context, this.view, this.labels, this.request.waits)
    const gone = new Set(this.removed.snapshots.map(({ objectName }) => objectName))
    const roots = await readRoots(
      this.repository,
      inventory.snapshots.filter(({ objectName }) => !gone.has(objectName)),
    )
    const { decision, decider } = await this.decide(roots)
    for (const pack of decision.held) add(this.result.held, this.repository.index.packs[pack]!.size)
    await this.sweep(decision.sweep)
    await this.mark(decision.plan, decider)
    this.result.problems = [...new Set([...this.result.problems, ...decider.proofs.problems])]
    if (this.request.dryRun) return
    this.result.tombs = await retireTombs(this.context, this.view, this.deleted, this.request.waits)
    const old = await this.indexes.at(inventory.asOf - graceMs)
    for (const id of deletableIndexes(this.view, old)) {
      if (await this.removals.remove(indexName(id))) this.result.indexes++
    }
    this.result.labels = await removeLabels(this.repository, this.labels, gone, this.request.waits)
    if (this.outOfSpace) throw this.outOfSpace
  }

  private async decide(roots: readonly StoredSnapshot[]): Promise<{ decision: Decision; decider: Decider }> {
    for (;;) {
      const reachable = await markReachable(this.repository, roots)
      const { request, due, indexes, deleted, removed } = this
      const sparesDeltas = request.sparesDeltas ?? false
      const basis = { waits: request.waits, due, indexes, deleted, freed: removed.packs, sparesDeltas }
      const decider = new Decider(this.repository, reachable, basis)
      const decision = await decider.decide()
      if (decision) return { decision, decider }
      await this.believePacks(decider.proofs)
    }
  }

  /** Makes the chunk index say what the packs themselves say. Then no index can lie any more. */
  private async believePacks(proofs: Proofs): Promise<void> {
    await proofs.readAllDirectories()
    this.result.problems.push(...proofs.problems)
    const index = indexWith(this.view, proofs.misdescribed)
    for (const id of correctIndexes(this.view, proofs.misdescribed)) this.liars.add(id)
    this.view = { ...this.view, index }
    this.repository = { ...this.repository, index, view: this.view }
  }

  private async sweep(packs: readonly number[]): Promise<void> {
    const { reporter } = this.context
    const limit = pLimit(4)
    await Promise.all(
      packs.map(pack =>
        limit(async () => {
          const { id, size } = this.repository.index.packs[pack]!
          const name = packName(id)
          const goes = this.request.dryRun ? !this.removals.isLeft(name) : await this.removals.remove(name)
          if (!goes) return this.leave(name, size)
          this.deleted.add(id)
          add(this.result.freed, size)
          reporter.progress({ phase: 'checking', doneFiles: this.deleted.size, totalFiles: packs.length })
        }),
      ),
    )
  }

  /** The tomb of a pack that stays is never lifted, so whoever may delete it still finds it there. */
  private leave(name: string, size: number): void {
    const { left } = this.result
    add(left, size)
    left.keepers = [...new Set([...left.keepers, this.removals.left.get(name)!])].sort()
  }

  /** Rule 7: writes the copies, then the index, then the tomb. */
  private async mark(plan: MarkPlan, decider: Decider): Promise<void> {
    const { index } = this.repository
    const { dryRun, waits } = this.request
    const marks = dryRun
      ? { packs: [...plan.dead, ...plan.rewrite], copied: [], bytes: copyBytes(index, plan), problems: [] }
      : await copyForMarks(this.context, this.repository, plan, changes => decider.plan(changes))
    this.result.problems.push(...marks.problems)
    this.result.copiedBytes = marks.bytes
    this.outOfSpace = marks.outOfSpace
    if (!dryRun) {
      const droppable = await droppablePacks(this.indexes, this.view, this.deleted, waits)
      const named = new Set(this.view.activeIndexes.flatMap(({ packs }) => packs.map(pack => pack.id)))
      const added = [...marks.copied, ...this.adopted.filter(({ id }) => !this.deleted.has(id) && !named.has(id))]
      await writeIndexes(this.context, this.view, { gone: droppable, liars: this.liars, added })
      await writeTombs(
        this.context,
        'packs',
        marks.packs.map(pack => index.packs[pack]!.id),
      )
    }
    for (const pack of marks.packs) add(this.result.marked, index.packs[pack]!.size)
    for (const pack of plan.spared) {
      add(this.result.spared, index.packs[pack]!.size)
      this.result.spared.until = Math.max(this.result.spared.until ?? 0, decider.createdAt(pack) + waits.orphanMs)
    }
    this.countWaiting(marks.packs)
  }

  private countWaiting(marked: readonly number[]): void {
    const { index } = this.repository
    const { waiting } = this.result
    const due = new Map(this.due)
    for (const pack of marked) due.set(index.packs[pack]!.id, this.view.inventory.asOf + this.request.waits.graceMs)
    for (const { id, size } of index.packs) {
      const at = due.get(id)
      if (at === undefined || this.deleted.has(id) || this.removals.left.has(packName(id))) continue
      add(waiting, size)
      waiting.until = Math.max(waiting.until ?? this.view.inventory.asOf, at)
    }
  }
}

function add(amount: Amount, bytes: number): void {
  amount.packs++
  amount.bytes += bytes
}
