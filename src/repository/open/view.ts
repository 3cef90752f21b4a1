import pLimit from 'p-limit'
import type { Storage } from '../../storage/storage.ts'
import { PLAIN_CHUNKS, type ChunkKeys } from '../../util/chunk-keys.ts'
import { AppError, corrupt, isAppError, newerFormat, throwIfAborted } from '../../util/errors.ts'
import { sha256Hex } from '../../util/hash.ts'
import { asSentence } from '../../util/words.ts'
import { checkConfig, encodeConfig } from '../format/config.ts'
import { decodeIndex, type IndexedPack } from '../format/index-object.ts'
import { decodeTomb, type Tomb } from '../format/label-and-tomb.ts'
import { CONFIG_NAME, indexName, packName, takeInventory, tombName, type Inventory } from '../format/object-names.ts'
import { decodePackTail, type PackDirectory } from '../format/pack.ts'
import type { ChunkIndex } from '../index/chunk-index.ts'
import { findEffectiveTimes } from './effective-times.ts'
import { buildChunkIndex, visibleDamage } from './load-indexes.ts'

/** Requests for small objects that a reader makes side by side, at most. */
export const PARALLEL_READS = 8
/** A first guess at the length of a pack's directory and trailer. */
const TAIL_BYTES = 64 * 1024

/** The state of a repository at one moment, by a listing and the indexes in it. */
export interface RepositoryView {
  inventory: Inventory
  index: ChunkIndex
  /** Listed indexes that no other listed one supersedes, with their content. A new index may merge them. */
  activeIndexes: { id: string; size: number; packs: IndexedPack[]; supersedes: string[] }[]
  /** Ids of listed indexes that another listed one supersedes. */
  supersededIndexes: string[]
  /** Ids of listed packs that no readable index names. `adoptPacks` reads their own directories. */
  unindexedPacks: string[]
  /** Packs that an index names and that are not listed. */
  missingPacks: IndexedPack[]
  /** The tombs that could be read, by id. */
  tombs: Map<string, Tomb>
  /** Ids of packs in tombs: readers may use them, writers never (rule 6). */
  tombedPacks: Set<string>
  /** Set if a tomb can't be read. It may name any pack, so a push or a prune stops (rule 6). */
  damagedTomb: AppError | undefined
  /** Damage that did not keep the repository from being opened. */
  problems: AppError[]
}

export interface ViewOptions {
  signal?: AbortSignal | undefined
}

export interface OpenViewOptions extends ViewOptions {
  /** Called after the listing, before anything is read, so that the caller can begin to read other objects. */
  onListed?: (inventory: Inventory) => void
}

/**
 * Lists a store and reads its config, tombs and indexes. If an object vanishes between listing and reading, lists again
 * and ignores objects that are listed and gone, because a listing may lag behind deletions. Throws `corrupt` for a
 * damaged config, and `newer-format`. Time and memory: linear in the listing and in the bytes that are read.
 */
export async function openView(storage: Storage, options: OpenViewOptions = {}): Promise<RepositoryView> {
  throwIfAborted(options.signal)
  const inventory = takeInventory(await storage.list(options))
  options.onListed?.(inventory)
  try {
    return await readView(storage, inventory, options)
  } catch (error) {
    if (!isAppError(error, 'not-found')) throw error
  }
  throwIfAborted(options.signal)
  return readView(storage, takeInventory(await storage.list(options)), { ...options, leaveOutVanished: true })
}

interface ReadViewOptions extends ViewOptions {
  leaveOutVanished?: boolean
}

/** Waits for `read`. Undefined if the object is gone and `leaveOutVanished` is set. */
async function unlessVanished<T>(read: Promise<T>, { leaveOutVanished }: ReadViewOptions): Promise<T | undefined> {
  try {
    return await read
  } catch (error) {
    if (leaveOutVanished === true && isAppError(error, 'not-found')) return undefined
    throw error
  }
}

async function readView(storage: Storage, inventory: Inventory, options: ReadViewOptions): Promise<RepositoryView> {
  if (inventory.features.length > 0) throw newerFormat(`The repository in ${storage.location} (it needs: ${inventory.features.join(', ')})`)
  const problems: AppError[] = []
  const limit = pLimit(PARALLEL_READS)
  // a store that knows checksums shows in its listing that the config is the one that we would write
  const readConfig = inventory.hasConfig && inventory.configHash !== sha256Hex(encodeConfig())
  const config = readConfig
    ? limit(async () => checkConfig(await storage.get(CONFIG_NAME, undefined, options), storage.location))
    : Promise.resolve()
  const tombs = Promise.all([...inventory.tombs.keys()].map(id => limit(() => readTomb(storage, id, options))))
  const [, readTombs, indexes] = await Promise.all([
    config,
    tombs,
    readIndexes(storage, inventory, limit, problems, options),
    findEffectiveTimes(storage, inventory, limit, options.signal),
  ])
  const damagedTombs = readTombs.map(([, tomb]) => tomb).filter(tomb => isAppError(tomb))
  for (const damage of damagedTombs) problems.push(damage)
  const found = new Map(readTombs.flatMap(([id, tomb]) => (tomb === undefined || isAppError(tomb) ? [] : [[id, tomb] as const])))
  return { ...buildView(listedChunkKeys(storage), inventory, indexes, found, problems), damagedTomb: damagedTombs[0] }
}

