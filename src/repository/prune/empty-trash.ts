import type { StorageOptions, StoredObject } from '../../storage/storage.ts'
import type { Trash } from '../../storage/trash.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { isSurelyOurs, parseSnapshotObjectName, tombsFirst } from '../format/object-names.ts'

/** Objects of a repository in the store's trash. */
export interface TrashedObjects {
  objects: number
  bytes: number
  /** Versions among them. */
  versions: number
}

const isVersion = (name: string): boolean => name.startsWith('snapshot-')

/**
 * The objects of the repository in the trash. `glance`: what this process has seen before is enough, if that costs no
 * request.
 */
export async function listTrash(
  trash: Trash | undefined,
  { glance, ...options }: StorageOptions & { glance?: boolean } = {},
): Promise<StoredObject[]> {
  const objects = (await (glance === true ? trash?.glance(options) : trash?.list(options))) ?? []
  return objects.filter(({ name }) => isSurelyOurs(name))
}

export async function findTrashedObjects(trash: Trash | undefined, options: StorageOptions = {}): Promise<TrashedObjects> {
  return measureTrash(await listTrash(trash, options))
}

export function measureTrash(objects: readonly StoredObject[]): TrashedObjects {
  return {
    objects: objects.length,
    bytes: objects.reduce((sum, { size }) => sum + size, 0),
    versions: new Set(objects.map(({ name }) => name).filter(isVersion)).size,
  }
}

/**
 * Objects that say what is needed and what is to be deleted. While some are in the trash, nobody knows what they would
 * say once a person puts them back.
 */
const TELLING = /^(snapshot|label|tomb)-/

/**
 * Throws `conflict` if snapshots, labels or tombs are among the objects in the trash: what they need must not be
 * deleted before a person has decided about them.
 */
export function refuseTrashed(objects: readonly StoredObject[]): void {
  const names = [...new Set(objects.map(({ name }) => name))].filter(name => TELLING.test(name)).sort()
  if (names.length === 0) return
  const what = names.length === 1 ? 'An object of the repository lies' : `${names.length} objects of the repository lie`
  throw new AppError('conflict', `${what} in the trash, so nothing was deleted: a version may be among them, or what versions need.`, {
    hint: 'Put them back: colab-escape repair. Or delete them for good: colab-escape prune --empty-trash',
    list: names.slice(0, MOST_NAMED),
  })
}

const MOST_NAMED = 10

/** Objects that versions may need. The rules of docs/format.md say when they may be deleted. */
const RULED = /^(pack|index|tomb)-/

export interface EmptiedTrash {
  trashed: TrashedObjects
  /** Ids of the packs that were put back. */
  packs: Set<string>
  /** The first 16 digits of the ids of versions that were deleted. */
  versions: string[]
  /** What stays in the trash, because only others may put it back or delete it. */
  left: { name: string; keeper: string }[]
}

/**
 * Begins to empty a trash: deletes the versions and labels in it, and puts packs, indexes and tombs back into the
 * repository. A prune that starts after this keeps the packs that versions need and
 * deletes the others by its rules. These rules also protect a push that listed before a pack was moved to the trash.
 * What only others may put back or delete stays. Throws `denied` in the end if a snapshot, label or tomb is among that.
 */
export async function takeFromTrash(trash: Trash, options: StorageOptions = {}): Promise<EmptiedTrash> {
  const objects = await listTrash(trash, options)
  const names = [...new Set(objects.map(({ name }) => name))]
  const left = new Map<string, string>()
  const unlessLeft = async (name: string, change: () => Promise<void>): Promise<void> => {
    try {
      await change()
    } catch (error) {
      const keeper = trash.keeper?.(name)
      if (!isAppError(error, 'denied') || keeper === undefined) throw error
      left.set(name, keeper)
    }
  }
  const ruled = tombsFirst(names.filter(name => RULED.test(name)))
  for (const name of ruled) await unlessLeft(name, () => trash.putBack(name, options))
  for (const name of names.filter(name => !RULED.test(name))) await unlessLeft(name, () => trash.remove(name, options))
  refuseLeft(left)
  const taken = objects.filter(({ name }) => !left.has(name))
  const packs = taken.flatMap(({ name }) => /^pack-(.*)$/.exec(name)?.[1] ?? [])
  const versions = names.flatMap(name => (left.has(name) ? [] : (parseSnapshotObjectName({ name, size: 0, created: 0 })?.shortId ?? [])))
  return { trashed: measureTrash(taken), packs: new Set(packs), versions, left: [...left].map(([name, keeper]) => ({ name, keeper })) }
}

function refuseLeft(left: ReadonlyMap<string, string>): void {
  const names = [...left.keys()].filter(name => TELLING.test(name)).sort()
  if (names.length === 0) return
  const keepers = [...new Set(names.map(name => left.get(name)!))].sort().join(', ')
  throw new AppError('denied', `Only ${keepers} can put back or delete what lies in the trash, so nothing else was deleted.`, {
    hint: 'Ask them to run colab-escape repair, which puts it back, or colab-escape prune --empty-trash.',
    list: names.slice(0, MOST_NAMED),
  })
}
