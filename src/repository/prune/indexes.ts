import type { Storage } from '../../storage/storage.ts'
import { isAppError } from '../../util/errors.ts'
import { decodeIndex, type IndexedPack } from '../format/index-object.ts'
import { indexName } from '../format/object-names.ts'
import type { RepositoryContext } from '../open/open.ts'
import type { RepositoryView } from '../open/view.ts'
import { bytesInIndex, IndexWriter } from '../write/index-writer.ts'
import { UPLOAD_MS, type GracePeriods } from './grace-periods.ts'

type ActiveIndex = RepositoryView['activeIndexes'][number]

/** Indexes up to this are written anew for whatever is stale in them. */
const ALWAYS_REWRITE_BYTES = 1024 * 1024

/**
 * The indexes that count among those which were there at `moment`: what every listing shows by now. Those that newer ones supersede are read for this, the
 * newest first, because it names most of the others as superseded.
 */
export async function indexesAsOf(storage: Storage, view: RepositoryView, moment: number, signal?: AbortSignal): Promise<ActiveIndex[]> {
  const known = new Map(view.activeIndexes.map(index => [index.id, index]))
  const then = [...view.inventory.indexes].filter(([, { created }]) => created <= moment)
  const newestFirst = then.sort(([a, x], [b, y]) => y.created - x.created || (a < b ? 1 : -1)).map(([id]) => id)
  const superseded = new Set<string>()
  const found: ActiveIndex[] = []
  for (const id of newestFirst) {
    if (superseded.has(id)) continue
    const index = known.get(id) ?? (await readIndex(storage, id, signal))
    if (!index) continue
    found.push(index)
    for (const old of index.supersedes) superseded.add(old)
  }
  return found.filter(({ id }) => !superseded.has(id))
}

/** Undefined for one that is gone or damaged: it names nothing. */
async function readIndex(storage: Storage, id: string, signal: AbortSignal | undefined): Promise<ActiveIndex | undefined> {
  try {
    const bytes = await storage.get(indexName(id), undefined, { signal })
    return { id, size: bytes.length, ...decodeIndex(bytes, id) }
  } catch (error) {
    if (isAppError(error, 'not-found', 'corrupt')) return undefined
    throw error
  }
}

export const packsNamedBy = (indexes: readonly ActiveIndex[]): Set<string> =>
  new Set(indexes.flatMap(({ packs }) => packs.map(({ id }) => id)))

/**
 * Rule 9: the packs that a new index may leave out: deleted by this run, or missing though they were there once, since a tomb older than L names them, or
 * named by an index so old that no upload of them can be under way. Any other that is not listed may be on its way: an index goes up side by side with its packs.
 */
export async function droppablePacks(
  storage: Storage,
  view: RepositoryView,
  deleted: ReadonlySet<string>,
  waits: GracePeriods,
  signal?: AbortSignal,
): Promise<Set<string>> {
  const droppable = new Set(deleted)
  if (view.missingPacks.length === 0) return droppable
  const { asOf, tombs } = view.inventory
  const known = packsNamedBy(await indexesAsOf(storage, view, asOf - UPLOAD_MS, signal))
  for (const [id, tomb] of view.tombs) {
    if ('packs' in tomb && tombs.get(id)!.created <= asOf - waits.lagMs) for (const pack of tomb.packs) known.add(pack)
  }
  for (const { id } of view.missingPacks) if (known.has(id)) droppable.add(id)
  return droppable
}

/** Rule 9: the superseded indexes that may be deleted, because each listing shows what supersedes them. `old` are the indexes as of G ago. */
export function deletableIndexes(view: RepositoryView, old: readonly ActiveIndex[]): string[] {
  return [...new Set(old.flatMap(({ supersedes }) => supersedes))].filter(id => view.inventory.indexes.has(id))
}

/** Puts `added` into an index, and writes those anew that name much of what is `gone`. */
export async function writeIndexes(
  { storage, surroundings, signal }: RepositoryContext,
  view: RepositoryView,
  gone: ReadonlySet<string>,
  added: readonly IndexedPack[],
): Promise<void> {
  const stale = view.activeIndexes.filter(index => isStale(index, gone))
  const writer = new IndexWriter(storage, view, surroundings)
  for (const index of stale)
    await writer.write(
      index.packs.filter(({ id }) => !gone.has(id)),
      signal,
      [index],
    )
  if (added.length > 0) await writer.write(added, signal)
}

/** Stale entries do no harm; so a large index is written anew only when more than a third of it is. */
function isStale(index: ActiveIndex, gone: ReadonlySet<string>): boolean {
  const stale = index.packs.filter(({ id }) => gone.has(id))
  return stale.length > 0 && (index.size <= ALWAYS_REWRITE_BYTES || bytesInIndex(stale) * 3 > index.size)
}
