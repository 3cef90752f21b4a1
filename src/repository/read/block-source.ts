import type { CompressionPool } from '../../compression/pool.ts'
import type { Storage } from '../../storage/storage.ts'
import { equalBytes } from '../../util/bytes.ts'
import type { ChunkKeys } from '../../util/chunk-keys.ts'
import { AppError, corrupt, isAppError, missing } from '../../util/errors.ts'
import { toHex } from '../../util/hash.ts'
import { packName } from '../format/object-names.ts'
import type { ChunkIndex } from '../index/chunk-index.ts'

/** Where blocks are read from. */
export interface BlockSource {
  storage: Storage
  index: ChunkIndex
  pool: CompressionPool
  signal?: AbortSignal | undefined
  /**
   * Lists again and adds the packs that the index lacks: a prune may have moved the content of a pack that is gone.
   * Returns true if there were any.
   */
  renew?: () => Promise<boolean>
}

/** Whether a chunk with these bytes has this id. */
export function chunkMatches({ chunkKeys }: { chunkKeys: ChunkKeys }, id: Uint8Array, bytes: Uint8Array): boolean {
  return equalBytes(chunkKeys.idOf(bytes), id)
}

export function shortId(id: Uint8Array): string {
  return toHex(id).slice(0, 12)
}

/** A copy of a chunk, in words. */
export function describeCopy(index: ChunkIndex, entry: number): string {
  return `chunk ${shortId(index.id(entry))} in pack ${index.packs[index.packOf(entry)]!.id.slice(0, 12)}`
}

/**
 * Bytes of a pack, or the damage that keeps them from being read. If the pack is `tooShort`, some may still be there.
 */
export type PackBytes = { kind: 'read'; bytes: Uint8Array } | { kind: 'damaged'; error: AppError; tooShort: boolean }

/** Reads a range of a pack. Throws if the store fails in another way than by damage. */
export async function readPackRange(
  { storage, index, signal }: BlockSource,
  pack: number,
  range: { offset: number; length: number },
): Promise<PackBytes> {
  const { id } = index.packs[pack]!
  try {
    return { kind: 'read', bytes: await storage.get(packName(id), { offset: range.offset, length: range.length }, { signal }) }
  } catch (error) {
    // io: a bad sector of a disk, which spares the other packs
    if (!isAppError(error, 'not-found', 'bad-range', 'corrupt', 'io')) throw error
    const what = `Pack ${id.slice(0, 12)}`
    if (error.code === 'not-found') return { kind: 'damaged', error: missing(what, 'it is missing'), tooShort: false }
    if (error.code === 'io')
      return {
        kind: 'damaged',
        error: new AppError('corrupt', `${what} can't be read: ${error.message}`, {
          ...(error.hint === undefined ? {} : { hint: error.hint }),
        }),
        tooShort: false,
      }
    const tooShort = error.code === 'bad-range'
    return { kind: 'damaged', error: corrupt(what, tooShort ? 'it is cut short' : error.message), tooShort }
  }
}

export function lacksBase(id: Uint8Array): string {
  return `is predicted from chunk ${shortId(id)}, and no pack holds a usable copy of it`
}

/** Names the base that a copy lacks, or that one of its bases lacks. For copies that are not in `index.whole`. */
export function lackOf(index: ChunkIndex, entry: number): string {
  const id = index.whole.missingBase(entry)!
  const base = index.findBase(id, index.depth(entry))
  return base < 0 ? lacksBase(id) : `is predicted from ${describeCopy(index, base)}, which ${lackOf(index, base)}`
}
