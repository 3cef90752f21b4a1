import { isAppError, throwIfAborted } from '../../util/errors.ts'
import { decodeIndex, isSamePack, type IndexedPack } from '../format/index-object.ts'
import { indexName } from '../format/object-names.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { IndexWriter } from '../write/index-writer.ts'
import type { VerifiedPacks } from './verify-packs.ts'

export interface IndexRepair {
  indexedPacks: number
  replacedIndexes: number
}

/**
 * Makes indexes say what packs say. Writes a new index with the packs that no readable index names, and with those of
 * indexes that contradict a pack, which it supersedes. Then removes indexes that can't be read.
 */
export async function repairIndexes(
  context: RepositoryContext,
  { view }: OpenRepository,
  { good }: VerifiedPacks,
  dryRun: boolean,
): Promise<IndexRepair> {
  const { storage, surroundings, signal } = context
  const { inventory } = view
  const named = new Set<string>()
  const corrected = new Map<string, IndexedPack>()
  const wrong = new Set<string>()
  for (const { id } of view.activeIndexes) {
    throwIfAborted(signal)
    const packs = await packsIn(context, id)
    if (!packs) continue
    const isWrong = packs.some(pack => contradicts(pack, good.get(pack.id)))
    if (isWrong) {
      wrong.add(id)
      for (const pack of packs) corrected.set(pack.id, good.get(pack.id) ?? pack)
    } else for (const pack of packs) named.add(pack.id)
  }
  const unnamed = [...good.values()].filter(({ id }) => !named.has(id) && !corrected.has(id))
  const unreadable = await findUnreadable(
    context,
    view.activeIndexes.map(({ id }) => id),
    view.supersededIndexes,
    inventory.indexes,
  )
  const packs = [...corrected.values(), ...unnamed]
  if (!dryRun) {
    const replaced = view.activeIndexes.filter(({ id }) => wrong.has(id))
    if (packs.length > 0) await new IndexWriter(storage, view, surroundings).write(packs, signal, replaced)
    for (const id of unreadable) await storage.remove(indexName(id), { signal })
  }
  return { indexedPacks: unnamed.length, replacedIndexes: wrong.size + unreadable.length }
}

function contradicts(indexed: IndexedPack, own: IndexedPack | undefined): boolean {
  return own !== undefined && !isSamePack(indexed, own)
}

/** The packs of an index as it says itself; undefined if it is gone or can't be read. */
async function packsIn({ storage, signal }: RepositoryContext, id: string): Promise<IndexedPack[] | undefined> {
  try {
    return decodeIndex(await storage.get(indexName(id), undefined, { signal }), id).packs
  } catch (error) {
    if (!isAppError(error, 'not-found', 'corrupt')) throw error
    return undefined
  }
}

/** Listed indexes that are damaged: they read wrong twice, at the opening and now. */
async function findUnreadable(
  { storage, signal }: RepositoryContext,
  active: readonly string[],
  superseded: readonly string[],
  listed: ReadonlyMap<string, unknown>,
): Promise<string[]> {
  const known = new Set([...active, ...superseded])
  const unreadable: string[] = []
  for (const id of listed.keys()) {
    if (known.has(id)) continue
    try {
      decodeIndex(await storage.get(indexName(id), undefined, { signal }), id)
    } catch (error) {
      if (isAppError(error, 'corrupt')) unreadable.push(id)
      else if (!isAppError(error, 'not-found')) throw error
    }
  }
  return unreadable
}
