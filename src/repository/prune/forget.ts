import { AppError, isAppError } from '../../util/errors.ts'
import { compareSnapshots, type SnapshotRef } from '../format/object-names.ts'
import { isLate, type StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { everyChunkOf } from '../read/read-manifest.ts'
import { isStillThere } from '../versions/forgotten-meanwhile.ts'
import { decideRetention, type Decision, type RetentionPolicy } from '../versions/retention.ts'
import { readSnapshot, readTags } from '../versions/versions.ts'
import { openForPrune, prune, type OpenForPrune, type PruneRequest, type PruneResult } from './prune.ts'
import { packsOf } from './reachability.ts'

export interface ForgetRequest extends PruneRequest {
  names: readonly string[]
  policy: RetentionPolicy
  /** The rules alone decide, also about the newest version: a name may end without any. */
  all: boolean
}

export interface ForgottenName {
  name: string
  decision: Decision<Version>
  /** Versions that can't be read. They stay, unless all of the name is to go. */
  unreadable: AppError[]
}

export type Version = StoredSnapshot & { tags: string[] }

export interface ForgetResult {
  names: ForgottenName[]
  /** What freeing the space came to; undefined when nothing was forgotten and nothing is due. */
  pruned: PruneResult | undefined
  /** What kept the space from being freed: the versions are forgotten all the same. */
  failure: AppError | undefined
}

/** Deletes the versions that a policy does not keep, marks at once what they free, and sweeps what is due. */
export async function forget(context: RepositoryContext, request: ForgetRequest): Promise<ForgetResult> {
  const opened = await openForPrune(context, request.known)
  const { repository } = opened
  const names: ForgottenName[] = []
  const doomed: SnapshotRef[] = []
  for (const name of request.names) {
    const { unreadable, versions } = await versionsOf(repository, name)
    const options = { now: repository.view.inventory.asOf, keepNewest: !request.all }
    names.push({ name, decision: decideRetention(versions, request.policy, options), unreadable: unreadable.map(({ error }) => error) })
    if (request.all) doomed.push(...unreadable.map(({ ref }) => ref))
  }
  const forgotten = names.flatMap(({ decision }) => decision.forgotten)
  doomed.push(...forgotten.map(({ ref }) => ref))
  const packs = await freedBy(context, repository, forgotten)
  // the oldest first: should this end halfway, the newest are still there
  if (!request.dryRun) {
    for (const { objectName } of doomed.sort(compareSnapshots)) await context.storage.remove(objectName, { signal: context.signal })
  }
  if (doomed.length === 0 && !isAnythingDue(opened, request.waits.graceMs)) return { names, pruned: undefined, failure: undefined }
  try {
    return { names, pruned: await prune(context, opened, request, { snapshots: doomed, packs }), failure: undefined }
  } catch (failure) {
    if (!isAppError(failure, 'corrupt', 'newer-format', 'unavailable')) throw failure
    return { names, pruned: undefined, failure }
  }
}

/** What can't be read any more reaches nothing that could be marked at once: it is found later. */
async function freedBy(context: RepositoryContext, repository: OpenRepository, versions: readonly StoredSnapshot[]): Promise<Set<string>> {
  const packs = new Set<string>()
  for (const version of versions) {
    try {
      for (const pack of await packsOf(repository, [version])) packs.add(pack)
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'newer-format')) throw error
      context.reporter.detail(error.message)
    }
  }
  return packs
}

interface FoundVersions {
  versions: Version[]
  unreadable: { ref: SnapshotRef; error: AppError }[]
}

/** The versions of a name that rules may count. A late one that is not all there is none yet, and its pusher may still make it one: it is left alone. */
async function versionsOf(repository: OpenRepository, name: string): Promise<FoundVersions> {
  const { storage, view, signal } = repository
  const found: StoredSnapshot[] = []
  const unreadable: FoundVersions['unreadable'] = []
  for (const ref of view.inventory.snapshots.filter(ref => ref.name === name)) {
    try {
      const snapshot = await readSnapshot(storage, ref, signal)
      if (!isLate(snapshot) || (await isPresent(repository, snapshot))) found.push(snapshot)
    } catch (error) {
      if (isAppError(error, 'not-found')) continue
      if (!isAppError(error, 'corrupt', 'newer-format')) throw error
      unreadable.push({ ref, error })
    }
  }
  const tags = await readTags(storage, view, found, signal)
  return { versions: found.map(snapshot => ({ ...snapshot, tags: tags.get(snapshot.id)! })), unreadable }
}

/**
 * Whether a late snapshot is one that will stay: all that it reaches is present under rule 3, as its own pusher has to find it. A version that merely can be
 * read now may rest on packs in tombs: older ones are not given up for it.
 */
async function isPresent(repository: OpenRepository, snapshot: StoredSnapshot): Promise<boolean> {
  const { index } = repository
  try {
    return await everyChunkOf(repository, snapshot, (ids, offset) => index.findPresent(ids, offset) >= 0)
  } catch (error) {
    if (!isAppError(error, 'corrupt') || (await isStillThere(repository, snapshot))) throw error
    return false
  }
}

function isAnythingDue({ repository: { view } }: OpenForPrune, graceMs: number): boolean {
  return [...view.inventory.tombs.values()].some(({ created }) => created <= view.inventory.asOf - graceMs)
}
