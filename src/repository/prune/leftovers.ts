import { isAppError } from '../../util/errors.ts'
import { decodeLabel } from '../format/label-and-tomb.ts'
import { labelName } from '../format/object-names.ts'
import type { StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository } from '../open/open.ts'
import { LATE_MS, type GracePeriods } from './grace-periods.ts'

/**
 * Deletes late snapshots that are not complete and at least 24 h old. Deletes none if anything is damaged, because they
 * may lack chunks only for that reason.
 */
export async function removeLate({ storage, view, signal }: OpenRepository, incomplete: readonly StoredSnapshot[]): Promise<string[]> {
  if (view.problems.length > 0) return []
  const old = incomplete.filter(({ ref }) => ref.created <= view.inventory.asOf - LATE_MS)
  for (const { ref } of old) await storage.remove(ref.objectName, { signal })
  return old.map(({ ref }) => ref.objectName)
}

/** Deletes labels of snapshots that are gone. `removed`: object names of snapshots that this run has deleted. */
export async function removeLabels(repository: OpenRepository, removed: ReadonlySet<string>, waits: GracePeriods): Promise<number> {
  const { storage, view, signal } = repository
  const { inventory } = view
  const there = new Set(inventory.snapshots.filter(({ objectName }) => !removed.has(objectName)).map(({ shortId }) => shortId))
  let count = 0
  for (const [id, { created }] of inventory.labels) {
    // a listing may show a new label before its snapshot
    if (created > inventory.asOf - waits.graceMs) continue
    try {
      const { snapshot } = decodeLabel(await storage.get(labelName(id), undefined, { signal }), id)
      if (there.has(snapshot.slice(0, 16))) continue
    } catch (error) {
      if (isAppError(error, 'not-found', 'corrupt', 'newer-format')) continue
      throw error
    }
    await storage.remove(labelName(id), { signal })
    count++
  }
  return count
}
