import { labelName } from '../format/object-names.ts'
import type { OpenRepository } from '../open/open.ts'
import type { DatedLabel } from '../versions/versions.ts'
import type { GracePeriods } from './grace-periods.ts'

/** Deletes labels of snapshots that are gone. `removed`: object names of snapshots that this run has deleted. */
export async function removeLabels(
  { storage, view: { inventory }, signal }: OpenRepository,
  labels: readonly DatedLabel[],
  removed: ReadonlySet<string>,
  waits: GracePeriods,
): Promise<number> {
  const there = new Set(inventory.snapshots.filter(({ objectName }) => !removed.has(objectName)).map(({ shortId }) => shortId))
  // a listing may show a new label before its snapshot
  const spent = labels.filter(({ created, snapshot }) => created <= inventory.asOf - waits.graceMs && !there.has(snapshot.slice(0, 16)))
  for (const { id } of spent) await storage.remove(labelName(id), { signal })
  return spent.length
}
