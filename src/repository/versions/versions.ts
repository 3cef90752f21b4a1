/*
 * Finds versions by their names, tags, moments and metrics, and decides which of them rules keep. It deletes nothing.
 */

import pLimit from 'p-limit'
import type { Storage } from '../../storage/storage.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { mapSideBySide } from '../../util/side-by-side.ts'
import { plural } from '../../util/words.ts'
import { decodeLabel, type Label } from '../format/label-and-tomb.ts'
import { checkName, labelName, type SnapshotRef } from '../format/object-names.ts'
import { decodeSnapshot, isLate, isPending, versionLabel, type StoredSnapshot } from '../format/snapshot.ts'
import { PARALLEL_READS, type RepositoryView } from '../open/view.ts'
import type { BlockSource } from '../read/read-chunks.ts'
import { isComplete } from '../read/read-manifest.ts'
import { chooseVersion, findById, FULL_ID, LONG_ID, metricsHint, type ReadVersion } from './choose-version.ts'
import { parseBest } from './metrics.ts'
import { endOfMoment } from './moments.ts'
import { refusePath, unknownName, withoutSlashes } from './names.ts'

/** `name[@selector][~N]`. */
export interface VersionSpec {
  name: string
  /** A tag, the beginning of an id, a local day or moment, how long ago, or the best by a metric. */
  at: string | undefined
  /** The N of `~N`: so many versions before. */
  back: number
}

export function parseVersion(text: string): VersionSpec {
  const parts = /^([^@~:]+)(?:@([^~]+))?(?:~(\d{1,9}))?$/.exec(withoutSlashes(text))
  if (!parts)
    throw new AppError('usage', `${JSON.stringify(text)} is not a version.`, {
      hint: 'Write a name, name~1, name@tag, name@id, name@2026-11-20, name@yesterday, name@2h or name@best:val_loss.',
    })
  refusePath(parts[1]!)
  const name = withoutSlashes(parts[1]!)
  return { name: checkName(name), at: parts[2], back: parts[3] === undefined ? 0 : Number(parts[3]) }
}

/**
 * Splits `name[version]:path`. Colons of a date and of `best:` belong to the version, and the path begins after the
 * colon that follows them. `name@best:x` is the path x in the version tagged best.
 */
export function parseVersionedPath(text: string): { version: VersionSpec; path: string } {
  const found = splitPath(text)
  if (found) return found
  throw new AppError('usage', `Which file of ${JSON.stringify(text)}? The path is missing.`, {
    hint: 'Write name:path, e.g. data:train/labels.csv.',
  })
}

/**
 * Parses a version, or `name[version]:path`. An ambiguous text that names a metric is a version: `name@best:val_loss`.
 * Write `name@best:./val_loss` for the path.
 */
export function parseVersionOrPath(text: string): { version: VersionSpec; path: string | undefined } {
  if (!text.includes(':')) return { version: parseVersion(text), path: undefined }
  const best = /^[^@~:]+@(best:(?:(?:min|max):[^~:]+|[\w-]+))(?:~\d{1,9})?$/.exec(text)
  if (best && parseBest(best[1]!)) return { version: parseVersion(text), path: undefined }
  if (endOfMoment(/@([^~]+)(~\d{1,9})?$/.exec(text)?.[1] ?? '') !== undefined) return { version: parseVersion(text), path: undefined }
  return splitPath(text) ?? { version: parseVersion(text), path: undefined }
}

function splitPath(text: string): { version: VersionSpec; path: string } | undefined {
  for (let colon = text.indexOf(':'); colon >= 0; colon = text.indexOf(':', colon + 1)) {
    const version = text.slice(0, colon)
    const rest = text.slice(colon + 1)
    const insideTime = /@\d{4}-\d\d-\d\dT\d\d(:\d\d)?$/.test(version) && /^\d\dZ?(~\d+)?(:|$)/.test(rest)
    const insideBest = /@best(:(min|max))?$/.test(version) && /^[A-Za-z_][\w./-]*(~\d+)?:/.test(rest)
    if (!insideTime && !insideBest) return { version: parseVersion(version), path: rest }
  }
  return undefined
}

export async function readSnapshot(storage: Storage, ref: SnapshotRef, signal?: AbortSignal): Promise<StoredSnapshot> {
  return decodeSnapshot(await storage.get(ref.objectName, undefined, { signal }), ref)
}

export interface DatedLabel extends Label {
  id: string
  /** When the store created the object, and when the label was made; ms since 1970 by the store's clock. */
  created: number
  at: number
}

/**
 * Reads all labels, in the order in which they apply. Their own times count, because creation times are new in a copy
 * of a repository. Calls `onDamage` for each label that can't be read: its tags are unknown.
 */
