import { decodeIndexedPack } from '../format/index-object.ts'
import { LISTING_LAG_MS } from '../format/limits.ts'
import type { RepositoryView } from '../open/view.ts'
import type { AcknowledgedPack } from '../write/pack-writer.ts'

/**
 * Finds the chunks that are present for a push (rule 3), and collects the packs that it relies on, with the packs of
 * bases. All these packs must still be present when it commits.
 */
export class Presence {
  readonly view: RepositoryView
  private readonly used = new Set<number>()
  /** Copies with bases whose packs count as used already. */
  private readonly marked = new Set<number>()

  constructor(view: RepositoryView) {
    this.view = view
  }

  /** Whether the chunk with the id at `ids[offset]` is present. If so, its packs count as used. */
  use(ids: Uint8Array, offset = 0): boolean {
    const { index } = this.view
    const entry = index.present.find(ids, offset)
    if (entry < 0) return false
    this.mark(entry)
    return true
  }

  /** The depth of a present copy, less than `below`; -1 if there is none. The packs of the copy then count as used. */
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

  /** The numbers of these packs in the view's chunk index. */
  usedPacks(): number[] {
    return [...this.used]
  }
}

/**
 * Adds a push's own packs to a new view if they are present (rule 3): listed, or acknowledged less than L before the
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

/** Whether a writer may rely on all of `packs` (ids), by `view`. */
export function allPresent(view: RepositoryView, packs: readonly string[]): boolean {
  const writable = new Set(view.index.packs.filter(pack => pack.writable).map(pack => pack.id))
  return packs.every(id => writable.has(id))
}
