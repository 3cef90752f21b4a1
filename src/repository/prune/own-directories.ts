import { equalBytes } from '../../util/bytes.ts'
import { isAppError } from '../../util/errors.ts'
import { encodeDirectory } from '../format/directory.ts'
import { decodeIndexedPack, isSamePack, type IndexedPack } from '../format/index-object.ts'
import { ChunkIndex } from '../index/chunk-index.ts'
import type { OpenRepository } from '../open/open.ts'
import { visibleDamage } from '../open/load-indexes.ts'
import { readPackTail, type RepositoryView } from '../open/view.ts'

/** What a pack's own directory says about the chunk index. */
export type OwnDirectory =
  | { kind: 'same' }
  /** The chunk index has other entries for this pack: an index lies. */
  | { kind: 'differs'; pack: IndexedPack }
  | { kind: 'unreadable'; why: string }
  /** Another prune has deleted the pack. */
  | { kind: 'gone' }

/** Reads the directory at the end of a pack, in one request if the chunk index is right about its length. */
export async function readOwnDirectory({ storage, index, view, signal }: OpenRepository, pack: number): Promise<OwnDirectory> {
  const { id } = index.packs[pack]!
  const { size } = view.inventory.packs.get(id)!
  const last = index.blocks[index.blocksOf(pack).end - 1]
  const guess = last?.pack === pack ? size - last.offset - last.storedLength : size
  try {
    const { directoryBytes } = await readPackTail(storage, id, size, { signal }, guess > 0 ? guess : undefined)
    if (equalBytes(directoryBytes, encodeDirectory(index.listedBlocks(pack)))) return { kind: 'same' }
    return { kind: 'differs', pack: { id, size, directoryBytes: directoryBytes.slice() } }
  } catch (error) {
    if (isAppError(error, 'not-found')) return { kind: 'gone' }
    if (!isAppError(error, 'corrupt', 'bad-range')) throw error
    return { kind: 'unreadable', why: error.message }
  }
}

/** Replaces the index entries of the packs `own` by what these packs say. Returns the ids of the indexes that lied. */
export function correctIndexes(view: RepositoryView, own: readonly IndexedPack[]): Set<string> {
  const byId = new Map(own.map(pack => [pack.id, pack]))
  const liars = new Set<string>()
  if (byId.size === 0) return liars
  for (const index of view.activeIndexes)
    index.packs = index.packs.map(pack => {
      const right = byId.get(pack.id)
      if (!right || isSamePack(pack, right)) return pack
      liars.add(index.id)
      return right
    })
  return liars
}

/** A chunk index of the same packs with the same numbers, in which the packs `own` have their own directories. */
export function indexWith({ index: old, inventory, tombedPacks }: RepositoryView, own: readonly IndexedPack[]): ChunkIndex {
  const byId = new Map(own.map(pack => [pack.id, pack]))
  const index = new ChunkIndex(old.chunkKeys, old.size)
  for (const [number, info] of old.packs.entries()) {
    const right = byId.get(info.id)
    const { id, size } = right ?? info
    const writable = right ? !tombedPacks.has(id) && !visibleDamage(right, inventory.packs.get(id)!) : info.writable
    const directoryBytes = right?.directoryBytes ?? encodeDirectory(old.listedBlocks(number))
    index.add({ id, size, writable }, decodeIndexedPack({ id, size, directoryBytes }))
  }
  return index
}
