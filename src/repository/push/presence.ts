import { decodeIndexedPack } from '../format/index-object.ts'
import { LISTING_LAG_MS } from '../format/limits.ts'
import type { RepositoryView } from '../open/view.ts'
import type { AcknowledgedPack } from '../write/pack-writer.ts'

/**
 * Which chunks a push may rely on (rule 3), and on which packs it does rely: those, and the packs of their bases, must still be there when it commits.
 */
export class Presence {
  private readonly view: RepositoryView
  private readonly used = new Set<number>()
  /** Entries with bases whose bases are marked already. */
  private readonly followed = new Set<number>()

  constructor(view: RepositoryView) {
    this.view = view
  }

  /** True when the chunk is present; its packs then count as used. */
  use(ids: Uint8Array, offset = 0): boolean {
    const { index } = this.view
    const entry = index.present.find(ids, offset)
    if (entry < 0) return false
    this.mark(entry)
    return true
  }

  /** The depth of a present copy that lies less deep than `below`, whose packs then count as used; -1 where there is none. */
  useBelow(id: Uint8Array, below: number): number {
    const { index } = this.view
    const entry = index.present.find(id, 0, below)
    if (entry < 0) return -1
    this.mark(entry)
    return index.depth(entry)
  }

  private mark(entry: number): void {
    const { index } = this.view
    this.used.add(index.packOf(entry))
    if (this.followed.has(entry)) return
    const bases = index.present.basesOf(entry)
    if (bases.length > 0) this.followed.add(entry)
    for (const base of bases) this.mark(base)
  }

  usedPacks(): string[] {
    return [...this.used].map(pack => this.view.index.packs[pack]!.id)
  }
}

/**
 * Makes a push's own packs count in a new view: those it lists, and those that were made less than L before it and are not listed yet, unless they are
 * tombed. Returns the ones that no listed index names, which therefore have to go into a new index.
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

/** True when every one of `packs` counts for a writer in `view`. */
export function allPresent(view: RepositoryView, packs: readonly string[]): boolean {
  const writable = new Set(view.index.packs.filter(pack => pack.writable).map(pack => pack.id))
  return packs.every(id => writable.has(id))
}
