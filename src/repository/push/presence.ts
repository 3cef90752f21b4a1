import { decodeIndexedPack } from '../format/index-object.ts'
import { LISTING_LAG_MS } from '../format/limits.ts'
import type { RepositoryView } from '../open/view.ts'
import type { AcknowledgedPack } from '../write/pack-writer.ts'

/**
 * The chunks that a push may rely on (rule 3), and the packs that it does rely on, those of bases included. All these
 * packs must still be there when it commits.
 */
export class Presence {
  private readonly view: RepositoryView
  private readonly used = new Set<number>()
  /** Copies with bases whose packs count as used already. */
  private readonly marked = new Set<number>()

  constructor(view: RepositoryView) {
    this.view = view
  }

  /** Tells whether the chunk with the id at `ids[offset]` is present. If so, its packs count as used. */
  use(ids: Uint8Array, offset = 0): boolean {
    const { index } = this.view
    const entry = index.present.find(ids, offset)
    if (entry < 0) return false
    this.mark(entry)
    return true
  }

  /** The depth of a present copy of less than this depth, whose packs then count as used; -1 if there is none. */
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
    if (index.depth(entry) === 0 || this.marked.has(entry)) return
    this.marked.add(entry)
    for (const base of index.present.basesOf(entry)) this.mark(base)
  }

  usedPacks(): string[] {
    return [...this.used].map(pack => this.view.index.packs[pack]!.id)
  }
}

/**
 * Adds a push's own packs to a new view: those that it lists, and those made less than L before it that it may not list
 * yet, unless they are tombed. Returns the packs that no listed index names, which have to go into a new index.
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

/** Tells whether a writer may use all of `packs` according to `view`. */
export function allPresent(view: RepositoryView, packs: readonly string[]): boolean {
  const writable = new Set(view.index.packs.filter(pack => pack.writable).map(pack => pack.id))
  return packs.every(id => writable.has(id))
}
