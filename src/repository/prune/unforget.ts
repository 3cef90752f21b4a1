import { isAppError } from '../../util/errors.ts'
import { everyId } from '../format/chunk-ids.ts'
import { COMMIT_WINDOW_MS } from '../format/limits.ts'
import { versionLabel, type StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { everyChunkOf, readManifest } from '../read/read-manifest.ts'
import { isStillThere } from '../versions/forgotten-meanwhile.ts'
import { textOfBytes, writeLabel } from '../versions/write-label.ts'
import { IndexWriter } from '../write/index-writer.ts'
import { includeOwnPacks } from '../write/own-packs.ts'
import type { AcknowledgedPack } from '../write/pack-writer.ts'
import { copyChosen } from './copy.ts'
import { forgottenVersions, type FoundVersion } from './forgotten.ts'
import { CopyChooser } from './plan/choose-copies.ts'
import { openForPrune, type PruneBasis } from './prune.ts'
import { markReachable } from './reachability.ts'

/** A forgotten version, and how many of its files lack data. */
export interface Judged extends FoundVersion {
  lostFiles: number
}

export interface Unforgotten {
  /** Versions that are back, the oldest first. */
  restored: FoundVersion[]
  /** Versions that can't come back, because data of theirs was deleted. */
  lost: Judged[]
  /** Bytes of packs that were made of what lay only in packs to be deleted. */
  copiedBytes: number
  /** Why versions could not be brought back whose data is there, in words. */
  problems: string[]
}

/** Prunes that run meanwhile may take away what a round relied on. Then the next one begins anew. */
const MOST_ROUNDS = 8

/** Counts the files of forgotten versions that lack data. */
export async function judgeForgotten(repository: OpenRepository, versions: readonly FoundVersion[]): Promise<Judged[]> {
  const judged: Judged[] = []
  for (const version of versions) judged.push({ ...version, lostFiles: await countLost(repository, version.snapshot) })
  return judged
}

async function countLost(repository: OpenRepository, snapshot: StoredSnapshot): Promise<number> {
  const { whole } = repository.index
  const { files } = snapshot.counts
  let lost = 0
  try {
    for await (const entry of readManifest(repository, snapshot))
      if (entry.type === 'file' && !everyId(entry.chunks, offset => whole.best(entry.chunks, offset) >= 0)) lost++
    return lost
  } catch (error) {
    if (!isAppError(error, 'corrupt', 'not-found', 'bad-range')) throw error
    // without a manifest nobody knows which files there were; a version of an empty folder has one too
    return Math.max(1, files)
  }
}

/**
 * Brings forgotten versions back. `choose` picks them from those that tombs tell of. A version is put back like a push
 * whose content is in the store already: first each chunk that is not present (rule 3) is copied out of the tombed
 * packs, then an index names the copies, then comes the snapshot. So a version that comes back is whole, whatever other
 * machines delete meanwhile. One that lacks data does not come back.
 */
export async function unforget(
  context: RepositoryContext,
  graceMs: number,
  choose: (versions: readonly FoundVersion[]) => readonly FoundVersion[],
): Promise<Unforgotten> {
  let opened = await openForPrune(context)
  const chosen = choose(await reallyForgotten(opened.repository, graceMs))
  const own: AcknowledgedPack[] = []
  const result: Unforgotten = { restored: [], lost: [], copiedBytes: 0, problems: [] }
  /** Those that were put back too long after the listing, which must be looked at once more. */
  const late = new Set<string>()
  let left = [...chosen]
  let why = 'prunes kept deleting what it needs'
  for (let round = 0; round < MOST_ROUNDS; round++) {
    if (round > 0) opened = await openForPrune(context)
    const { repository } = opened
    const judged = await judgeForgotten(repository, left)
    const { versions, bytes, failed } = await makePresent(
      context,
      opened,
      own,
      judged.filter(({ lostFiles }) => lostFiles === 0),
    )
    result.copiedBytes += bytes
    why = failed ?? why
    result.lost.push(...judged.filter(({ lostFiles }) => lostFiles > 0))
    const done = new Set(result.lost.map(({ snapshot }) => snapshot.id))
    for (const version of versions) {
      const { id } = version.snapshot
      if (!late.has(id) && (await putBack(context, repository, version)) > repository.view.inventory.asOf + COMMIT_WINDOW_MS) {
        late.add(id)
        continue
      }
      result.restored.push(version)
      done.add(id)
    }
    left = left.filter(({ snapshot }) => !done.has(snapshot.id))
    if (left.length === 0) return result
  }
  result.problems = left.map(({ snapshot }) => `${versionLabel(snapshot)} could not be brought back: ${why}`)
  return result
}

/** A listing may not show a version that was brought back a moment ago, or show one that was forgotten a moment ago. */
export async function reallyForgotten(repository: OpenRepository, graceMs: number): Promise<FoundVersion[]> {
  const { inventory } = repository.view
  const shown = inventory.snapshots
  const all = forgottenVersions({ ...repository.view, inventory: { ...inventory, snapshots: [] } }, graceMs)
  const names = new Set(shown.map(({ objectName }) => objectName))
  const forgotten: FoundVersion[] = []
  for (const version of all)
    if (!names.has(version.snapshot.ref.objectName) || !(await isStillThere(repository, version.snapshot))) forgotten.push(version)
  return forgotten
}

/**
 * Copies what the versions need and what is not present. Returns those of which everything is present then, and why a
 * pack could not be copied from.
 */
async function makePresent(
  context: RepositoryContext,
  { repository, adopted }: PruneBasis,
  own: AcknowledgedPack[],
  wanted: readonly FoundVersion[],
): Promise<{ versions: FoundVersion[]; bytes: number; failed: string | undefined }> {
  if (wanted.length === 0) return { versions: [], bytes: 0, failed: undefined }
  const { view, storage, index, signal } = repository
  const unnamed = includeOwnPacks(view, own)
  const { flags } = await markReachable(
    repository,
    wanted.map(({ snapshot }) => snapshot),
  )
  const isTombed = (pack: number): boolean => view.tombedPacks.has(index.packs[pack]!.id)
  const stateOf = (pack: number): 'usable' | 'tombed' | 'damaged' =>
    isTombed(pack) ? 'tombed' : index.packs[pack]!.writable ? 'usable' : 'damaged'
  const { chosen } = new CopyChooser(index, { flags }, { stateOf, isSpared: () => false }).select()
  const sources = new Set<number>()
  for (let entry = 0; entry < chosen.length; entry++) {
    const pack = index.packOf(entry)
    if (chosen[entry] !== 0 && isTombed(pack)) sources.add(pack)
  }
  const copies = await copyChosen(context, repository, { chosen, standalone: new Map() }, [...sources])
  own.push(...copies.packs)
  includeOwnPacks(view, copies.packs)
  const packs = [...unnamed, ...adopted, ...copies.packs]
  if (packs.length > 0) await new IndexWriter(storage, view, context.surroundings).write(packs, signal)
  const versions: FoundVersion[] = []
  for (const version of wanted)
    if (await everyChunkOf(repository, version.snapshot, (ids, offset) => index.present.find(ids, offset) >= 0)) versions.push(version)
  return { versions, bytes: copies.bytes, failed: [...copies.failed.values()][0] }
}

/** Its label comes first: one that is left without its version puts it back. Returns when the snapshot was created. */
async function putBack(
  context: RepositoryContext,
  { view, storage, signal }: OpenRepository,
  { snapshot, bytes, label }: FoundVersion,
): Promise<number> {
  const { add, remove, message, metrics } = label
  if (add.length + remove.length > 0 || message !== undefined || metrics !== undefined)
    await writeLabel(context, {
      ...label,
      snapshot: snapshot.id,
      time: view.inventory.asOf,
      version: add.length > 0 ? textOfBytes(bytes) : undefined,
    })
  const { created } = await storage.put(snapshot.ref.objectName, bytes, { signal })
  return created
}