export async function readLabels(
  storage: Storage,
  { inventory }: Pick<RepositoryView, 'inventory'>,
  onDamage: (error: AppError) => void,
  signal?: AbortSignal,
): Promise<DatedLabel[]> {
  const limit = pLimit(PARALLEL_READS)
  const read = [...inventory.labels].map(([id, { created }]) =>
    limit(async () => {
      try {
        const label = decodeLabel(await storage.get(labelName(id), undefined, { signal }), id)
        return [{ ...label, at: label.time ?? created, created, id }]
      } catch (error) {
        // a listing may still show a label that is deleted
        if (!isAppError(error, 'corrupt', 'not-found', 'io')) throw error
        if (error.code !== 'not-found') onDamage(error)
        return []
      }
    }),
  )
  return (await Promise.all(read)).flat().sort((a, b) => a.at - b.at || a.created - b.created || (a.id < b.id ? -1 : 1))
}

/**
 * Gives the snapshots the messages and metrics that labels set, and returns all their tags by id: their own, changed by
 * labels.
 */
export function applyLabels(snapshots: readonly StoredSnapshot[], labels: readonly Label[]): Map<string, string[]> {
  const tags = new Map(snapshots.map(snapshot => [snapshot.id, new Set(snapshot.tags)]))
  const byId = new Map(snapshots.map(snapshot => [snapshot.id, snapshot]))
  for (const label of labels) {
    const own = tags.get(label.snapshot)
    for (const tag of label.remove) own?.delete(tag)
    for (const tag of label.add) own?.add(tag)
    const snapshot = byId.get(label.snapshot)
    if (snapshot) applyNotes(snapshot, label)
  }
  return new Map([...tags].map(([id, set]) => [id, [...set]]))
}

function applyNotes(snapshot: StoredSnapshot, { message, metrics }: Label): void {
  if (message === '') delete snapshot.message
  else if (message !== undefined) snapshot.message = message
  if (metrics === undefined) return
  const changed = Object.entries({ ...snapshot.metrics, ...metrics }).filter(([, value]) => value !== null)
  snapshot.metrics = Object.fromEntries(changed) as Record<string, number>
}

/** See `applyLabels`. Adds damaged labels to the view's problems. */
export async function readTags(
  storage: Storage,
  view: RepositoryView,
  snapshots: readonly StoredSnapshot[],
  signal?: AbortSignal,
): Promise<Map<string, string[]>> {
  return applyLabels(snapshots, await readLabels(storage, view, error => view.problems.push(error), signal))
}

export interface ReadOptions {
  /** True to read late versions too that lack chunks while their pushes may still replace them. */
  pending?: boolean
}

/**
 * Reads many snapshots in parallel. Leaves out damaged ones, and by default pending ones that lack chunks. Adds the
 * damage to the view's problems.
 */
export async function readSnapshots(
  source: BlockSource,
  view: RepositoryView,
  refs: readonly SnapshotRef[],
  options: ReadOptions = {},
): Promise<StoredSnapshot[]> {
  const read = await readSideBySide(source, view, refs)
  return read.flatMap(version =>
    version === undefined || isAppError(version) || (isUnfinished(version, view) && options.pending !== true) ? [] : [version],
  )
}

/**
 * Reads many versions in parallel, those included whose pushes may still replace them. Adds damage to the view's
 * problems. Leaves out versions that vanished.
 */
export async function readEach(source: BlockSource, view: RepositoryView, refs: readonly SnapshotRef[]): Promise<ReadVersion[]> {
  const read = await readSideBySide(source, view, refs)
  return refs.flatMap((ref, i) => (read[i] ? [{ ref, version: read[i] }] : []))
}

function readSideBySide(
  source: BlockSource,
  view: RepositoryView,
  refs: readonly SnapshotRef[],
): Promise<(StoredSnapshot | AppError | undefined)[]> {
  return mapSideBySide(refs, PARALLEL_READS, ref => readVersion(source, view, ref))
}

/**
 * Reads a version, and notes if it is late and lacks chunks. Returns the error if it is damaged or of a newer format,
 * and adds it to the view's problems. Returns undefined if the version vanished.
 */
async function readVersion(source: BlockSource, view: RepositoryView, ref: SnapshotRef): Promise<StoredSnapshot | AppError | undefined> {
  try {
    const snapshot = await readSnapshot(source.storage, ref, source.signal)
    return isLate(snapshot) && !(await isComplete(source, snapshot)) ? { ...snapshot, lacksChunks: true } : snapshot
  } catch (error) {
    if (!isAppError(error, 'corrupt', 'not-found', 'newer-format', 'io')) throw error
    if (error.code === 'not-found') return undefined
    view.problems.push(error)
    return error
  }
}

/** Rule 5: true if a version lacks chunks and its push may still replace it. Only its id finds it. */
function isUnfinished(version: StoredSnapshot, { inventory }: RepositoryView): boolean {
  return version.lacksChunks === true && isPending(version, inventory)
}

/**
 * The newest snapshot of a name that can be read and meets `matches`, or undefined. Reads the newest one alone, which
 * is enough most often, and then more and more older ones side by side.
 */
export async function newestSnapshot(
  source: BlockSource,
  view: RepositoryView,
  name: string,
  matches: (version: StoredSnapshot) => boolean = () => true,
): Promise<StoredSnapshot | undefined> {
  return newestOf(
    source,
    view,
    view.inventory.snapshots.filter(ref => ref.name === name),
    matches,
  )
}

