import type { RepositoryView } from '../open/view.ts'

/**
 * Finds the chunks that are present for a push (rule 3), and collects the packs that it relies on, with the packs of
 * bases. All these packs must still be present when it commits.
 */
export class Presence {
  private listed: RepositoryView | undefined
  private readonly used = new Set<number>()
  /** Copies with bases whose packs count as used already. */
  private readonly marked = new Set<number>()

  /** Without a view, before the store was listed, no chunk counts as present. */
  constructor(view?: RepositoryView) {
    this.listed = view
  }

  get view(): RepositoryView {
    if (this.listed === undefined) throw new TypeError('the store was not listed yet')
    return this.listed
  }

  /** Sets the view after the store was listed. */
  list(view: RepositoryView): void {
    this.listed = view
  }

  /** Whether the chunk with the id at `ids[offset]` is present. If so, its packs count as used. */
  use(ids: Uint8Array, offset = 0): boolean {
    if (this.listed === undefined) return false
    const { index } = this.listed
    const entry = index.present.find(ids, offset)
    if (entry < 0) return false
    this.mark(entry)
    return true
  }

  /** The depth of a present copy, less than `below`; -1 if there is none. The packs of the copy then count as used. */
  useBelow(id: Uint8Array, below: number): number {
    if (this.listed === undefined) return -1
    const { index } = this.listed
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

/** Whether a writer may rely on all of `packs` (ids), by `view`. */
export function allPresent(view: RepositoryView, packs: readonly string[]): boolean {
  const writable = new Set(view.index.packs.filter(pack => pack.writable).map(pack => pack.id))
  return packs.every(id => writable.has(id))
}
