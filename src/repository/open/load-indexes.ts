import type { StoredObject } from '../../storage/storage.ts'
import type { ChunkKeys } from '../../util/chunk-keys.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { freeUnusedBuffers } from '../../util/memory/unused-memory.ts'
import { formatCount, plural } from '../../util/words.ts'
import { decodeIndexedPack, isSamePack, type IndexedPack } from '../format/index-object.ts'
import type { Inventory } from '../format/object-names.ts'
import { ChunkIndex } from '../index/chunk-index.ts'
import { LazyIndexedPack } from './lazy-indexed-pack.ts'

/**
 * Bytes of indexes between two garbage collections. Without these, the indexes of a very large repository would be in
 * memory beside the chunk index.
 */
const FREE_EVERY_BYTES = 64 * 1024 * 1024

export interface LoadedIndexes {
  index: ChunkIndex
  /** As in `RepositoryView`. */
  unindexedPacks: string[]
  missingPacks: IndexedPack[]
}

/**
 * Makes one chunk index of the packs in `active`. Their directories are then only in this chunk index. Adds damage to
 * `problems`. If two indexes differ about a pack, it believes neither: the pack counts as unindexed, so its own
 * directory is read. Time and memory: linear in the bytes of the indexes.
 */
export function buildChunkIndex(
  chunkKeys: ChunkKeys,
  inventory: Inventory,
  active: { id: string; size: number; packs: IndexedPack[] }[],
  tombedPacks: ReadonlySet<string>,
  problems: AppError[],
): LoadedIndexes {
  const unindexed = new Set(inventory.packs.keys())
  for (const { packs } of active) for (const { id } of packs) unindexed.delete(id)
  const disputed = findDisputed(inventory, active, problems)
  for (const id of disputed) unindexed.add(id)
  const missing = new Map<string, IndexedPack>()
  const held = new Map<string, LazyIndexedPack>()
  const index = new ChunkIndex(
    chunkKeys,
    active.reduce((sum, { packs }) => sum + mostChunks(packs), 0),
  )
  const take = (pack: IndexedPack, listed: StoredObject, writable: boolean): IndexedPack => {
    const damage = visibleDamage(pack, listed)
    if ((damage === undefined && !tombedPacks.has(pack.id)) !== writable) return pack
    if (damage) problems.push(damage)
    try {
      const directory = decodeIndexedPack(pack)
      held.set(pack.id, new LazyIndexedPack(pack, index, index.packs.length))
      index.add({ id: pack.id, size: pack.size, writable }, directory)
      unindexed.delete(pack.id)
    } catch (error) {
      if (!isAppError(error, 'corrupt')) throw error
      problems.push(error)
      unindexed.add(pack.id)
    }
    return held.get(pack.id) ?? pack
  }
  // writable packs come first: then a reader reads a tombed pack only for chunks that no other pack holds
  let done = 0
  for (const writable of [true, false]) {
    for (const each of active) {
      each.packs = each.packs.map(pack => {
        const listed = inventory.packs.get(pack.id)
        if (disputed.has(pack.id)) return pack
        if (listed) return held.get(pack.id) ?? take(pack, listed, writable)
        if (!missing.has(pack.id)) missing.set(pack.id, { ...pack, directoryBytes: pack.directoryBytes.slice() })
        return missing.get(pack.id)!
      })
      done += each.size
      if (done < FREE_EVERY_BYTES) continue
      freeUnusedBuffers(done, 'major')
      done = 0
    }
  }
  return { index, unindexedPacks: [...unindexed], missingPacks: [...missing.values()] }
}

/** Each chunk takes at least the bytes of its id and one more byte in a directory. */
function mostChunks(packs: readonly IndexedPack[]): number {
  return packs.reduce((sum, { directoryBytes }) => sum + Math.floor(directoryBytes.length / (HASH_BYTES + 1)), 0)
}

/** The listed packs of which indexes say different things. */
function findDisputed(inventory: Inventory, active: readonly { id: string; packs: IndexedPack[] }[], problems: AppError[]): Set<string> {
  const disputed = new Set<string>()
  const named = new Map<string, { by: string; pack: IndexedPack }>()
  for (const { id: by, packs } of active)
    for (const pack of packs) {
      const other = named.get(pack.id)
      if (!other) named.set(pack.id, { by, pack })
      else if (!inventory.packs.has(pack.id) || disputed.has(pack.id) || isSamePack(pack, other.pack)) continue
      else {
        disputed.add(pack.id)
        const [one, two] = [other.by, by].map(id => id.slice(0, 12))
        const what = `Indexes ${one} and ${two} differ about pack ${pack.id.slice(0, 12)}: the pack's own directory is used instead`
        problems.push(new AppError('corrupt', what))
      }
    }
  return disputed
}

/** The damage of a pack that the listing shows. */
export function visibleDamage(pack: Pick<IndexedPack, 'id' | 'size'>, listed: StoredObject): AppError | undefined {
  const what = (damage: string): AppError => new AppError('corrupt', `Pack ${pack.id.slice(0, 12)} is damaged: ${damage}`)
  if (listed.size !== pack.size) return what(`it has ${plural(listed.size, 'byte')} instead of ${formatCount(pack.size)}`)
  if (listed.sha256 !== undefined && listed.sha256 !== pack.id) return what("the store's checksum of it is not the one in its name")
  return undefined
}
