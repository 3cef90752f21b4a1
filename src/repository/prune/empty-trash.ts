import type { StorageOptions, StoredObject } from '../../storage/storage.ts'
import type { Trash } from '../../storage/trash.ts'
import { isOurs } from '../format/object-names.ts'

/** Objects of a repository in the store's trash. */
export interface TrashedObjects {
  objects: number
  bytes: number
  /** Versions among them. */
  versions: number
}

const isVersion = (name: string): boolean => name.startsWith('snapshot-')

async function listOurs(trash: Trash, options: StorageOptions): Promise<StoredObject[]> {
  return (await trash.list(options)).filter(({ name }) => isOurs(name))
}

export async function findTrashedObjects(trash: Trash | undefined, options: StorageOptions = {}): Promise<TrashedObjects> {
  return trash ? describe(await listOurs(trash, options)) : describe([])
}

function describe(objects: readonly StoredObject[]): TrashedObjects {
  return {
    objects: objects.length,
    bytes: objects.reduce((sum, { size }) => sum + size, 0),
    versions: new Set(objects.map(({ name }) => name).filter(isVersion)).size,
  }
}

/** Objects that versions may need. The rules of docs/format.md say when they may be deleted. */
const RULED = /^(pack|index|tomb)-/

/**
 * Begins to empty a trash: deletes the versions and labels in it, and puts packs, indexes and tombs back into the
 * repository. Returns the ids of these packs. A prune that starts after this keeps the packs that versions need and
 * deletes the others by its rules. These rules also protect a push that listed before a pack was moved to the trash.
 */
export async function takeFromTrash(trash: Trash, options: StorageOptions = {}): Promise<{ trashed: TrashedObjects; packs: Set<string> }> {
  const objects = await listOurs(trash, options)
  const names = [...new Set(objects.map(({ name }) => name))]
  // tombs first: no push may use the packs that they name once these are back
  const ruled = names.filter(name => RULED.test(name)).sort((a, b) => Number(b.startsWith('tomb-')) - Number(a.startsWith('tomb-')))
  for (const name of ruled) await trash.putBack(name, options)
  for (const name of names.filter(name => !RULED.test(name))) await trash.remove(name, options)
  const packs = names.flatMap(name => /^pack-(.*)$/.exec(name)?.[1] ?? [])
  return { trashed: describe(objects), packs: new Set(packs) }
}
