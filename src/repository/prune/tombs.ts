import { toHex } from '../../util/hash.ts'
import { encodeTomb, type Tomb } from '../format/label-and-tomb.ts'
import { tombName } from '../format/object-names.ts'
import { NONCE_BYTES } from '../format/pack.ts'
import type { RepositoryContext } from '../open/open.ts'
import type { RepositoryView } from '../open/view.ts'
import type { GracePeriods } from './grace-periods.ts'
import { Removals } from './removals.ts'

/** Ids in one tomb, at most. An id takes about 70 bytes. */
const TOMB_IDS = 100_000

export async function writeTombs(
  { storage, surroundings, signal }: RepositoryContext,
  kind: Tomb['kind'],
  ids: readonly string[],
): Promise<void> {
  for (let i = 0; i < ids.length; i += TOMB_IDS) {
    const some = ids.slice(i, i + TOMB_IDS)
    const tomb = encodeTomb(kind === 'packs' ? { kind, packs: some } : { kind, spent: some }, toHex(surroundings.random(NONCE_BYTES)))
    await storage.put(tombName(tomb.id), tomb.bytes, { signal })
  }
}

/**
 * Rule 10: writes a marker that names the tombs whose packs are all gone. When a marker is old enough, no listing shows
 * these packs. Then deletes the tombs, then the marker. Returns how many tombs were deleted. Time: linear in the bytes
 * of all tombs.
 */
export async function retireTombs(
  context: RepositoryContext,
  view: RepositoryView,
  deleted: ReadonlySet<string>,
  waits: GracePeriods,
): Promise<number> {
  const removals = new Removals(context)
  const { inventory, tombs } = view
  const spent = new Set([...tombs.values()].flatMap(tomb => (tomb.kind === 'marker' ? tomb.spent : [])))
  const isOld = (id: string, ms: number): boolean => inventory.tombs.get(id)!.created <= inventory.asOf - ms
  const isThere = (pack: string): boolean => inventory.packs.has(pack) && !deleted.has(pack)
  // a marker may name a tomb many times, and many markers may name it
  const inUse = new Set([...tombs].filter(([, tomb]) => tomb.kind === 'packs' && tomb.packs.some(isThere)).map(([id]) => id))
  const done = [...tombs].filter(([id, tomb]) => tomb.kind === 'packs' && !spent.has(id) && isOld(id, waits.lagMs) && !inUse.has(id))
  await writeTombs(
    context,
    'marker',
    done.map(([id]) => id),
  )
  let retired = 0
  const removed = new Set<string>()
  for (const [id, tomb] of tombs) {
    if (tomb.kind === 'packs' || !isOld(id, waits.graceMs)) continue
    // a tomb of packs that are there is never lifted, whatever a marker says (rule 6)
    if (tomb.spent.some(old => inUse.has(old))) continue
    let areGone = true
    for (const old of tomb.spent) {
      if (!inventory.tombs.has(old) || removed.has(old)) continue
      if (await removals.remove(tombName(old))) {
        removed.add(old)
        retired++
      } else areGone = false
    }
    // as long as a tomb is there, its marker says that it is done
    if (areGone) await removals.remove(tombName(id))
  }
  return retired
}

/** When each tombed pack may be deleted, by its oldest tomb; ms by the store's clock. */
export function dueTimes({ tombs, inventory }: RepositoryView, graceMs: number): Map<string, number> {
  const due = new Map<string, number>()
  for (const [id, tomb] of tombs) {
    if (tomb.kind !== 'packs') continue
    const at = inventory.tombs.get(id)!.created + graceMs
    for (const pack of tomb.packs) due.set(pack, Math.min(at, due.get(pack) ?? Infinity))
  }
  return due
}
