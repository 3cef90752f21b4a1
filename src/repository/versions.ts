import pLimit from 'p-limit'
import { AppError, isAppError } from '../util/errors.ts'
import type { Storage } from '../storage/storage.ts'
import type { BlockSource } from './chunk-reader.ts'
import { decodeLabel } from './label.ts'
import { isComplete } from './manifest-reader.ts'
import { checkName, labelName, type SnapshotRef } from './object-names.ts'
import { decodeSnapshot, isLate, type StoredSnapshot } from './snapshot.ts'
import type { RepositoryView } from './view.ts'

const PARALLEL_READS = 8

/** `name[@selector][~N]`, with `:path` where a command takes one. */
export interface VersionSpec {
  name: string
  /** A tag, the beginning of an id, or a local day or moment. */
  at: string | undefined
  /** How many versions before. */
  back: number
}

export function parseVersion(text: string): VersionSpec {
  const parts = /^([^@~:]+)(?:@([^~]+))?(?:~(\d{1,9}))?$/.exec(text)
  if (!parts)
    throw new AppError('usage', `${JSON.stringify(text)} is not a version.`, {
      hint: 'Write a name, name~1, name@tag, name@id or name@2026-11-20.',
    })
  return { name: checkName(parts[1]!), at: parts[2], back: parts[3] === undefined ? 0 : Number(parts[3]) }
}

/** `name[version]:path` -> the version and the path. A date's colons belong to the version: the path begins after the last colon that follows it. */
export function parseVersionedPath(text: string): { version: VersionSpec; path: string } {
  for (let colon = text.indexOf(':'); colon >= 0; colon = text.indexOf(':', colon + 1)) {
    const version = text.slice(0, colon)
    const rest = text.slice(colon + 1)
    const insideTime = /@\d{4}-\d\d-\d\dT\d\d(:\d\d)?$/.test(version) && /^\d\dZ?(:|$)/.test(rest)
    if (!insideTime) return { version: parseVersion(version), path: rest }
  }
  throw new AppError('usage', `${JSON.stringify(text)} names no path.`, { hint: 'Write name:path, e.g. data:train/labels.csv.' })
}

/**
 * The end of the local day, minute or second that `text` names, in ms since 1970; undefined when it is no date.
 * Accepts 2026-11-20, 2026-11-20T15, 2026-11-20T15:04, 2026-11-20T15:04:05, each also with Z for UTC.
 */
export function endOfMoment(text: string): number | undefined {
  const parts = /^(\d{4})-(\d\d)-(\d\d)(?:T([01]\d|2[0-3])(?::([0-5]\d)(?::([0-5]\d))?)?)?(Z)?$/.exec(text)
  if (!parts) return undefined
  const given = parts
    .slice(1, 7)
    .filter(part => part !== undefined)
    .map(Number)
  const [year, month, day, hour = 0, minute = 0, second = 0] = given
  const date = new Date(Date.UTC(year!, month! - 1, day))
  if (date.getUTCMonth() !== month! - 1 || date.getUTCDate() !== day) return undefined
  // 1 ms before the next one begins: right also where clocks are set back, and the last hour comes twice
  const next: [number, number, number, number, number, number] = [year!, month! - 1, day, hour, minute, second]
  next[given.length - 1]!++
  return (parts[7] === 'Z' ? Date.UTC(...next) : new Date(...next).getTime()) - 1
}

export async function readSnapshot(storage: Storage, ref: SnapshotRef, signal?: AbortSignal): Promise<StoredSnapshot> {
  return decodeSnapshot(await storage.get(ref.objectName, undefined, { signal }), ref)
}

/** All tags of snapshots by id: their own, then what labels added and removed, in the order of the store's clock. */
export async function readTags(
  storage: Storage,
  view: RepositoryView,
  snapshots: readonly StoredSnapshot[],
  signal?: AbortSignal,
): Promise<Map<string, string[]>> {
  const tags = new Map(snapshots.map(snapshot => [snapshot.id, new Set(snapshot.tags)]))
  const limit = pLimit(PARALLEL_READS)
  const ordered = [...view.inventory.labels].sort(([a, x], [b, y]) => x.created - y.created || (a < b ? -1 : 1))
  const labels = await Promise.all(
    ordered.map(([id]) => limit(async () => decodeLabel(await storage.get(labelName(id), undefined, { signal }), id))),
  )
  for (const label of labels) {
    const own = tags.get(label.snapshot)
    for (const tag of label.remove) own?.delete(tag)
    for (const tag of label.add) own?.add(tag)
  }
  return new Map([...tags].map(([id, set]) => [id, [...set]]))
}

