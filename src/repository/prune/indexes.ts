import type { Storage } from '../../storage/storage.ts'
import { isAppError } from '../../util/errors.ts'
import { decodeIndex, type IndexedPack } from '../format/index-object.ts'
import { indexName } from '../format/object-names.ts'
import type { RepositoryContext } from '../open/open.ts'
import type { RepositoryView } from '../open/view.ts'
import { bytesInIndex, IndexWriter } from '../write/index-writer.ts'
import { UPLOAD_MS, type GracePeriods } from './grace-periods.ts'

type ActiveIndex = RepositoryView['activeIndexes'][number]

/** An index that is at most this large is rewritten whenever anything in it is stale. */
const ALWAYS_REWRITE_BYTES = 1024 * 1024

/** The ids of the packs in an index, and of the indexes that it supersedes. */
export interface PastIndex {
  id: string
  packs: string[]
  supersedes: string[]
}

/** Finds the indexes that counted at earlier moments. Reads superseded indexes for this, each once. */
export class IndexHistory {
  private readonly storage: Storage
  private readonly view: RepositoryView
  private readonly signal: AbortSignal | undefined
  /** By id. Undefined: the index is gone or damaged, so it names nothing. */
  private readonly known: Map<string, PastIndex | undefined>

  constructor(storage: Storage, view: RepositoryView, signal?: AbortSignal) {
    this.storage = storage
    this.view = view
    this.signal = signal
    this.known = new Map(view.activeIndexes.map(index => [index.id, pastIndexOf(index)]))
  }

  /**
   * The indexes that counted at `moment`. Reads the newest first, because they supersede most of the others, which then
   * need not be read.
   */
  async at(moment: number): Promise<PastIndex[]> {
    const then = [...this.view.inventory.indexes].filter(([, { created }]) => created <= moment)
    const newestFirst = then.sort(([a, x], [b, y]) => y.created - x.created || (a < b ? 1 : -1)).map(([id]) => id)
    const superseded = new Set<string>()
    const found: PastIndex[] = []
    for (const id of newestFirst) {
      if (superseded.has(id)) continue
      if (!this.known.has(id)) this.known.set(id, await this.read(id))
      const index = this.known.get(id)
      if (!index) continue
      found.push(index)
      for (const old of index.supersedes) superseded.add(old)
    }
    return found.filter(({ id }) => !superseded.has(id))
  }

  private async read(id: string): Promise<PastIndex | undefined> {
    try {
      const bytes = await this.storage.get(indexName(id), undefined, { signal: this.signal })
      return pastIndexOf({ id, ...decodeIndex(bytes, id) })
    } catch (error) {
      if (isAppError(error, 'not-found', 'corrupt')) return undefined
      throw error
    }
  }
}

function pastIndexOf({ id, packs, supersedes }: Pick<ActiveIndex, 'id' | 'packs' | 'supersedes'>): PastIndex {
  return { id, packs: packs.map(pack => pack.id), supersedes }
}

export const packsNamedBy = (indexes: readonly PastIndex[]): Set<string> => new Set(indexes.flatMap(({ packs }) => packs))

/**
 * Rule 9: the packs that a new index may leave out. This run has deleted them, or they are not listed though they
 * existed once, because a tomb older than L or an index older than any upload names them. Any other pack that is not
 * listed may still be uploaded, because an index is uploaded beside its packs.
 */
export async function droppablePacks(
  history: IndexHistory,
  view: RepositoryView,
  deleted: ReadonlySet<string>,
  waits: GracePeriods,
): Promise<Set<string>> {
  const droppable = new Set(deleted)
  if (view.missingPacks.length === 0) return droppable
  const { asOf, tombs } = view.inventory
  const known = packsNamedBy(await history.at(asOf - UPLOAD_MS))
  for (const [id, tomb] of view.tombs) {
    if (tomb.kind === 'packs' && tombs.get(id)!.created <= asOf - waits.lagMs) for (const pack of tomb.packs) known.add(pack)
  }
  for (const { id } of view.missingPacks) if (known.has(id)) droppable.add(id)
  return droppable
}

/**
 * Rule 9: the ids of superseded indexes that may be deleted, because every listing shows an index that supersedes them.
 * `old` are the indexes that counted G ago.
 */
export function deletableIndexes(view: RepositoryView, old: readonly PastIndex[]): string[] {
  return [...new Set(old.flatMap(({ supersedes }) => supersedes))].filter(id => view.inventory.indexes.has(id))
}

export interface IndexChanges {
  /** Ids of packs that a new index may leave out. */
  gone: ReadonlySet<string>
  /** Ids of indexes whose entries were corrected. */
  liars: ReadonlySet<string>
  added: readonly IndexedPack[]
}

/** Writes an index of `added`. Rewrites the indexes that name many packs of `gone`, and those that were corrected. */
export async function writeIndexes(
  { storage, surroundings, signal }: RepositoryContext,
  view: RepositoryView,
  { gone, liars, added }: IndexChanges,
): Promise<void> {
  const stale = view.activeIndexes.filter(index => liars.has(index.id) || isStale(index, gone))
  const kept = stale.flatMap(({ packs }) => packs.filter(({ id }) => !gone.has(id)))
  // all at once: however many indexes are stale, each pack is written once
  const packs = new Map([...kept, ...added].map(pack => [pack.id, pack]))
  if (packs.size + stale.length > 0) await new IndexWriter(storage, view, surroundings).write([...packs.values()], signal, stale)
}

/** Stale entries do no harm, so a large index is rewritten only when more than a third of it is stale. */
function isStale(index: ActiveIndex, gone: ReadonlySet<string>): boolean {
  const stale = index.packs.filter(({ id }) => gone.has(id))
  return stale.length > 0 && (index.size <= ALWAYS_REWRITE_BYTES || bytesInIndex(stale) * 3 > index.size)
}