/** The id of a tomb with the tomb, with its damage, or with undefined if it vanished. */
async function readTomb(storage: Storage, id: string, options: ReadViewOptions): Promise<[string, Tomb | AppError | undefined]> {
  const bytes = await unlessVanished(storage.get(tombName(id), undefined, options), options)
  // a tomb is deleted long after all its packs (rule 10), so a tomb that vanished names no listed pack
  if (bytes === undefined) return [id, undefined]
  try {
    return [id, decodeTomb(bytes, id)]
  } catch (error) {
    if (!isAppError(error, 'corrupt')) throw error
    const hint = 'Run `colab-escape repair`: it shows what can be done.'
    return [id, new AppError('corrupt', `${asSentence(error.message)} It may name any pack`, { hint, cause: error })]
  }
}

interface ReadIndexes {
  active: RepositoryView['activeIndexes']
  superseded: string[]
}

/**
 * Reads the newest index first, because it supersedes most of the others, which then need not be read. Reads the rest
 * in parallel. Reports a damaged index and ignores it; its packs then count as unindexed.
 */
async function readIndexes(
  storage: Storage,
  inventory: Inventory,
  limit: ReturnType<typeof pLimit>,
  problems: AppError[],
  options: ReadViewOptions,
): Promise<ReadIndexes> {
  const found = new Map<string, RepositoryView['activeIndexes'][number]>()
  const superseded = new Set<string>()
  const read = async (id: string): Promise<void> => {
    try {
      const bytes = await unlessVanished(storage.get(indexName(id), undefined, options), options)
      if (bytes === undefined) return
      const index = decodeIndex(bytes, id)
      found.set(id, { id, size: bytes.length, ...index })
      for (const old of index.supersedes) superseded.add(old)
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'io')) throw error
      problems.push(error)
    }
  }
  const newestFirst = [...inventory.indexes].sort(([, a], [, b]) => b.created - a.created || b.size - a.size).map(([id]) => id)
  if (newestFirst[0] !== undefined) await limit(() => read(newestFirst[0]!))
  const others = newestFirst.slice(1).filter(id => !superseded.has(id))
  await Promise.all(others.map(id => limit(() => read(id))))
  return {
    active: [...found.values()].filter(index => !superseded.has(index.id)),
    superseded: [...superseded].filter(id => inventory.indexes.has(id)),
  }
}

/** How the chunks of a repository get their ids, after its store was listed. */
function listedChunkKeys({ chunkKeys, location }: Storage): ChunkKeys {
  if (chunkKeys !== 'after-listing') return chunkKeys ?? PLAIN_CHUNKS
  throw new Error(`the keys of ${location} are not known after it was listed`)
}

function buildView(
  chunkKeys: ChunkKeys,
  inventory: Inventory,
  indexes: ReadIndexes,
  tombs: Map<string, Tomb>,
  problems: AppError[],
): Omit<RepositoryView, 'damagedTomb'> {
  const tombedPacks = new Set([...tombs.values()].flatMap(tomb => (tomb.kind === 'packs' ? tomb.packs : [])))
  return {
    inventory,
    ...buildChunkIndex(chunkKeys, inventory, indexes.active, tombedPacks, problems),
    activeIndexes: indexes.active,
    supersededIndexes: indexes.superseded,
    tombs,
    tombedPacks,
    problems,
  }
}

/**
 * Reads the directories of unindexed packs from their tails and adds them to the view's chunk index. Such packs come
 * from an interrupted push or a lost index. Returns them, so that a writer can put them into a new index.
 */
export async function adoptPacks(storage: Storage, view: RepositoryView, options: ViewOptions = {}): Promise<IndexedPack[]> {
  const limit = pLimit(PARALLEL_READS)
  const adopted: IndexedPack[] = []
  await Promise.all(
    view.unindexedPacks.map(id =>
      limit(async () => {
        try {
          const listed = view.inventory.packs.get(id)!
          const tail = await readPackTail(storage, id, listed.size, options)
          const pack = { id, size: listed.size, directoryBytes: tail.directoryBytes }
          const damage = visibleDamage(pack, listed)
          if (damage) view.problems.push(damage)
          view.index.add({ id, size: pack.size, writable: !damage && !view.tombedPacks.has(id) }, tail.directory)
          adopted.push(pack)
        } catch (error) {
          if (isAppError(error, 'corrupt', 'bad-range', 'io')) view.problems.push(error)
          else if (!isAppError(error, 'not-found')) throw error
        }
      }),
    ),
  )
  view.unindexedPacks = []
  return adopted
}

/** Reads a pack's own directory. `guess`: how many bytes its directory and trailer may have. */
export async function readPackTail(
  storage: Storage,
  id: string,
  size: number,
  options: ViewOptions = {},
  guess = TAIL_BYTES,
): Promise<PackDirectory> {
  for (let want = guess; ;) {
    const length = Math.min(want, size)
    const bytes = await storage.get(packName(id), { offset: size - length, length }, options)
    if (bytes.length !== length) throw corrupt(`Pack ${id.slice(0, 12)}`, 'it is cut short')
    const tail = decodePackTail(bytes, size, id)
    if (tail.kind === 'directory') return tail
    want = tail.needBytes
  }
}
