import { takeInventory, type Inventory } from '../../repository/format/object-names.ts'
import type { RepositoryContext } from '../../repository/open/open.ts'
import {
  listTrash,
  measureTrash,
  refuseTrashed,
  takeFromTrash,
  type EmptiedTrash,
  type TrashedObjects,
} from '../../repository/prune/empty-trash.ts'
import { NO_GRACE_PERIODS, SAFE_GRACE_PERIODS } from '../../repository/prune/grace-periods.ts'
import { removeLabelsOf } from '../../repository/prune/leftovers.ts'
import { pruneNow } from '../../repository/prune/prune-now.ts'
import { openForPrune, prune } from '../../repository/prune/prune.ts'
import { reallyForgotten } from '../../repository/prune/unforget.ts'
import { plural } from '../../ui/format.ts'
import { AppError, NO_REPOSITORY } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { canAsk, confirm, unlessDeclined } from '../shared/prompt.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { describePruned, pruneToJson, refuseMounted } from '../shared/space-report.ts'
import { chooseStore, type Store } from '../shared/store.ts'
import { amountOf, describeTrash } from '../shared/trash-report.ts'

export interface PruneOptions {
  now?: boolean
  yes?: boolean
  dryRun?: boolean
  emptyTrash?: boolean
}

/** Deletes data that no version needs. */
export function pruneCommand(session: Session, options: PruneOptions): Promise<Outcome> {
  return unlessDeclined(session, () => pruneStore(session, options))
}

async function pruneStore(session: Session, options: PruneOptions): Promise<Outcome> {
  const store = await chooseStore(session)
  refuseMounted(store)
  const dryRun = options.dryRun === true
  const context = session.context(store.storage, 0)
  const { signal, trash } = session
  if (options.emptyTrash === true && !trash) session.console.reporter.note(`${store.storage.location} has no trash`)
  if (options.emptyTrash === true) requireRepository(store, takeInventory(await store.storage.list({ signal })))
  if (!dryRun && (options.now === true || options.emptyTrash === true) && canAsk(session, options.yes === true))
    await confirmLoss(session, context, options)
  const emptied = options.emptyTrash === true && !dryRun && trash ? await takeFromTrash(trash, { signal }) : undefined
  const left = emptied ? [] : await listTrash(trash, { signal })
  if (!dryRun) refuseTrashed(left)
  const trashed = emptied?.trashed ?? measureTrash(left)
  const opened = await openForPrune(context)
  if (emptied) await removeLabelsOf(context, opened, emptied.versions)
  requireRepository(store, opened.repository.view.inventory)
  // packs from the trash that no version needs are marked at once, however new they are; then they wait like any other
  const removed = { snapshots: [], packs: emptied?.packs ?? new Set<string>() }
  const waits = options.now === true ? NO_GRACE_PERIODS : SAFE_GRACE_PERIODS
  const isNow = options.now === true && !dryRun
  const result = isNow ? await pruneNow(context, opened, removed) : await prune(context, opened, { waits, dryRun }, removed)
  for (const problem of result.problems) session.console.reporter.warn(problem)
  session.console.result(
    [
      `${dryRun ? 'Dry run: would prune' : 'Pruned'} ${store.storage.location}`,
      ...trashLines(trashed, emptied !== undefined),
      ...leftLines(emptied?.left ?? []),
      ...describePruned(result, dryRun),
    ],
    {
      command: 'prune',
      dryRun,
      ...pruneToJson(result),
      trash: { ...trashed, emptied: emptied !== undefined },
    },
  )
  if (result.problems.length > 0) return 'damaged'
  return result.left.packs > 0 || (emptied?.left.length ?? 0) > 0 ? 'partly' : 'done'
}

/** Asks if what goes can't be brought back by anybody. What is asked about is looked at again afterwards. */
async function confirmLoss(session: Session, context: RepositoryContext, { now, emptyTrash }: PruneOptions): Promise<void> {
  const losses: string[] = []
  if (now === true) {
    const opened = await openForPrune(context)
    const forgotten = (await reallyForgotten(opened.repository, 0)).length
    const { freed, marked } = await prune(context, opened, { waits: NO_GRACE_PERIODS, dryRun: true })
    const bytes = freed.bytes + marked.bytes
    const versions = forgotten === 0 ? '' : `, and with it ${plural(forgotten, 'forgotten version')} that unforget could bring back`
    if (bytes > 0) losses.push(`${formatBytes(bytes)} that no version needs, without waiting for other machines${versions}`)
  }
  if (emptyTrash === true) {
    const { versions } = measureTrash(await listTrash(session.trash, { signal: session.signal }))
    if (versions > 0) losses.push(`${plural(versions, 'version')} in Drive's trash`)
  }
  if (losses.length > 0) await confirm(session, `Delete for good: ${losses.join('; ')}?`)
}

function requireRepository({ storage: { location } }: Store, { hasConfig, snapshots }: Inventory): void {
  if (hasConfig || snapshots.length > 0) return
  throw new AppError('not-found', `${location} holds no repository.`, {
    reason: NO_REPOSITORY,
    hint: '`colab-escape use` shows which store counts here, and why; a first `colab-escape push <path>` creates one.',
  })
}

function leftLines(left: EmptiedTrash['left']): string[] {
  if (left.length === 0) return []
  const keepers = [...new Set(left.map(({ keeper }) => keeper))].sort().join(', ')
  return [`  ${plural(left.length, 'object')} stay in Drive's trash: only ${keepers} can put them back or delete them`]
}

function trashLines(trashed: TrashedObjects, emptied: boolean): string[] {
  if (trashed.objects === 0) return []
  if (!emptied) return [`  ${describeTrash(trashed)}`]
  return [
    `  took ${amountOf(trashed)} out of Drive's trash${trashed.versions === 0 ? '' : `, deleted ${plural(trashed.versions, 'version')} permanently`}`,
  ]
}
