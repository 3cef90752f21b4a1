import type { AffectedFile } from '../check/versions.ts'
import { decodeLabel, decodeTomb } from '../format/label-and-tomb.ts'
import { labelName, takeInventory, tombName } from '../format/object-names.ts'
import type { RepositoryContext } from '../open/open.ts'
import { isAppError } from '../../util/errors.ts'

const WHOLE_ID = /snapshot-\d{8}T\d{9}Z-[0-9a-f]{16}|(label|tomb)-[0-9a-f]{64}/i

/**
 * Deletes what can't be healed: the versions in `affected`, damaged labels and tombs, and objects under changed names
 * that hold nothing of this repository. Returns their names. A damaged tomb may name any pack, so nothing else may use
 * the repository meanwhile.
 */
export async function giveUp(
  { storage, signal }: RepositoryContext,
  affected: readonly AffectedFile[],
  dryRun: boolean,
): Promise<string[]> {
  const inventory = takeInventory(await storage.list({ signal }))
  const versions = new Set(affected.map(({ name, version }) => `${version} ${name}`))
  const names = inventory.snapshots.filter(({ name, shortId }) => versions.has(`${shortId} ${name}`)).map(({ objectName }) => objectName)
  const isDamaged = async (name: string, decode: (bytes: Uint8Array) => unknown): Promise<boolean> => {
    try {
      decode(await storage.get(name, undefined, { signal }))
      return false
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'not-found')) throw error
      return error.code === 'corrupt'
    }
  }
  const isGivenUp = (snapshot: string): boolean => affected.some(({ version }) => snapshot.startsWith(version))
  for (const id of inventory.labels.keys()) {
    let snapshot: string | undefined
    const damaged = await isDamaged(labelName(id), bytes => (snapshot = decodeLabel(bytes, id).snapshot))
    // a label that stays behind would put its version back
    if (damaged || (snapshot !== undefined && isGivenUp(snapshot))) names.push(labelName(id))
  }
  for (const id of inventory.tombs.keys()) if (await isDamaged(tombName(id), bytes => decodeTomb(bytes, id))) names.push(tombName(id))
  // their bytes told no name; without a whole id they may be anybody's
  names.push(...inventory.mangled.map(({ name }) => name).filter(name => WHOLE_ID.test(name)))
  if (!dryRun) for (const name of names) await storage.remove(name, { signal })
  return names
}
