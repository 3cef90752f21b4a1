import type { StorageOptions, StoredObject } from '../../storage/storage.ts'
import type { Trash } from '../../storage/trash.ts'
import { isOurs } from '../format/object-names.ts'

/** Objects of a repository that somebody has put into the store's trash. */
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

/** What the rules of docs/format.md decide about. Of all else versions need nothing. */
const RULED = /^(pack|index|tomb)-/

/**
 * Begins to empty a trash: deletes versions and labels there for good, and puts all that versions may need back, for a prune that begins after this. It
 * keeps what they do need, and deletes the rest by its rules, which also hold for a push that listed before something was trashed. Tells the ids of packs that are back.
 */
export async function takeFromTrash(trash: Trash, options: StorageOptions = {}): Promise<{ trashed: TrashedObjects; packs: Set<string> }> {
  const objects = await listOurs(trash, options)
  const names = [...new Set(objects.map(({ name }) => name))]
  // tombs first: what they name must not be written to as soon as it is back
  const ruled = names.filter(name => RULED.test(name)).sort((a, b) => Number(b.startsWith('tomb-')) - Number(a.startsWith('tomb-')))
  for (const name of ruled) await trash.putBack(name, options)
  for (const name of names.filter(name => !RULED.test(name))) await trash.remove(name, options)
  const packs = names.flatMap(name => /^pack-(.*)$/.exec(name)?.[1] ?? [])
  return { trashed: describe(objects), packs: new Set(packs) }
}
