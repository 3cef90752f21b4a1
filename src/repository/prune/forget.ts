import { AppError, isAppError } from '../../util/errors.ts'
import { groupBy } from '../../util/group-by.ts'
import { compareSnapshots, labelName, type SnapshotRef } from '../format/object-names.ts'
import { isPending, lineOf, type StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { describeVersion, everyChunkOf, isComplete } from '../read/read-manifest.ts'
import { isStillThere } from '../versions/forgotten-meanwhile.ts'
import { decideRetention, type RetentionDecision, type RetentionPolicy } from '../versions/retention.ts'
import { applyLabels, readSnapshot, type DatedLabel } from '../versions/versions.ts'
import { openForPrune, prune, type PruneBasis, type PruneRequest, type PruneResult } from './prune.ts'
import { lacksData, packsOf } from './reachability.ts'
import { Removals } from './removals.ts'

export interface ForgetRequest extends PruneRequest {
  names: readonly string[]
  policy: RetentionPolicy
  /** True if the policy decides about the newest version too. A name may lose all versions. */
  all: boolean
  /** Only versions of this source path are forgotten. Undefined: those of every source. */
  source?: string | undefined
  /** Only versions of this line are forgotten. Undefined: those of every line. */
  line?: string | undefined
}

export interface ForgottenName {
  name: string
  decision: RetentionDecision<Version>
  /** Errors of versions that can't be read. These stay, unless the request is for `all`. */
  unreadable: AppError[]
  /** Versions of the same source that stay because they are of another line. */
  ofOtherLines: number
}

type Version = StoredSnapshot & { tags: string[] }

export interface ForgetResult {
  names: ForgottenName[]
  /** Versions that no rule keeps, but that only others may delete. They are among the kept ones. */
  left: number
  /** Undefined if nothing was forgotten and no tomb is old enough. */
  pruned: PruneResult | undefined
  /** Set if no space could be freed. The versions are forgotten all the same. */
  failure: AppError | undefined
}

/** Deletes the versions that a policy does not keep, then prunes: marks the packs that only they needed, and sweeps. */
export async function forget(context: RepositoryContext, request: ForgetRequest): Promise<ForgetResult> {
  const opened = await openForPrune(context, request.known)
  const { repository } = opened
  const names: ForgottenName[] = []
  const doomed: SnapshotRef[] = []
  const removals = new Removals(context)
  const labelsOf = groupBy(opened.labels, ({ snapshot }) => snapshot.slice(0, 16))
  const keeperOf = (ref: SnapshotRef): string | undefined => keeperOfVersion(removals, ref, labelsOf.get(ref.shortId) ?? [])
  let left = 0
  for (const name of request.names) {
    const { unreadable, versions: all } = await versionsOf(opened, name)
    const versions = all.filter(version => isOfSource(version, request) && isOfLine(version, request))
    const options = { now: repository.view.inventory.now, keepNewest: !request.all }
    if (unreadable[0] && !request.all) throw cannotDecide(unreadable[0].error)
    const decision = decideRetention(versions, request.policy, options)
    if (decision.forgotten.length > 0)
      await expectWhole(
        repository,
        decision.kept.map(({ version }) => version),
      )
    const possible = leaveOthers(decision, ({ ref }) => keeperOf(ref))
    left += decision.forgotten.length - possible.forgotten.length
    const ofOtherLines = all.filter(version => isOfSource(version, request) && !isOfLine(version, request)).length
    names.push({ name, decision: possible, unreadable: unreadable.map(({ error }) => error), ofOtherLines })
    if (request.all) for (const { ref } of unreadable) if (keeperOf(ref) === undefined) doomed.push(ref)
  }
  const forgotten = names.flatMap(({ decision }) => decision.forgotten)
  for (const { ref } of forgotten) doomed.push(ref)
  const packs = await freedBy(context, repository, forgotten)
  // the oldest first: if this is interrupted, the newest are still there
  if (!request.dryRun) {
    for (const ref of doomed.sort(compareSnapshots)) await removeVersion(context, ref, labelsOf.get(ref.shortId) ?? [])
  }
  if (doomed.length === 0 && !isAnythingDue(opened, request.waits.graceMs)) return { names, left, pruned: undefined, failure: undefined }
  try {
    return { names, left, pruned: await prune(context, opened, request, { snapshots: doomed, packs }), failure: undefined }
  } catch (failure) {
    if (!isAppError(failure, 'corrupt', 'newer-format', 'unavailable')) throw failure
    return { names, left, pruned: undefined, failure }
  }
}

const isOfSource = (version: StoredSnapshot, { source }: ForgetRequest): boolean => source === undefined || version.source.path === source
const isOfLine = (version: StoredSnapshot, { line }: ForgetRequest): boolean => line === undefined || lineOf(version) === line

/**
 * Who alone may delete a version. A label that stays would put its version back, so a version stays with its labels.
 */
function keeperOfVersion(removals: Removals, { objectName }: SnapshotRef, labels: readonly DatedLabel[]): string | undefined {
  const name = [objectName, ...labels.map(({ id }) => labelName(id))].find(name => removals.isLeft(name))
  return name === undefined ? undefined : removals.left.get(name)
}

/** The decision as far as it can be carried out: versions that only others may delete are kept. */
function leaveOthers(
  { kept, forgotten }: RetentionDecision<Version>,
  keeperOf: (version: Version) => string | undefined,
): RetentionDecision<Version> {
  const others = forgotten.flatMap(version => {
    const keeper = keeperOf(version)
    return keeper === undefined ? [] : [{ version, reasons: [`only ${keeper} can delete it`] }]
  })
  if (others.length === 0) return { kept, forgotten }
  const left = new Set(others.map(({ version }) => version))
  const all = [...kept, ...others].sort((a, b) => compareSnapshots(b.version.ref, a.version.ref))
  return { kept: all, forgotten: forgotten.filter(version => !left.has(version)) }
}

/**
 * Deletes a snapshot, then its labels. A label that stays behind without its version puts the version back
 * (`restoreTagged`).
 */
async function removeVersion(
  { storage, signal }: RepositoryContext,
  { objectName }: SnapshotRef,
  labels: readonly DatedLabel[],
): Promise<void> {
  await storage.remove(objectName, { signal })
  for (const { id } of labels) await storage.remove(labelName(id), { signal })
}

/** The packs that `versions` need. The packs of a damaged version can't be known: a later prune finds them. */
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

/**
 * The versions of a name that a policy may count. A late snapshot that lacks chunks is not one of them. It is left
 * alone while its push may still replace it.
 */
async function versionsOf({ repository, labels }: PruneBasis, name: string): Promise<FoundVersions> {
  const { storage, view, signal } = repository
  const found: StoredSnapshot[] = []
  const unreadable: FoundVersions['unreadable'] = []
  for (const ref of view.inventory.snapshots.filter(ref => ref.name === name)) {
    try {
      const snapshot = await readSnapshot(storage, ref, signal)
      if (!isPending(snapshot, view.inventory) || (await isPresent(repository, snapshot))) found.push(snapshot)
    } catch (error) {
      if (isAppError(error, 'not-found')) continue
      if (!isAppError(error, 'corrupt', 'newer-format')) throw error
      unreadable.push({ ref, error })
    }
  }
  const tags = applyLabels(found, labels)
  return { versions: found.map(snapshot => ({ ...snapshot, tags: tags.get(snapshot.id)! })), unreadable }
}

/**
 * Whether all chunks of a late snapshot are present (rule 3). Its own pusher checks the same, and then lets it stay. A
 * late snapshot that is only complete may rely on packs in tombs, so no older version may be forgotten in favour of it.
 */
async function isPresent(repository: OpenRepository, snapshot: StoredSnapshot): Promise<boolean> {
  const { index } = repository
  try {
    return await everyChunkOf(repository, snapshot, (ids, offset) => index.present.find(ids, offset) >= 0)
  } catch (error) {
    if (!isAppError(error, 'corrupt') || (await isStillThere(repository, snapshot))) throw error
    return false
  }
}

function cannotDecide(cause: AppError): AppError {
  return new AppError(cause.code, `${cause.message}. It is unknown whether it takes the place of others, so nothing was forgotten.`, {
    hint: 'Run `colab-escape repair`: it shows what can be done.',
    cause,
  })
}

/**
 * Throws if one of the versions that stay lacks chunks. A version that is to be forgotten may hold the last
 * whole state of its files.
 */
async function expectWhole(repository: OpenRepository, kept: readonly StoredSnapshot[]): Promise<void> {
  for (const snapshot of kept) {
    if ((await isComplete(repository, snapshot)) || !(await isStillThere(repository, snapshot))) continue
    const message = `${describeVersion(snapshot)} lacks data, so no older version was forgotten in favour of it.`
    throw lacksData(snapshot, message, repository.view.inventory.asOf)
  }
}

function isAnythingDue({ repository: { view } }: PruneBasis, graceMs: number): boolean {
  return [...view.inventory.tombs.values()].some(({ created }) => created <= view.inventory.asOf - graceMs)
}
