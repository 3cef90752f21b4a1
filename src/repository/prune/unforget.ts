import { isAppError } from '../../util/errors.ts'
import { everyId } from '../format/chunk-ids.ts'
import { COMMIT_WINDOW_MS } from '../format/limits.ts'
import { versionLabel, type StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { everyChunkOf, readManifest } from '../read/read-manifest.ts'
import { isStillThere } from '../versions/forgotten-meanwhile.ts'
import { writeLabel } from '../versions/write-label.ts'
import { IndexWriter } from '../write/index-writer.ts'
import { includeOwnPacks } from '../write/own-packs.ts'
import type { AcknowledgedPack } from '../write/pack-writer.ts'
import { copyChosen, type CopyResult } from './copy.ts'
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

/** If less than this is left of the commit window, the store is listed again before a snapshot is put back. */
const WINDOW_MARGIN_MS = 60_000
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
  return bringIn(context, async ({ repository }) => choose(await reallyForgotten(repository, graceMs)))
}

/** As `unforget`, for versions that are found in a first listing, and that no listing may show before. */
export function bringIn(context: RepositoryContext, find: (opened: PruneBasis) => Promise<readonly FoundVersion[]>): Promise<Unforgotten> {
  return new BringInRun(context).run(find)
}

class BringInRun {
  private readonly result: Unforgotten = { restored: [], lost: [], copiedBytes: 0, problems: [] }
  private readonly context: RepositoryContext
  /** Packs that this run has made. */
  private readonly own: AcknowledgedPack[] = []
  /** Ids of versions that were put back too late after a listing: they must be looked at once more (rule 5). */
  private readonly late = new Set<string>()
  private why = 'prunes kept deleting what it needs'

  constructor(context: RepositoryContext) {
    this.context = context
  }

  async run(find: (opened: PruneBasis) => Promise<readonly FoundVersion[]>): Promise<Unforgotten> {
    let at = this.context.surroundings.monotonic()
    let opened = await openForPrune(this.context)
    let left = [...(await find(opened))]
    for (let round = 0; left.length > 0 && round < MOST_ROUNDS; round++) {
      if (round > 0) {
        at = this.context.surroundings.monotonic()
        opened = await openForPrune(this.context)
      }
      left = await this.attempt(opened, at, left)
    }
    this.result.problems = left.map(({ snapshot }) => `${versionLabel(snapshot)} could not be brought back: ${this.why}`)
    return this.result
  }

  /** Brings versions back by a listing that began at `at`, by this machine's clock. Returns those that are left. */
  private async attempt(opened: PruneBasis, at: number, left: readonly FoundVersion[]): Promise<FoundVersion[]> {
    const { repository } = opened
    const { asOf } = repository.view.inventory
    const judged = await judgeForgotten(repository, left)
    for (const version of judged.filter(({ lostFiles }) => lostFiles > 0)) await this.giveUp(version)
    const whole = judged.filter(({ lostFiles }) => lostFiles === 0)
    const again: FoundVersion[] = []
    const present = await this.makePresent(opened, whole)
    for (const version of whole) {
      const { id } = version.snapshot
      const isInTime = this.context.surroundings.monotonic() - at < COMMIT_WINDOW_MS - WINDOW_MARGIN_MS
      if (!present.has(version) || !(isInTime || this.late.has(id))) again.push(version)
      else if (this.late.has(id) || (await putBack(this.context, repository, version)) <= asOf + COMMIT_WINDOW_MS)
        this.result.restored.push(version)
      else {
        this.late.add(id)
        again.push(version)
      }
    }
    return again
  }

  private async giveUp(version: Judged): Promise<void> {
    this.result.lost.push(version)
    const { id, ref } = version.snapshot
    if (this.late.has(id)) await this.context.storage.remove(ref.objectName)
  }

  /** Copies what versions need and what is not present. Returns those of which everything is present then. */
  private async makePresent({ repository, adopted }: PruneBasis, wanted: readonly FoundVersion[]): Promise<Set<FoundVersion>> {
    const present = new Set<FoundVersion>()
    if (wanted.length === 0) return present
    const { view, storage, index, signal } = repository
    const unnamed = includeOwnPacks(view, this.own)
    try {
      const copies = await copyTombed(this.context, repository, wanted)
      for (const why of copies.failed.values()) this.why = why
      this.own.push(...copies.packs)
      this.result.copiedBytes += copies.bytes
      includeOwnPacks(view, copies.packs)
      const packs = [...unnamed, ...adopted, ...copies.packs]
      if (packs.length > 0) await new IndexWriter(storage, view, this.context.surroundings).write(packs, signal)
      for (const version of wanted)
        if (await everyChunkOf(repository, version.snapshot, (ids, offset) => index.present.find(ids, offset) >= 0)) present.add(version)
    } catch (error) {
      // what a manifest is read from was deleted meanwhile
      if (!isAppError(error, 'corrupt', 'not-found', 'unavailable')) throw error
      this.why = error.message
    }
    return present
  }
}

/** Copies the chunks that versions need and that lie only in tombed packs. */
async function copyTombed(context: RepositoryContext, repository: OpenRepository, wanted: readonly FoundVersion[]): Promise<CopyResult> {
  const { view, index } = repository
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
  return copyChosen(context, repository, { chosen, standalone: new Map() }, [...sources])
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

/** Its label comes first, so that it is never there without its tags. Returns when the snapshot was created. */
async function putBack(
  context: RepositoryContext,
  { view, storage, signal }: OpenRepository,
  { snapshot, bytes, label }: FoundVersion,
): Promise<number> {
  const { add, remove, message, metrics } = label
  if (add.length + remove.length > 0 || message !== undefined || metrics !== undefined)
    await writeLabel(context, { ...label, snapshot: snapshot.id, time: view.inventory.asOf })
  const { created } = await storage.put(snapshot.ref.objectName, bytes, { signal })
  return created
}
