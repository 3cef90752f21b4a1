/*
 * Gives up versions and frees what none needs: forgetting, marking, copying, tombs, and the deletion that follows a
 * grace period. It never deletes without having read all that might need it.
 */

import pLimit from 'p-limit'
import { type AppError, isAppError } from '../../util/errors.ts'
import type { IndexedPack } from '../format/index-object.ts'
import { compareSnapshots, indexName, packName, type SnapshotRef } from '../format/object-names.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { adoptPacks, openView, type RepositoryView } from '../open/view.ts'
import { copyForMarks } from './copy-for-marks.ts'
import type { GracePeriods } from './grace-periods.ts'
import { deletableIndexes, droppablePacks, indexesAsOf, packsNamedBy, writeIndexes } from './indexes.ts'
import { removeLabels, removeLate } from './leftovers.ts'
import { BackedCopies } from './plan/backed-copies.ts'
import type { MarkOptions } from './plan/choose-copies.ts'
import { copyBytes, type MarkPlan, planMarks } from './plan/mark-plan.ts'
import { neededPacks } from './plan/needed-packs.ts'
import type { Reachability } from './plan/reachable-chunks.ts'
import { markReachable, readRoots } from './reachability.ts'
import { retireTombs, writeTombs } from './tombs.ts'

export interface PruneRequest {
  waits: GracePeriods
  dryRun: boolean
  /** A version that this run has made and that a listing may not show yet. */
  known?: SnapshotRef | undefined
}

/** Packs and their bytes. */
export interface Amount {
  packs: number
  bytes: number
}

export interface PruneResult {
  /** Deleted for good. */
  freed: Amount
  /** Put into a tomb by this run. */
  marked: Amount
  /** In tombs, these of this run among them; `until`: when the last of them may go, ms by the store's clock. */
  waiting: Amount & { until: number | undefined }
  /** In tombs for long enough, but needed until what was copied from them is old enough. */
  held: Amount
  /** No version refers to them; a push may be under way that will. `until`: when the last of them may be marked. */
  spared: Amount & { until: number | undefined }
  /** Bytes of new packs that hold what was still needed of others; in a dry run about so many. */
  copiedBytes: number
  indexes: number
  tombs: number
  labels: number
  lateSnapshots: number
  /** What went wrong without stopping the run, in words. */
  problems: string[]
}

/**
 * A repository opened for deleting. Packs that no index names yet are in `adopted`: they go into the next index. Throws when a tomb can't be read, because it
 * might name any pack.
 */
export interface OpenForPrune {
  repository: OpenRepository
  adopted: IndexedPack[]
}

export async function openForPrune(context: RepositoryContext, known?: SnapshotRef): Promise<OpenForPrune> {
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
  return { repository: { storage, index: view.index, pool, signal, view }, adopted }
}

export interface Removed {
  /** Snapshots that were deleted after the listing: no roots any more. */
  snapshots: readonly SnapshotRef[]
  /** Packs that those reached: marked at once where nothing else needs them. */
  packs: ReadonlySet<string>
}

const NOTHING_REMOVED: Removed = { snapshots: [], packs: new Set() }

/**
 * Frees what no version needs, by rules 7 to 10 of docs/format.md: deletes what tombs that are old enough name, then marks anew. Each step leaves a repository
 * that is whole, so a run that dies is continued by the next. `removed` is what the caller has deleted since the listing.
 */
export async function prune(
  context: RepositoryContext,
  opened: OpenForPrune,
  request: PruneRequest,
  removed: Removed = NOTHING_REMOVED,
): Promise<PruneResult> {
  const run = new PruneRun(context, opened, request, removed)
  try {
    await run.run()
    return run.result
  } catch (error) {
    // reading comes before deleting: what is missing may only have been moved by another prune, which this listing did not show yet
    if (!isAppError(error, 'corrupt')) throw error
    const again = await openForPrune(context, request.known)
    if (!hasOtherPacks(opened, again)) throw error
    const second = new PruneRun(context, again, request, removed)
    await second.run()
    return second.result
  }
}

/** Listings show new packs late, and deleted ones for a while: either tells that something has moved. */
function hasOtherPacks(before: OpenForPrune, now: OpenForPrune): boolean {
  const [old, packs] = [before, now].map(({ repository }) => repository.view.inventory.packs) as [
    Map<string, unknown>,
    Map<string, unknown>,
  ]
  return old.size !== packs.size || [...old.keys()].some(id => !packs.has(id))
}

class PruneRun {
  readonly result: PruneResult
  private readonly context: RepositoryContext
  private readonly repository: OpenRepository
  private readonly view: RepositoryView
  private readonly adopted: IndexedPack[]
  private readonly request: PruneRequest
  private readonly removed: Removed
  private readonly deleted = new Set<string>()
  private outOfSpace: AppError | undefined

  constructor(context: RepositoryContext, { repository, adopted }: OpenForPrune, request: PruneRequest, removed: Removed) {
    this.context = context
    this.repository = repository
    this.view = repository.view
    this.adopted = adopted
    this.request = request
    this.removed = removed
    this.result = {
      freed: { packs: 0, bytes: 0 },
      marked: { packs: 0, bytes: 0 },
      waiting: { packs: 0, bytes: 0, until: undefined },
      held: { packs: 0, bytes: 0 },
      spared: { packs: 0, bytes: 0, until: undefined },
      copiedBytes: 0,
      indexes: 0,
      tombs: 0,
      labels: 0,
      lateSnapshots: 0,
      problems: this.view.problems.map(({ message }) => message),
    }
  }