/** The same of `refs`, which are in the order of their times. */
export async function newestOf(
  source: BlockSource,
  view: RepositoryView,
  refs: readonly SnapshotRef[],
  matches: (version: StoredSnapshot) => boolean = () => true,
): Promise<StoredSnapshot | undefined> {
  const newestFirst = [...refs].reverse()
  for (let at = 0, size = 1; at < newestFirst.length; at += size, size = Math.min(2 * size, PARALLEL_READS)) {
    const read = await readSideBySide(source, view, newestFirst.slice(at, at + size))
    const found = read.find(version => version && !isAppError(version) && !isUnfinished(version, view) && matches(version))
    if (found && !isAppError(found)) return found
  }
  return undefined
}

/**
 * Finds the version that a person named. Throws `not-found` with a hint at what exists, and `corrupt` if the version
 * exists and is damaged. Damaged versions count for `~N`, so that no other version is taken for one.
 */
export async function resolveVersion(source: BlockSource, view: RepositoryView, spec: VersionSpec): Promise<StoredSnapshot> {
  const refs = view.inventory.snapshots.filter(ref => ref.name === spec.name)
  if (refs.length === 0) throw unknownName(source.storage.location, namesIn(view), spec.name)
  const version = spec.at === undefined ? await findByCount(source, view, refs, spec) : await findByMark(source, view, refs, spec, spec.at)
  if (isAppError(version)) throw version
  return version
}

async function findByCount(
  source: BlockSource,
  view: RepositoryView,
  refs: readonly SnapshotRef[],
  { name, back }: VersionSpec,
): Promise<StoredSnapshot | AppError> {
  let versions = 0
  const unfinished: StoredSnapshot[] = []
  const newestFirst = [...refs].reverse()
  for (let at = 0, count = back + 1; at < newestFirst.length; at += count, count = back + 1 - versions) {
    // as many as are still to be counted: the versions before the one that is meant are not looked at
    for (const version of await readSideBySide(source, view, newestFirst.slice(at, at + count))) {
      if (version && !isAppError(version) && isUnfinished(version, view)) unfinished.push(version)
      else if (version && versions++ === back) return version
    }
  }
  if (versions === 0 && unfinished[0]) throw lacksData(unfinished[0])
  throw new AppError('not-found', `${name} has ${plural(versions, 'version')}, so there is no ${name}~${back}.`, {
    hint: `List them: colab-escape log ${name}${unfinishedHint(unfinished.length)}`,
  })
}

const unfinishedHint = (count: number): string =>
  count === 0 ? '' : `. Not counted: ${plural(count, 'version that lacks', 'versions that lack')} data (\`colab-escape check\`)`

/** The error for a name whose only versions lack chunks. Their pushes may still mend them, if they are running. */
function lacksData(version: StoredSnapshot): AppError {
  const { name } = version
  return new AppError('corrupt', `${name} has no version that is whole: data of ${versionLabel(version)} is missing from the repository.`, {
    hint: `If a push of ${name} is running, wait for it. Otherwise \`colab-escape check\` shows what is missing.`,
    isMissing: true,
  })
}

async function findByMark(
  source: BlockSource,
  view: RepositoryView,
  refs: readonly SnapshotRef[],
  { name, back }: VersionSpec,
  at: string,
): Promise<StoredSnapshot | AppError> {
  const all = await readEach(source, view, refs)
  const versions = all.filter(({ version }) => isAppError(version) || !isUnfinished(version, view))
  const readable = versions.flatMap(({ version }) => (isAppError(version) ? [] : [version]))
  const tags = await readTags(source.storage, view, readable, source.signal)
  const chosen = findById(all, at, LONG_ID) ?? (FULL_ID.test(at) ? undefined : chooseVersion(versions, tags, at, view.inventory.now))
  const found = chosen && (back === 0 ? chosen : versions[versions.indexOf(chosen) - back])
  if (found) return found.version
  // the tags of a damaged version can't be known
  const damage = versions.find(({ version }) => isAppError(version))
  if (!chosen && damage) return damage.version
  const best = parseBest(at)
  if (!chosen && best)
    throw new AppError('not-found', `No version of ${name} has the metric ${JSON.stringify(best.metric)}.`, {
      hint: metricsHint(name, readable),
    })
  if (!chosen && /^\d{4}-\d/.test(at) && endOfMoment(at) === undefined)
    throw new AppError('not-found', `@${at} is neither a date nor a tag of ${name}.`, {
      hint: 'Write dates like 2026-11-20, 2026-11-20T15:04 or, in UTC, 2026-11-20T15:04Z.',
    })
  throw new AppError('not-found', `No version of ${name} matches @${at}${back > 0 ? `~${back}` : ''}.`, {
    hint: `List versions, their tags and ids: colab-escape log ${name}${unfinishedHint(all.length - versions.length)}`,
  })
}

const namesIn = ({ inventory }: RepositoryView): string[] => inventory.snapshots.map(ref => ref.name)
