import type { AffectedFile } from '../check/versions.ts'
import { decodeLabel, decodeTomb } from '../format/label-and-tomb.ts'
import { GRACE_MS } from '../format/limits.ts'
import { labelName, takeInventory, tombName, type SnapshotRef } from '../format/object-names.ts'
import { versionLabel } from '../format/snapshot.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { isComplete } from '../read/read-manifest.ts'
import { readSnapshot } from '../versions/versions.ts'
import { isAppError } from '../../util/errors.ts'

const WHOLE_ID = /snapshot-\d{8}T\d{9}Z-[0-9a-f]{16}|(label|tomb)-[0-9a-f]{64}/i

export interface GiveUpRequest {
  /** What can't be restored. Its versions are given up. */
  affected: readonly AffectedFile[]
  /** Objects that got their names back, or would get them: their changed names, and the right ones. */
  renamed: readonly { from: string; to: string | undefined }[]
  /** Objects that were put back from the trash. */
  putBack: readonly string[]
  dryRun: boolean
}

/**
 * Deletes what can't be healed: versions that lack data, damaged labels and tombs, and objects under changed names
 * that hold nothing of this repository. Returns their names. Keeps and names versions that may be whole, though it does
 * not look so now. A damaged tomb may name any pack, so nothing else may use the repository meanwhile.
 */
export async function giveUp(
  { storage, reporter, signal }: RepositoryContext,
  repository: OpenRepository,
  { affected, renamed, putBack, dryRun }: GiveUpRequest,
): Promise<string[]> {
  const listing = await storage.list({ signal })
  const inventory = takeInventory(listing)
  const there = new Set(listing.objects.map(({ name }) => name))
  const isHealingShown = [...putBack, ...renamed.flatMap(({ to }) => to ?? [])].every(name => there.has(name))
  const versions = new Set(affected.map(({ name, version }) => `${version} ${name}`))
  const names: string[] = []
  const givenUp = new Set<string>()
  for (const ref of inventory.snapshots) {
    const { name, shortId, objectName } = ref
    if (!versions.has(`${shortId} ${name}`)) continue
    const why = isHealingShown
      ? await whyKept(repository, ref, listing.asOf)
      : 'it may need objects that have just been put back or renamed'
    if (why === undefined) {
      names.push(objectName)
      givenUp.add(shortId)
    } else reporter.warn(`${versionLabel({ name, id: shortId })} is not given up: ${why}`)
  }
  const isDamaged = async (name: string, decode: (bytes: Uint8Array) => unknown): Promise<boolean> => {
    try {
      decode(await storage.get(name, undefined, { signal }))
      return false
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'not-found')) throw error
      return error.code === 'corrupt'
    }
  }
  for (const id of inventory.labels.keys()) {
    let snapshot: string | undefined
    const damaged = await isDamaged(labelName(id), bytes => (snapshot = decodeLabel(bytes, id).snapshot))
    // a label that stays behind would put its version back
    if (damaged || (snapshot !== undefined && givenUp.has(snapshot.slice(0, 16)))) names.push(labelName(id))
  }
  for (const id of inventory.tombs.keys()) if (await isDamaged(tombName(id), bytes => decodeTomb(bytes, id))) names.push(tombName(id))
  // their bytes told no name; without a whole id they may be anybody's
  const told = new Set(renamed.map(({ from }) => from))
  for (const { name } of inventory.mangled) if (WHOLE_ID.test(name) && !told.has(name)) names.push(name)
  if (!dryRun) for (const name of names) await storage.remove(name, { signal })
  return names
}

/** Why a version that seems to lack data may be whole all the same; undefined if nothing speaks for it. */
async function whyKept(repository: OpenRepository, ref: SnapshotRef, asOf: number): Promise<string | undefined> {
  let isMissing: boolean
  try {
    isMissing = !(await isComplete(repository, await readSnapshot(repository.storage, ref, repository.signal)))
  } catch (error) {
    if (isAppError(error, 'newer-format')) return 'a newer colab-escape made it'
    if (!isAppError(error, 'corrupt', 'not-found')) throw error
    isMissing = error.code === 'corrupt' && error.isMissing
  }
  return isMissing && asOf - ref.created < GRACE_MS ? 'it is new, and the store may not list all of its data yet' : undefined
}
