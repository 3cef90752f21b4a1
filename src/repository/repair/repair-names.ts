import type { Storage } from '../../storage/storage.ts'
import type { Trash } from '../../storage/trash.ts'
import { isAppError, throwIfAborted } from '../../util/errors.ts'
import { sha256Hex } from '../../util/hash.ts'
import {
  indexName,
  isSurelyOurs,
  labelName,
  listedIds,
  packName,
  takeInventory,
  tombName,
  tombsFirst,
  type MangledObject,
} from '../format/object-names.ts'
import { nameSnapshot } from '../format/snapshot.ts'
import type { RepositoryContext } from '../open/open.ts'

/** An object that got its name back, or a second copy of one, which was removed (`to` is undefined). */
export interface Renaming {
  from: string
  to: string | undefined
}

/** Puts back objects of the repository that a person moved to the trash, if they are not there otherwise. */
export async function putBackTrashed({ storage, reporter, signal }: RepositoryContext, trash: Trash, dryRun: boolean): Promise<string[]> {
  const [{ objects }, trashed] = [await storage.list({ signal }), await trash.list({ signal })]
  const there = new Set(objects.map(({ name }) => name))
  const names = tombsFirst([...new Set(trashed.map(({ name }) => name))].filter(name => isSurelyOurs(name) && !there.has(name)))
  if (dryRun) return names
  const put: string[] = []
  for (const name of names) {
    try {
      await trash.putBack(name, { signal })
      put.push(name)
    } catch (error) {
      const keeper = trash.keeper?.(name)
      if (!isAppError(error, 'denied') || keeper === undefined) throw error
      reporter.warn(`${name} stays in the trash: only ${keeper} can put it back`)
    }
  }
  return put
}

/**
 * Gives objects their names back that another program changed: the bytes of an object tell its name. Removes an object
 * under a changed name once the store has acknowledged it under its own.
 */
export async function renameMangled(storage: Storage, dryRun: boolean, signal: AbortSignal | undefined): Promise<Renaming[]> {
  const inventory = takeInventory(await storage.list({ signal }))
  const isListed = listedIds(inventory)
  const renamed: Renaming[] = []
  // tombs first, as from the trash
  const mangled = inventory.mangled.sort((a, b) => Number(b.kind === 'tomb') - Number(a.kind === 'tomb'))
  for (const object of mangled) {
    throwIfAborted(signal)
    const renaming = await rename(storage, isListed, object, dryRun, signal)
    if (renaming) renamed.push(renaming)
  }
  return renamed
}

async function rename(
  storage: Storage,
  isListed: ReturnType<typeof listedIds>,
  object: MangledObject,
  dryRun: boolean,
  signal: AbortSignal | undefined,
): Promise<Renaming | undefined> {
  const bytes = await storage.get(object.name, undefined, { signal }).catch((error: unknown) => {
    if (isAppError(error, 'not-found', 'corrupt', 'io')) return undefined
    throw error
  })
  const to = bytes && nameOf(object, bytes)
  if (bytes === undefined || to === undefined) return undefined
  const isThere = await hasGoodCopy(storage, isListed, object, to, bytes, signal)
  if (!dryRun) {
    if (!isThere) {
      // a damaged object may have the name
      await storage.remove(to, { signal })
      await storage.put(to, bytes, { signal })
    }
    await storage.remove(object.name, { signal })
  }
  return { from: object.name, to: isThere ? undefined : to }
}

/** The name of the object with these bytes; undefined if they are damaged, or are not of this repository. */
function nameOf({ name, kind }: MangledObject, bytes: Uint8Array): string | undefined {
  const id = sha256Hex(bytes)
  // the changed name still has digits of the id: without them nothing shows that the bytes are right
  if (kind === 'snapshot') return name.toLowerCase().includes(id.slice(0, 16)) ? nameSnapshot(bytes) : undefined
  if (!name.toLowerCase().includes(`${kind}-${id.slice(0, 8)}`)) return undefined
  return { pack: packName, index: indexName, label: labelName, tomb: tombName }[kind](id)
}

async function hasGoodCopy(
  storage: Storage,
  isListed: ReturnType<typeof listedIds>,
  { kind }: MangledObject,
  name: string,
  bytes: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const id = sha256Hex(bytes)
  if (!isListed(kind, id)) return false
  try {
    return sha256Hex(await storage.get(name, undefined, { signal })) === id
  } catch (error) {
    if (!isAppError(error, 'not-found', 'corrupt')) throw error
    return false
  }
}
