import pLimit from 'p-limit'
import type { Storage } from '../../storage/storage.ts'
import { AppError, corrupt, isAppError, newerFormat, throwIfAborted } from '../../util/errors.ts'
import { sha256Hex } from '../../util/hash.ts'
import { checkConfig, encodeConfig } from '../format/config.ts'
import type { Directory } from '../format/directory.ts'
import { decodeIndex, type IndexedPack } from '../format/index-object.ts'
import { decodeTomb, type Tomb } from '../format/label-and-tomb.ts'
import { CONFIG_NAME, indexName, packName, takeInventory, tombName, type Inventory } from '../format/object-names.ts'
import { decodePackTail } from '../format/pack.ts'
import type { ChunkIndex } from '../index/chunk-index.ts'
import { buildChunkIndex } from './load-indexes.ts'

/** Requests that reading a repository makes side by side, at most. */
const PARALLEL_READS = 8
/** First guess of how much of a pack's end holds its directory and trailer. */
const TAIL_BYTES = 64 * 1024

/** What a listing and the indexes it names say of a repository at one moment. */
export interface RepositoryView {
  inventory: Inventory
  index: ChunkIndex
  /** Index objects that no other listed one supersedes, with what they hold: the input of merging. */
  activeIndexes: { id: string; size: number; packs: IndexedPack[]; supersedes: string[] }[]
  /** Ids of listed index objects that a listed one supersedes. */
  supersededIndexes: string[]
  /** Packs that are listed and named by no readable index, by id. `adoptPacks` reads their own directories. */
  unindexedPacks: string[]
  /** Packs that indexes name and the listing lacks. */
  missingPacks: IndexedPack[]
  /** The tombs that could be read, by id. */
  tombs: Map<string, Tomb>
  /** Packs about to be deleted: readers may use them, writers never (rule 6). */
  tombedPacks: Set<string>
  /** A tomb that can't be read might name any pack: nobody may write before it is gone. */
  damagedTomb: AppError | undefined
  /** Damage met on the way: it did not stop the reading. */
  problems: AppError[]
}

export interface ViewOptions {
  signal?: AbortSignal | undefined
}

export interface OpenViewOptions extends ViewOptions {
  /** Told what was listed before anything of it is read: a chance to read other things side by side. */
  onListed?: (inventory: Inventory) => void
}

/**
 * Lists a store and reads its config, tombs and indexes. Objects that vanish between listing and reading were
 * superseded: it lists again and ignores those that only the listing still shows (listings lag behind deletions).
 * Throws `corrupt` for a damaged config, `newer-format`.
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

/** `read`, or undefined where the object is gone and that is no surprise. */
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
  // a store that knows checksums tells without a request that the config is the one we would write
  const readConfig = inventory.hasConfig && inventory.configHash !== sha256Hex(encodeConfig())
  const config = readConfig
    ? limit(async () => checkConfig(await storage.get(CONFIG_NAME, undefined, options), storage.location))
    : Promise.resolve()
  const tombs = Promise.all([...inventory.tombs.keys()].map(id => limit(() => readTomb(storage, id, options))))
  const [, readTombs, indexes] = await Promise.all([config, tombs, readIndexes(storage, inventory, limit, problems, options)])
  const damagedTomb = readTombs.map(([, tomb]) => tomb).find(tomb => isAppError(tomb))
  if (damagedTomb) problems.push(damagedTomb)
  const found = new Map(readTombs.flatMap(([id, tomb]) => (tomb === undefined || isAppError(tomb) ? [] : [[id, tomb] as const])))
  return { ...buildView(inventory, indexes, found, problems), damagedTomb }
}

/** A tomb or its damage, undefined for one that vanished; with its id. */
async function readTomb(storage: Storage, id: string, options: ReadViewOptions): Promise<[string, Tomb | AppError | undefined]> {
  const bytes = await unlessVanished(storage.get(tombName(id), undefined, options), options)
  // a tomb is deleted long after all its packs (rule 10): one that only a lagging listing still shows names no listed
  // pack
  if (bytes === undefined) return [id, undefined]
  try {
    return [id, decodeTomb(bytes, id)]
  } catch (error) {
    if (!isAppError(error, 'corrupt')) throw error
    return [id, error]
  }
}

interface ReadIndexes {
  active: RepositoryView['activeIndexes']
  superseded: string[]
}

/**
 * Reads the newest index first: a push's index names everything it supersedes, so it mostly tells which others need no
 * reading. Reads the rest in parallel. Reports a damaged index and ignores it; its packs then count as unindexed.
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
    const bytes = await unlessVanished(storage.get(indexName(id), undefined, options), options)
    if (bytes === undefined) return
    try {
      const index = decodeIndex(bytes, id)
      found.set(id, { id, size: bytes.length, ...index })
      for (const old of index.supersedes) superseded.add(old)
    } catch (error) {
      if (!isAppError(error, 'corrupt')) throw error
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

function buildView(
  inventory: Inventory,
  indexes: ReadIndexes,
  tombs: Map<string, Tomb>,
  problems: AppError[],
): Omit<RepositoryView, 'damagedTomb'> {
  const tombedPacks = new Set([...tombs.values()].flatMap(tomb => ('packs' in tomb ? tomb.packs : [])))
  return {
    inventory,
    ...buildChunkIndex(inventory, indexes.active, tombedPacks, problems),
    activeIndexes: indexes.active,
    supersededIndexes: indexes.superseded,
    tombs,
    tombedPacks,
    problems,
  }
}

/**
 * Reads the directories of unindexed packs from their tails and adds them to the view's index. Such packs come from an
 * interrupted push, or from a lost index. Returns them, so that a writer can put them into a new index.
 */
export async function adoptPacks(storage: Storage, view: RepositoryView, options: ViewOptions = {}): Promise<IndexedPack[]> {
  const limit = pLimit(PARALLEL_READS)
  const adopted: IndexedPack[] = []
  await Promise.all(
    view.unindexedPacks.map(id =>
      limit(async () => {
        try {
          const tail = await readPackTail(storage, id, view.inventory.packs.get(id)!.size, options)
          const pack = { id, size: view.inventory.packs.get(id)!.size, directoryBytes: tail.directoryBytes }
          view.index.add({ id, size: pack.size, writable: !view.tombedPacks.has(id) }, tail.directory)
          adopted.push(pack)
        } catch (error) {
          if (isAppError(error, 'corrupt', 'bad-range')) view.problems.push(error)
          else if (!isAppError(error, 'not-found')) throw error
        }
      }),
    ),
  )
  view.unindexedPacks = []
  return adopted
}

export async function readPackTail(
  storage: Storage,
  id: string,
  size: number,
  options: ViewOptions = {},
): Promise<{ directory: Directory; directoryBytes: Uint8Array }> {
  for (let want = TAIL_BYTES; ;) {
    const length = Math.min(want, size)
    const bytes = await storage.get(packName(id), { offset: size - length, length }, options)
    if (bytes.length !== length) throw corrupt(`Pack ${id.slice(0, 12)}`, 'it is cut short')
    const tail = decodePackTail(bytes, size, id)
    if ('directory' in tail) return tail
    want = tail.needBytes
  }
}
