import { isAppError } from '../../util/errors.ts'
import { sha256Hex } from '../../util/hash.ts'
import { Blame } from '../check/blame.ts'
import { checkPacks } from '../check/packs.ts'
import type { IndexedPack } from '../format/index-object.ts'
import { packName } from '../format/object-names.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'

export interface VerifiedPacks {
  /** Packs whose bytes are those that were stored, as their own directories say; by id. */
  good: Map<string, IndexedPack>
  /** Ids of listed packs whose bytes are others. */
  damaged: Set<string>
}

/**
 * Verifies every listed pack: by the checksum that the store computes, else by reading and decoding it whole. A pack
 * counts as damaged only if it reads wrong twice.
 */
export async function verifyPacks(context: RepositoryContext, repository: OpenRepository): Promise<VerifiedPacks> {
  const { index, view } = repository
  const listed = view.inventory.packs
  const unvouched = new Set([...listed].filter(([id, { sha256 }]) => sha256 !== id).map(([id]) => id))
  const { damaged, own } = await checkPacks(context, repository, new Blame(index), unvouched)
  // a pack whose directory can't be read is in no index
  const known = new Set(index.packs.map(({ id }) => id))
  for (const id of listed.keys()) if (!known.has(id)) damaged.add(id)
  for (const id of damaged) if (!listed.has(id) || (await readsRight(context, id, own.get(id)))) damaged.delete(id)
  for (const id of damaged) own.delete(id)
  return { good: own, damaged }
}

async function readsRight({ storage, signal }: RepositoryContext, id: string, own: IndexedPack | undefined): Promise<boolean> {
  try {
    // a pack that holds other chunks than its own directory says has the right hash, and is of no use either
    return own === undefined && sha256Hex(await storage.get(packName(id), undefined, { signal })) === id
  } catch (error) {
    if (!isAppError(error, 'not-found', 'corrupt', 'bad-range')) throw error
    return error.code === 'not-found'
  }
}