  async run(): Promise<void> {
    const { storage, signal } = this.context
    const { inventory } = this.view
    const { graceMs } = this.request.waits
    const gone = new Set(this.removed.snapshots.map(({ objectName }) => objectName))
    const roots = await readRoots(
      this.repository,
      inventory.snapshots.filter(({ objectName }) => !gone.has(objectName)),
    )
    const reached = await markReachable(this.repository, roots)
    const plan = planMarks(this.repository.index, reached, this.markOptions())

    const sweeping = await this.sweepable(reached)
    await this.sweep(sweeping)
    await this.mark(plan, reached)
    if (this.request.dryRun) return
    this.result.tombs = await retireTombs(this.context, this.view, this.deleted, this.request.waits)
    const old = await indexesAsOf(storage, this.view, inventory.asOf - graceMs, signal)
    for (const id of deletableIndexes(this.view, old)) {
      await storage.remove(indexName(id), { signal })
      this.result.indexes++
    }
    for (const name of await removeLate(this.repository, reached.incomplete)) {
      gone.add(name)
      this.result.lateSnapshots++
    }
    this.result.labels = await removeLabels(this.repository, gone, this.request.waits)
    if (this.outOfSpace) throw this.outOfSpace
  }

  /** When each tombed pack may go, by its oldest tomb; ms by the store's clock. */
  private dueTimes(): Map<string, number> {
    const due = new Map<string, number>()
    for (const [id, tomb] of this.view.tombs) {
      if (!('packs' in tomb)) continue
      const at = this.view.inventory.tombs.get(id)!.created + this.request.waits.graceMs
      for (const pack of tomb.packs) due.set(pack, Math.min(at, due.get(pack) ?? Infinity))
    }
    return due
  }

  private createdAt(pack: number): number {
    return this.view.inventory.packs.get(this.repository.index.packs[pack]!.id)!.created
  }

  /** Rule 8: packs, by number, that may be deleted now. */
  private async sweepable(reached: Reachability): Promise<number[]> {
    const { index, storage, signal } = this.repository
    const { asOf } = this.view.inventory
    const due = this.dueTimes()
    const candidates = index.packs.flatMap(({ id }, pack) => ((due.get(id) ?? Infinity) <= asOf ? [pack] : []))
    if (candidates.length === 0) return []
    const shown = asOf - this.request.waits.lagMs
    const named = packsNamedBy(await indexesAsOf(storage, this.view, shown, signal))
    const backing = new BackedCopies(index, pack => {
      const { id, writable } = index.packs[pack]!
      return writable && named.has(id) && this.createdAt(pack) <= shown
    })
    const needed = neededPacks(index, reached, backing)
    for (const pack of candidates.filter(pack => needed.has(pack))) add(this.result.held, index.packs[pack]!.size)
    return candidates.filter(pack => !needed.has(pack))
  }

  private async sweep(packs: readonly number[]): Promise<void> {
    const { storage, signal, reporter } = this.context
    const limit = pLimit(4)
    await Promise.all(
      packs.map(pack =>
        limit(async () => {
          const { id, size } = this.repository.index.packs[pack]!
          if (!this.request.dryRun) await storage.remove(packName(id), { signal })
          this.deleted.add(id)
          add(this.result.freed, size)
          reporter.progress({ phase: 'checking', doneFiles: this.deleted.size, totalFiles: packs.length })
        }),
      ),
    )
  }

  private markOptions(): MarkOptions {
    const { index } = this.repository
    const { asOf } = this.view.inventory
    return {
      stateOf: pack => {
        const { id, writable } = index.packs[pack]!
        if (this.view.tombedPacks.has(id)) return 'tombed'
        return writable ? 'usable' : 'damaged'
      },
      isSpared: pack => !this.removed.packs.has(index.packs[pack]!.id) && this.createdAt(pack) > asOf - this.request.waits.orphanMs,
    }
  }

  /** Rule 7: copies first, then the index, then the tomb. */
  private async mark(plan: MarkPlan, reached: Reachability): Promise<void> {
    const { index } = this.repository
    const { dryRun, waits } = this.request
    const marks = dryRun
      ? { packs: [...plan.dead, ...plan.rewrite], copied: [], bytes: copyBytes(index, plan), problems: [] }
      : await copyForMarks(this.context, this.repository, plan, changes => planMarks(index, reached, { ...this.markOptions(), ...changes }))
    this.result.problems.push(...marks.problems)
    this.result.copiedBytes = marks.bytes
    this.outOfSpace = marks.outOfSpace
    if (!dryRun) {
      const { storage, signal } = this.context
      const droppable = await droppablePacks(storage, this.view, this.deleted, waits, signal)
      const added = [...marks.copied, ...this.adopted.filter(({ id }) => !this.deleted.has(id))]
      await writeIndexes(this.context, this.view, droppable, added)
      await writeTombs(
        this.context,
        'packs',
        marks.packs.map(pack => index.packs[pack]!.id),
      )
    }
    for (const pack of marks.packs) add(this.result.marked, index.packs[pack]!.size)
    for (const pack of plan.spared) {
      add(this.result.spared, index.packs[pack]!.size)
      this.result.spared.until = Math.max(this.result.spared.until ?? 0, this.createdAt(pack) + waits.orphanMs)
    }
    this.tellWaiting(marks.packs)
  }

  private tellWaiting(marked: readonly number[]): void {
    const { index } = this.repository
    const { waiting } = this.result
    const due = this.dueTimes()
    for (const pack of marked) due.set(index.packs[pack]!.id, this.view.inventory.asOf + this.request.waits.graceMs)
    for (const { id, size } of index.packs) {
      const at = due.get(id)
      if (at === undefined || this.deleted.has(id)) continue
      add(waiting, size)
      waiting.until = Math.max(waiting.until ?? this.view.inventory.asOf, at)
    }
  }
}

function add(amount: Amount, bytes: number): void {
  amount.packs++
  amount.bytes += bytes
}
