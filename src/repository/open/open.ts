/*
 * Opens a repository: lists the store, reads the indexes, and adopts packs that no index names. It changes nothing in
 * the store.
 */

import type { CompressionPool } from '../../compression/pool.ts'
import { ReadAheadStorage } from '../../storage/read-ahead.ts'
import type { Storage } from '../../storage/storage.ts'
import type { Surroundings } from '../../util/clock.ts'
import { AppError, NO_REPOSITORY } from '../../util/errors.ts'
import type { FileSystem } from '../../util/file-system.ts'
import type { Reporter } from '../../util/reporter.ts'
import { decodeIndexedPack } from '../format/index-object.ts'
import type { PackPolicy } from '../format/limits.ts'
import { describeMisplaced, hasDigitsOfOurs, MISPLACED_HINT, type Inventory, type MangledObject } from '../format/object-names.ts'
import type { BlockSource } from '../read/read-chunks.ts'
import { adoptPacks, openView, type RepositoryView } from './view.ts'

/** On Drive, a repository may exist and not be visible to the account or the client. */
const DRIVE_HINT =
  ' `colab-escape auth status` shows the account that is logged in, and whether it sees all files (drive) or only those of its client (drive.file).'

/** The parts that every operation on a repository needs. */
export interface RepositoryContext {
  storage: Storage
  pool: CompressionPool
  surroundings: Surroundings
  reporter: Reporter
  signal?: AbortSignal | undefined
  /** How packs are filled and uploaded; `PACK_POLICY` by default. */
  packPolicy?: PackPolicy | undefined
  /** The disk that a pull writes to; by default this machine's. */
  fileSystem?: FileSystem | undefined
}

/** A repository opened for reading. */
export interface OpenRepository extends BlockSource {
  view: RepositoryView
}

/** Begins to read the newest snapshot of a name while the indexes are read. */
export function readNewestAhead(storage: ReadAheadStorage, { snapshots }: Inventory, name: string, signal: AbortSignal | undefined): void {
  const newest = snapshots.findLast(ref => ref.name === name)
  if (newest) storage.begin(newest.objectName, { signal })
}

const isVersionOrTag = ({ kind }: MangledObject): boolean => kind === 'snapshot' || kind === 'label'

/**
 * Opens a repository for reading. `newestOf` is a name whose newest version will be needed. Throws `not-found` if the
 * store holds no repository.
 */
export async function openForReading(context: RepositoryContext, newestOf?: string): Promise<OpenRepository> {
  const { signal, reporter, pool } = context
  reporter.progress({ phase: 'listing' })
  const storage = new ReadAheadStorage(context.storage)
  const view = await openView(storage, {
    signal,
    onListed: inventory => {
      if (newestOf !== undefined) readNewestAhead(storage, inventory, newestOf, signal)
    },
  })
  const { inventory } = view
  const { mangled, misplaced } = inventory
  if (!inventory.hasConfig && inventory.snapshots.length + mangled.filter(hasDigitsOfOurs).length + misplaced.length === 0)
    throw new AppError('not-found', `${storage.location} holds no repository.`, {
      reason: NO_REPOSITORY,
      hint: `\`colab-escape use\` shows which store counts here, and why; a first \`colab-escape push <path>\` creates one.${storage.location.startsWith('drive:') ? DRIVE_HINT : ''}`,
    })
  if (!inventory.hasConfig)
    view.problems.push(new AppError('corrupt', `config.json is missing in ${storage.location}`, { hint: 'The next push writes it again.' }))
  // the packs of a lost or damaged index have their own directories; a running push has few unindexed packs, so reading
  // their tails is cheap
  await adoptPacks(storage, view, { signal })
  for (const problem of view.problems) reporter.warn(problem.message)
  const renamed = mangled.find(isVersionOrTag)
  if (renamed)
    reporter.warn(
      `${renamed.name} looks like a version or a tag under a name that another program changed. \`colab-escape repair\` gives it its name back`,
    )
  const unused = misplaced.find(isVersionOrTag)
  if (unused) reporter.warn(`${describeMisplaced(unused.name)}. ${MISPLACED_HINT}`)
  return { storage, index: view.index, pool, signal, view, renew: renewal(context, view) }
}

/**
 * See `BlockSource.renew`. Stops after a listing without new packs: otherwise each missing chunk would cost a listing.
 */
function renewal({ storage, signal }: RepositoryContext, { index }: RepositoryView): () => Promise<boolean> {
  let useful = true
  return async () => {
    if (!useful) return false
    const fresh = await openView(storage, { signal })
    const adopted = await adoptPacks(storage, fresh, { signal })
    const known = new Set(index.packs.map(({ id }) => id))
    const readable = new Set(fresh.index.packs.map(({ id }) => id))
    useful = false
    for (const pack of [...fresh.activeIndexes.flatMap(({ packs }) => packs), ...adopted]) {
      if (known.has(pack.id) || !readable.has(pack.id)) continue
      known.add(pack.id)
      index.add({ id: pack.id, size: pack.size, writable: false }, decodeIndexedPack(pack))
      useful = true
    }
    return useful
  }
}
