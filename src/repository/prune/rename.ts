import { AppError } from '../../util/errors.ts'
import { groupBy } from '../../util/group-by.ts'
import { parseJson } from '../../util/json-fields.ts'
import { compareSnapshots, type SnapshotRef } from '../format/object-names.ts'
import { lineOf, versionLabel, type StoredSnapshot } from '../format/snapshot.ts'
import type { RepositoryContext } from '../open/open.ts'
import { isStillThere } from '../versions/forgotten-meanwhile.ts'
import { unknownName } from '../versions/names.ts'
import type { DatedLabel } from '../versions/versions.ts'
import { keeperOfVersion, removeVersion, versionsOf } from './forget.ts'
import { mergeChanges, versionFromText, type FoundVersion } from './forgotten.ts'
import type { PruneBasis } from './prune.ts'
import { Removals } from './removals.ts'
import { bringIn } from './unforget.ts'

interface OldVersion {
  snapshot: StoredSnapshot
  labels: readonly DatedLabel[]
  /** The same version under the new name. */
  renamed: FoundVersion
}

/**
 * Gives the versions of a name another one: stores each with its time, tags and metrics under the new name, like a
 * version that is brought back, and then deletes the old ones. No data moves. If it is interrupted, versions are there
 * under both names, and the same rename goes on. Returns how many versions have the new name.
 *
 * Errors: `not-found` if there is no such name, `conflict` if the new name has versions of something else.
 */
export async function rename(context: RepositoryContext, from: string, to: string): Promise<number> {
  let old: OldVersion[] = []
  const { lost, problems } = await bringIn(context, async opened => {
    old = await findOld(context, opened, from, to)
    await refuseOthers(opened, to, old)
    const { repository } = opened
    const listed = new Set(repository.view.inventory.snapshots.map(({ objectName }) => objectName))
    const missing: FoundVersion[] = []
    for (const { renamed } of old)
      if (!listed.has(renamed.snapshot.ref.objectName) || !(await isStillThere(repository, renamed.snapshot))) missing.push(renamed)
    return missing
  })
  const [damaged] = lost
  if (damaged)
    throw new AppError('corrupt', `${versionLabel({ name: from, id: idOfOld(old, damaged) })} lacks data, so ${from} keeps its name.`, {
      hint: 'Run `colab-escape repair`: it shows what can be done.',
    })
  if (problems.length > 0)
    throw new AppError('unavailable', `${problems[0]!}. ${from} keeps its name.`, { hint: 'Run the same command again: it continues.' })
  // the newest first: what is left of an interrupted run has parents
  for (const { snapshot, labels } of [...old].reverse()) await removeVersion(context, snapshot.ref, labels)
  return old.length
}

const idOfOld = (old: readonly OldVersion[], { snapshot }: FoundVersion): string =>
  old.find(({ renamed }) => renamed.snapshot.id === snapshot.id)!.snapshot.id

/** The versions of the old name, the oldest first. */
async function findOld(context: RepositoryContext, opened: PruneBasis, from: string, to: string): Promise<OldVersion[]> {
  const { storage, view, signal } = opened.repository
  const { versions, unreadable } = await versionsOf(opened, from)
  if (unreadable[0])
    throw new AppError(unreadable[0].error.code, `${unreadable[0].error.message}, so ${from} keeps its name.`, {
      hint: 'Run `colab-escape repair`: it shows what can be done.',
      cause: unreadable[0].error,
    })
  const names = view.inventory.snapshots.map(ref => ref.name)
  if (versions.length === 0) throw unknownName(storage.location, names, from)
  const labelsOf = groupBy(opened.labels, ({ snapshot }) => snapshot.slice(0, 16))
  const removals = new Removals(context)
  const newIds = new Map<string, string>()
  const old: OldVersion[] = []
  for (const snapshot of [...versions].sort((a, b) => compareSnapshots(a.ref, b.ref))) {
    const labels = labelsOf.get(snapshot.ref.shortId) ?? []
    refuseKept(snapshot.ref, keeperOfVersion(removals, snapshot.ref, labels))
    const text = newText(await storage.get(snapshot.ref.objectName, undefined, { signal }), to, newIds)
    const known = versionFromText(text, mergeChanges(labels), view.inventory.asOf)
    if (!known) throw new AppError('corrupt', `${versionLabel(snapshot)} can't be renamed.`, { hint: 'Run `colab-escape check`.' })
    newIds.set(snapshot.id, known.snapshot.id)
    old.push({ snapshot, labels, renamed: { ...known, time: 0, until: 0 } })
  }
  return old
}

function refuseKept({ name }: SnapshotRef, keeper: string | undefined): void {
  if (keeper !== undefined)
    throw new AppError('unsupported', `Only ${keeper} can delete a version of ${name}, so it keeps its name.`, {
      hint: `Ask ${keeper} to rename it, or push with the new name: colab-escape push <path> --name <new>`,
    })
}

/** The text of a snapshot's object under another name. Fields that this program does not know stay. */
function newText(bytes: Uint8Array, name: string, newIds: ReadonlyMap<string, string>): string {
  const record = parseJson(bytes, 'Snapshot') as Record<string, unknown>
  const { parent } = record
  const newParent = typeof parent === 'string' ? (newIds.get(parent) ?? parent) : parent
  return `${JSON.stringify({ ...record, name, parent: newParent }, undefined, 1)}\n`
}

/** Throws if the new name has versions other than these: an interrupted rename left some, and their lines go on. */
async function refuseOthers(opened: PruneBasis, to: string, old: readonly OldVersion[]): Promise<void> {
  const { versions, unreadable } = await versionsOf(opened, to)
  const ours = new Set(old.map(({ renamed }) => renamed.snapshot.id))
  const lines = new Set(old.map(({ snapshot }) => keyOfLine(snapshot)))
  const others = versions.filter(version => !ours.has(version.id) && !lines.has(keyOfLine(version)))
  if (others.length + unreadable.length > 0)
    throw new AppError('conflict', `${to} has versions already, so nothing was renamed.`, {
      hint: `Choose another name. The versions of ${to}: colab-escape log ${to}`,
    })
}

const keyOfLine = (version: StoredSnapshot): string => JSON.stringify([lineOf(version), version.source.path])
