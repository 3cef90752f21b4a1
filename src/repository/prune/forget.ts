import { AppError, isAppError } from '../../util/errors.ts'
import { groupBy } from '../../util/group-by.ts'
import { mapSideBySide } from '../../util/side-by-side.ts'
import { asSentence } from '../../util/words.ts'
import { compareSnapshots, labelName, type SnapshotRef } from '../format/object-names.ts'
import { isPending, lineOf, versionLabel, type StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import { PARALLEL_READS } from '../open/view.ts'
import { describeVersion, everyChunkOf, isComplete } from '../read/read-manifest.ts'
import { isStartOfId } from '../versions/choose-version.ts'
import { isStillThere } from '../versions/forgotten-meanwhile.ts'
import { endOfMoment, endOfRelative } from '../versions/moments.ts'
import { decideRetention, type RetentionDecision, type RetentionPolicy } from '../versions/retention.ts'
import { applyLabels, readSnapshot, readTags, resolveVersion, type DatedLabel, type VersionSpec } from '../versions/versions.ts'
import { mergeChanges, recordForgotten } from './forgotten.ts'
import { openForPrune, prune, type PruneBasis, type PruneRequest, type PruneResult } from './prune.ts'
import { lacksData, manifestsAtOnce, packsOf, throwIfNotShownYet } from './reachability.ts'
import { Removals } from './removals.ts'

export interface ForgetRequest extends PruneRequest {
  names: readonly string[]
  /** These versions are forgotten, whatever the policy says, and no others. */
  versions?: readonly VersionSpec[] | undefined
  policy: RetentionPolicy
  /** True if the policy decides about the newest version too. A name may lose all versions. */
  all: boolean
  /** Only versions of this source path are forgotten. Undefined: those of every source. */
  source?: string | undefined
  /** Only versions of this line are forgotten. Undefined: those of every line. */
  line?: string | undefined
  /** Called before anything is deleted. If it throws, nothing is. */
  confirm?: ((names: readonly ForgottenName[]) => Promise<void>) | undefined
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
  const chosen = request.versions && (await findChosen(repository, request.versions))
  let left = 0
  for (const name of request.names) {
    const { unreadable, versions: all } = await versionsOf(opened, name)
    const versions = all.filter(version => isOfSource(version, request) && isOfLine(version, request))
    const options = { now: repository.view.inventory.now, keepNewest: !request.all }
    if (unreadable[0] && !request.all && !chosen) throw cannotDecide(unreadable[0].error)
    const decision = chosen ? splitBy(versions, chosen) : decideRetention(versions, request.policy, options)
    if (decision.forgotten.length > 0 && !chosen)
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
  if (!request.dryRun) {
    await request.confirm?.(names)
    const changes = forgotten.map(({ ref }) => ({ ref, label: mergeChanges(labelsOf.get(ref.shortId) ?? []) }))
    await recordForgotten(context, changes, repository.view.inventory.asOf)
    // the oldest first: if this is interrupted, the newest are still there
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

/** The ids of the versions that a person has named. Throws `usage` if one was found by a time. */
async function findChosen(repository: OpenRepository, specs: readonly VersionSpec[]): Promise<Set<string>> {
  const { view, storage, signal } = repository
  const ids = new Set<string>()
  for (const spec of specs) {
    const found = await resolveVersion(repository, view, spec)
    const at = spec.at ?? ''
    const isTime = endOfMoment(at) !== undefined || endOfRelative(at, view.inventory.now) !== undefined
    const isNamed = !isTime || isStartOfId(at, found.id) || (await readTags(storage, view, [found], signal)).get(found.id)!.includes(at)
    if (!isNamed) throw foundByTime(spec, found)
    if (isPending(found, view.inventory) && !(await isPresent(repository, found))) throw stillComing(found)
    ids.add(found.id)
  }
  return ids
}

/** A time finds the newest version up to then, however old. That is right for a pull, and a trap here. */
function foundByTime({ name, at }: VersionSpec, found: StoredSnapshot): AppError {
  const made = new Date(found.ref.effectiveTime).toISOString().slice(0, 16).replace('T', ' ')
  return new AppError('usage', `${name}@${at} is a time, so it's unclear which version you mean. Nothing was forgotten.`, {
    hint: `Use its id. The newest up to that time is of ${made} UTC: colab-escape forget ${versionLabel(found)}`,
  })
}

function stillComing(version: StoredSnapshot): AppError {
  return new AppError('conflict', `${versionLabel(version)} lacks data that a running push may still add. Nothing was forgotten.`, {
    hint: 'Try again when the push has ended, or a day later.',
  })
}

/** The decision of a person who named the versions to forget. */
function splitBy(versions: readonly Version[], chosen: ReadonlySet<string>): RetentionDecision<Version> {
  const newestFirst = [...versions].sort((a, b) => compareSnapshots(b.ref, a.ref))
  return {
    kept: newestFirst.filter(({ id }) => !chosen.has(id)).map(version => ({ version, reasons: [] })),
    forgotten: newestFirst.filter(({ id }) => chosen.has(id)),
  }
}

/**
 * Who alone may delete a version. A label that stays would put its version back, so a version stays with its labels.
 */
export function keeperOfVersion(removals: Removals, { objectName }: SnapshotRef, labels: readonly DatedLabel[]): string | undefined {
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
export async function removeVersion(
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
export async function versionsOf({ repository, labels }: PruneBasis, name: string): Promise<FoundVersions> {
  const { storage, view, signal } = repository
  const found: StoredSnapshot[] = []
  const unreadable: FoundVersions['unreadable'] = []
  const refs = view.inventory.snapshots.filter(ref => ref.name === name)
  const read = await mapSideBySide(refs, PARALLEL_READS, async ref => {
    try {
      return await readSnapshot(storage, ref, signal)
    } catch (error) {
      if (isAppError(error, 'not-found')) return undefined
      if (!isAppError(error, 'corrupt', 'newer-format')) throw error
      return error
    }
  })
  for (const [i, version] of read.entries()) {
    if (isAppError(version)) unreadable.push({ ref: refs[i]!, error: version })
    else if (version && (!isPending(version, view.inventory) || (await isPresent(repository, version)))) found.push(version)
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
  return new AppError(
    cause.code,
    `${asSentence(cause.message)} It is unknown whether it takes the place of others, so nothing was forgotten.`,
    {
      hint: 'Run `colab-escape repair`: it shows what can be done.',
      cause,
    },
  )
}

/**
 * Throws if one of the versions that stay lacks chunks. A version that is to be forgotten may hold the last
 * whole state of its files.
 */
async function expectWhole(repository: OpenRepository, kept: readonly StoredSnapshot[]): Promise<void> {
  await mapSideBySide(kept, manifestsAtOnce(kept), async snapshot => {
    const { asOf } = repository.view.inventory
    const isWhole = await isComplete(repository, snapshot).catch((error: unknown) => {
      if (isAppError(error, 'corrupt', 'unavailable')) throwIfNotShownYet(error, snapshot, asOf)
      throw error
    })
    if (isWhole || !(await isStillThere(repository, snapshot))) return
    const message = `${describeVersion(snapshot)} lacks data, so no older version was forgotten in favour of it.`
    throw lacksData(snapshot, message, asOf)
  })
}

function isAnythingDue({ repository: { view } }: PruneBasis, graceMs: number): boolean {
  return [...view.inventory.tombs.values()].some(({ created }) => created <= view.inventory.asOf - graceMs)
}
