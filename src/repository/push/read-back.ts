import { createHash } from 'node:crypto'
import type { Storage } from '../../storage/storage.ts'
import type { Surroundings } from '../../util/clock.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { freeUnusedBuffers } from '../../util/memory/unused-memory.ts'
import { CONFIG_NAME, indexName, packName, verifyObjectHash } from '../format/object-names.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import type { RepositoryContext } from '../open/open.ts'
import { describeCopy } from '../read/block-source.ts'
import { type BlockSource, chunkMatches, fetchBlocks } from '../read/read-chunks.ts'
import { readCopy } from '../read/read-copy.ts'
import { forgottenByAnother } from './commit.ts'
import type { Presence } from './presence.ts'

const PIECE_BYTES = 4 * 1024 * 1024
/** So many bytes are read back in any case, if the push has stored them. */
const LEAST_READ_BYTES = 32 * 1024 * 1024
/** Blocks that are read of packs that were there before. Over time, all of them are read. */
const SAMPLED_BLOCKS = 2

/** How a push checks a store in the end where that costs no requests: all that it has stored must be listed. */
export interface ReadBack {
  /** The store without counting and retries. */
  storage: Storage
  /** True if what the push has stored is read too, and a sample of the older packs that it relies on. */
  content: boolean
}

/** A pack or an index that this push has stored. */
interface StoredObject {
  id: string
  size: number
}

/** What a push has stored. */
export interface Stored {
  packs: readonly StoredObject[]
  indexes: readonly StoredObject[]
}

/** Bytes that were read of those that a push has stored. */
export interface BytesRead {
  read: number
  stored: number
}

/**
 * Reads the indexes and packs of a push, for a twentieth of the time that it has taken since it `began`. Throws
 * `corrupt` if one does not match the checksum in its name.
 */
export async function readStored(
  { surroundings, signal }: RepositoryContext,
  storage: Storage,
  { packs, indexes }: Stored,
  began: number,
): Promise<BytesRead> {
  const now = surroundings.monotonic()
  const end = now + (now - began) / 20
  const objects = indexes.map(({ id, size }) => ({ name: indexName(id), id, size }))
  objects.push(...packs.map(({ id, size }) => ({ name: packName(id), id, size })))
  const bytes = { read: 0, stored: objects.reduce((sum, { size }) => sum + size, 0) }
  for (const { name, id, size } of objects) {
    if (bytes.read >= LEAST_READ_BYTES && surroundings.monotonic() > end) break
    bytes.read += size
    const hash = createHash('sha256')
    try {
      let ahead = storage.get(name, { offset: 0, length: Math.min(PIECE_BYTES, size) }, { signal })
      for (let at = Math.min(PIECE_BYTES, size); ; at = Math.min(at + PIECE_BYTES, size)) {
        const piece = await ahead
        // the next piece is read while this one is hashed
        if (at < size) ahead = storage.get(name, { offset: at, length: Math.min(PIECE_BYTES, size - at) }, { signal })
        ahead.catch(() => undefined)
        hash.update(piece)
        if (at === size) break
      }
      verifyObjectHash(name, id, hash.digest())
    } catch (error) {
      if (isAppError(error, 'not-found', 'bad-range')) throw goneFrom(storage, [name])
      if (!isAppError(error, 'corrupt')) throw error
      throw new AppError('corrupt', `${name.slice(0, 18)} does not read back as it was written to ${storage.location}.`, {
        hint: 'Check the disk. Then run colab-escape repair, and push again.',
      })
    }
    freeUnusedBuffers(size)
  }
  return bytes
}

/** Throws if not everything that a push has stored is still there, with its size: the store may have been removed. */
export async function ensureStillThere(
  storage: Storage,
  { packs, indexes }: Stored,
  snapshot: StoredSnapshot,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { objects } = await storage.list({ signal })
  const sizes = new Map(objects.map(({ name, size }) => [name, size]))
  const gone = [
    ...(sizes.has(CONFIG_NAME) ? [] : [CONFIG_NAME]),
    ...packs.filter(({ id, size }) => sizes.get(packName(id)) !== size).map(({ id }) => packName(id)),
    ...indexes.filter(({ id, size }) => sizes.get(indexName(id)) !== size).map(({ id }) => indexName(id)),
  ]
  if (gone.length > 0) throw goneFrom(storage, gone)
  if (!sizes.has(snapshot.ref.objectName)) throw forgottenByAnother(snapshot.name)
}

function goneFrom({ location }: Storage, names: readonly string[]): AppError {
  return new AppError('unavailable', `What this push stored in ${location} is not there any more, or is cut short.`, {
    hint: 'Another program deletes files there, or the disk was removed. Check that, then push again.',
    list: names,
  })
}

/** Blocks of older packs that were read, and what is wrong with them, in words that name the packs. */
export interface Sample {
  blocks: number
  problems: string[]
}

/** Reads a few blocks, at random, of the older packs that a push relies on. Warns if they are damaged. */
export async function sampleBlocks(
  { pool, reporter, surroundings, signal }: RepositoryContext,
  storage: Storage,
  presence: Presence,
): Promise<Sample | undefined> {
  const { index } = presence.view
  const all = presence.usedPacks().map(pack => index.blocksOf(pack))
  const total = all.reduce((sum, { first, end }) => sum + end - first, 0)
  if (total === 0) return undefined
  const positions = new Set<number>()
  while (positions.size < Math.min(SAMPLED_BLOCKS, total)) positions.add(randomBelow(total, surroundings))
  const blocks = [...positions].map(position => blockAt(all, position)).sort((a, b) => a - b)
  let why = 'is damaged'
  const problems = await verifyBlocks({ storage, index, pool, signal }, blocks).catch((error: unknown) => {
    // a disk that can't read a pack any more, or a pack that belongs to another user
    if (!isAppError(error) || error.code === 'interrupted') throw error
    why = "can't be read back"
    return [error.message.replace(/\.$/, '')]
  })
  for (const problem of problems) reporter.warn(`Data that this push relies on ${why}: ${problem}. Run: colab-escape repair`)
  return { blocks: blocks.length, problems }
}

const randomBelow = (limit: number, { random }: Surroundings): number =>
  new DataView(Uint8Array.from(random(4)).buffer).getUint32(0) % limit

/** The number of the block at a position in the blocks of several packs. */
function blockAt(packs: readonly { first: number; end: number }[], position: number): number {
  let left = position
  for (const { first, end } of packs) {
    if (left < end - first) return first + left
    left -= end - first
  }
  throw new RangeError(`there is no block ${position}`)
}

async function verifyBlocks(source: BlockSource, blocks: readonly number[]): Promise<string[]> {
  const { index } = source
  const problems: string[] = []
  for await (const { number, plain } of fetchBlocks(source, blocks)) {
    let at = 0
    for (const entry of index.entriesIn(number)) {
      const chunk = plain?.subarray(at, at + index.length(entry))
      at += index.length(entry)
      if (chunk && chunkMatches(index, index.id(entry), chunk)) continue
      const copy = await readCopy(source, entry)
      if (copy.kind === 'read') continue
      problems.push(`${describeCopy(index, entry)} ${copy.why}`)
      break
    }
  }
  return problems
}
