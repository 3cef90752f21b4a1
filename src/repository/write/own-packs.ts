import { decodeIndexedPack } from '../format/index-object.ts'
import { LISTING_LAG_MS } from '../format/limits.ts'
import type { RepositoryView } from '../open/view.ts'
import type { AcknowledgedPack } from './pack-writer.ts'

/**
 * Adds a writer's own packs to a new view if they are present (rule 3): listed, or acknowledged less than L before the
 * listing, and in no tomb. Returns the packs that no listed index names, which have to be put into a new index.
 */
export function includeOwnPacks(view: RepositoryView, own: readonly AcknowledgedPack[]): AcknowledgedPack[] {
  const named = new Set(view.index.packs.map(pack => pack.id))
  const unnamed = own.filter(pack => {
    const present = view.inventory.packs.has(pack.id) || view.inventory.asOf - pack.created < LISTING_LAG_MS
    return present && !named.has(pack.id) && !view.tombedPacks.has(pack.id)
  })
  for (const pack of unnamed) view.index.add({ id: pack.id, size: pack.size, writable: true }, decodeIndexedPack(pack))
  return unnamed
}