/** Reads many snapshots side by side; damaged ones and late ones that are not complete are left out, the damage noted in the view. */
export async function readSnapshots(source: BlockSource, view: RepositoryView, refs: readonly SnapshotRef[]): Promise<StoredSnapshot[]> {
  const limit = pLimit(PARALLEL_READS)
  const read = await Promise.all(refs.map(ref => limit(() => readOffered(source, view, ref))))
  return read.filter(snapshot => snapshot !== undefined)
}

async function readOffered(source: BlockSource, view: RepositoryView, ref: SnapshotRef): Promise<StoredSnapshot | undefined> {
  try {
    const snapshot = await readSnapshot(source.storage, ref, source.signal)
    return isLate(snapshot) && !(await isComplete(source, snapshot)) ? undefined : snapshot
  } catch (error) {
    if (!isAppError(error, 'corrupt', 'not-found')) throw error
    if (error.code === 'corrupt') view.problems.push(error)
    return undefined
  }
}

/** The newest snapshot of a name that is offered, or undefined. Reads no more snapshots than it must. */
export async function newestSnapshot(source: BlockSource, view: RepositoryView, name: string): Promise<StoredSnapshot | undefined> {
  const refs = view.inventory.snapshots.filter(ref => ref.name === name)
  for (const ref of refs.reverse()) {
    const snapshot = await readOffered(source, view, ref)
    if (snapshot) return snapshot
  }
  return undefined
}

/** Finds the version that a person named. Throws `not-found`, telling what there is instead, and `corrupt` when the version exists but is damaged. */
export async function resolveVersion(source: BlockSource, view: RepositoryView, spec: VersionSpec): Promise<StoredSnapshot> {
  const refs = view.inventory.snapshots.filter(ref => ref.name === spec.name)
  if (refs.length === 0) throw unknownName(source.storage.location, view, spec.name)
  if (spec.at === undefined) {
    const offered: StoredSnapshot[] = []
    for (const ref of [...refs].reverse()) {
      const problems = view.problems.length
      const snapshot = await readOffered(source, view, ref)
      if (view.problems.length > problems && offered.length === spec.back) throw view.problems.at(-1)!
      if (snapshot) offered.push(snapshot)
      if (offered.length > spec.back) return offered[spec.back]!
    }
    throw new AppError(
      'not-found',
      `${spec.name} has ${offered.length} version${offered.length === 1 ? '' : 's'}, so there is no ${spec.name}~${spec.back}.`,
      {
        hint: `List them: colab-escape log ${spec.name}`,
      },
    )
  }
  const offered = await readSnapshots(source, view, refs)
  const tags = await readTags(source.storage, view, offered, source.signal)
  const chosen = choose(offered, tags, spec.at)
  const position = chosen === undefined ? -1 : offered.indexOf(chosen) - spec.back
  const found = offered[position]
  if (!found)
    throw new AppError('not-found', `No version of ${spec.name} matches @${spec.at}${spec.back > 0 ? `~${spec.back}` : ''}.`, {
      hint: `List versions, their tags and ids: colab-escape log ${spec.name}`,
    })
  return found
}

/** By tag (the newest that carries it), else by the beginning of the id, else the newest at the end of a day or moment. */
function choose(offered: StoredSnapshot[], tags: Map<string, string[]>, at: string): StoredSnapshot | undefined {
  const tagged = offered.filter(snapshot => tags.get(snapshot.id)!.includes(at)).at(-1)
  if (tagged) return tagged
  const byId = /^[0-9a-f]{4,64}$/.test(at) ? offered.filter(snapshot => snapshot.id.startsWith(at)) : []
  if (byId.length > 1)
    throw new AppError('usage', `@${at} is the beginning of ${byId.length} ids.`, { hint: 'Write more digits of the id.' })
  if (byId[0]) return byId[0]
  const end = endOfMoment(at)
  return end === undefined ? undefined : offered.filter(snapshot => snapshot.time <= end).at(-1)
}

function unknownName(location: string, view: RepositoryView, name: string): AppError {
  const names = [...new Set(view.inventory.snapshots.map(ref => ref.name))].sort()
  return new AppError('not-found', `There is no ${JSON.stringify(name)} in ${location}.`, {
    hint:
      names.length === 0
        ? 'It holds no versions yet: colab-escape push <path>'
        : `It holds: ${names.slice(0, 10).join(', ')}${names.length > 10 ? ', ...' : ''}`,
  })
}
