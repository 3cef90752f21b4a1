import { AppError, isAppError } from '../../util/errors.ts'
import { sha256Hex } from '../../util/hash.ts'
import { asSentence } from '../../util/words.ts'
import { describeMisplaced, listedIds, MISPLACED_HINT, type MangledObject, type ObjectKind } from '../format/object-names.ts'
import type { OpenRepository } from '../open/open.ts'
import { readLabels, type DatedLabel } from '../versions/versions.ts'

/**
 * Reads the labels. Throws `corrupt` if an object can't be read that may protect data or versions: a label, or
 * anything that looks like a snapshot, a label or a tomb under a name that another program changed, or in a wrong
 * place.
 */
export async function readProtection(repository: OpenRepository): Promise<DatedLabel[]> {
  const { storage, view, signal } = repository
  const isListed = listedIds(view.inventory)
  for (const object of view.inventory.mangled) if (await mayProtect(repository, object, isListed)) throw refusal(object)
  for (const object of view.inventory.misplaced) if (isProtection(object.kind)) throw misplacedRefusal(object)
  return readLabels(
    storage,
    view,
    error => {
      throw new AppError('corrupt', `${asSentence(error.message)} It may hold a tag that protects a version, so nothing was deleted.`, {
        hint: 'Run `colab-escape repair`: it shows what can be done.',
        cause: error,
      })
    },
    signal,
  )
}

const isProtection = (kind: ObjectKind): boolean => kind !== 'pack' && kind !== 'index'

function misplacedRefusal({ name }: MangledObject): AppError {
  return new AppError('corrupt', `${describeMisplaced(name)}. Nothing was deleted.`, { hint: MISPLACED_HINT })
}

/** False for a copy of an object that is there under its right name too. */
async function mayProtect(
  { storage, signal }: OpenRepository,
  { name, kind }: MangledObject,
  isListed: ReturnType<typeof listedIds>,
): Promise<boolean> {
  if (!isProtection(kind)) return false
  const bytes = await storage.get(name, undefined, { signal }).catch((error: unknown) => {
    if (!isAppError(error, 'io', 'corrupt', 'not-found')) throw error
    return undefined
  })
  return bytes === undefined || !isListed(kind, sha256Hex(bytes))
}

function refusal({ name, kind }: MangledObject): AppError {
  const why = { snapshot: 'a version', label: 'a tag', tomb: 'a list of packs to delete', pack: '', index: '' }[kind]
  return new AppError('corrupt', `${name} looks like ${why} under a name that another program changed. Nothing was deleted.`, {
    hint: 'Run `colab-escape repair`: it gives the object its name back. If it is not of this repository, move it elsewhere.',
  })
}
