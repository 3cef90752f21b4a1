import { compareSnapshots, labelName, parseSnapshotObjectName } from '../format/object-names.ts'
import { nameSnapshot, versionLabel } from '../format/snapshot.ts'
import type { OpenRepository, RepositoryContext } from '../open/open.ts'
import type { RepositoryView } from '../open/view.ts'
import type { DatedLabel } from '../versions/versions.ts'
import type { GracePeriods } from './grace-periods.ts'
import { Removals } from './removals.ts'

/** Deletes labels of snapshots that are gone. `removed`: object names of snapshots that this run has deleted. */
export async function removeLabels(
  repository: OpenRepository,
  labels: readonly DatedLabel[],
  removed: ReadonlySet<string>,
  waits: GracePeriods,
): Promise<number> {
  const { inventory } = repository.view
  const removals = new Removals(repository)
  const there = new Set(inventory.snapshots.filter(({ objectName }) => !removed.has(objectName)).map(({ shortId }) => shortId))
  // a listing may show a new label before its snapshot
  const spent = labels.filter(({ created, snapshot }) => created <= inventory.asOf - waits.graceMs && !there.has(snapshot.slice(0, 16)))
  let gone = 0
  for (const { id } of spent) if (await removals.remove(labelName(id))) gone++
  return gone
}

/**
 * Deletes the labels of versions that a person has deleted, given by the first 16 digits of their ids, unless they are
 * there all the same. A label that stays behind would put its version back.
 */
export async function removeLabelsOf(
  context: RepositoryContext,
  opened: { repository: OpenRepository; labels: DatedLabel[] },
  versions: readonly string[],
): Promise<void> {
  const there = new Set(opened.repository.view.inventory.snapshots.map(({ shortId }) => shortId))
  const gone = new Set(versions.filter(shortId => !there.has(shortId)))
  const isOf = ({ snapshot }: DatedLabel): boolean => gone.has(snapshot.slice(0, 16))
  const removals = new Removals(context)
  for (const { id } of opened.labels.filter(isOf)) await removals.remove(labelName(id))
  // a label that only somebody else may delete puts its version back
  opened.labels = opened.labels.filter(label => !isOf(label) || removals.left.has(labelName(label.id)))
}

/**
 * Puts versions back that another machine forgot before its listing showed the label that protects them. A forget that
 * knows a label deletes it with its version, so a label that is left was not known.
 */
export async function restoreTagged(
  { storage, reporter, signal }: RepositoryContext,
  { inventory }: RepositoryView,
  labels: readonly DatedLabel[],
  { lagMs }: GracePeriods,
): Promise<void> {
  const there = new Set(inventory.snapshots.map(({ shortId }) => shortId))
  const lost = new Map<string, { text: string; tags: Set<string> }>()
  for (const { snapshot, add, remove, version, created } of labels) {
    // a listing may show a new label before its snapshot
    if (there.has(snapshot.slice(0, 16)) || created > inventory.asOf - lagMs) continue
    const found = lost.get(snapshot)
    if (version !== undefined && !found) lost.set(snapshot, { text: version, tags: new Set() })
    const tags = lost.get(snapshot)?.tags
    for (const tag of remove) tags?.delete(tag)
    for (const tag of add) tags?.add(tag)
  }
  for (const { text, tags } of lost.values()) {
    const bytes = Buffer.from(text)
    const objectName = tags.size === 0 ? undefined : nameSnapshot(bytes)
    if (objectName === undefined) continue
    const { created } = await storage.put(objectName, bytes, { signal })
    const ref = parseSnapshotObjectName({ name: objectName, size: bytes.length, created })!
    inventory.snapshots.push(ref)
    reporter.note(
      `${versionLabel({ name: ref.name, id: ref.shortId })} is back: it was forgotten on a machine that did not know its tag ${[...tags].join(', ')} yet`,
    )
  }
  inventory.snapshots.sort(compareSnapshots)
}
