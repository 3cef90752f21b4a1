import type { RepositoryView } from '../open/view.ts'
import { SAFE_GRACE_PERIODS } from './grace-periods.ts'

/** Listed packs in tombs, and their bytes. From `until` on a prune may delete all of them (ms by the store's clock). */
export interface TombedPacks {
  packs: number
  bytes: number
  until: number | undefined
}

export function countTombedPacks({ inventory, tombs }: Pick<RepositoryView, 'inventory' | 'tombs'>): TombedPacks {
  const sizes = new Map<string, number>()
  let until: number | undefined
  for (const [id, tomb] of tombs) {
    if (tomb.kind !== 'packs') continue
    const there = tomb.packs.flatMap(pack => inventory.packs.get(pack) ?? [])
    const marked = inventory.tombs.get(id)
    if (there.length === 0 || marked === undefined) continue
    for (const { name, size } of there) sizes.set(name, size)
    until = Math.max(until ?? 0, marked.created + SAFE_GRACE_PERIODS.graceMs)
  }
  return { packs: sizes.size, bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0), until }
}
