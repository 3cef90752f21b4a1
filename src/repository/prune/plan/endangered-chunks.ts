import type { ChunkIndex } from '../../index/chunk-index.ts'

/**
 * The chunks that lie in `packs` and elsewhere, by the entry numbers of their first copies. If `packs` go, only the
 * other copies are left of them.
 */
export function endangeredBy(index: ChunkIndex, packs: readonly number[]): Set<number> {
  const endangered = new Set<number>()
  for (const pack of packs) {
    const { first, end } = index.blocksOf(pack)
    for (let block = first; block < end; block++)
      for (const entry of index.entriesIn(block)) {
        const one = index.find(index.id(entry))
        if (one !== entry || index.findNext(entry) >= 0) endangered.add(one)
      }
  }
  return endangered
}

/** The copies of endangered chunks that stay in use. */
export function chosenOf(index: ChunkIndex, endangered: ReadonlySet<number>, chosen: Uint8Array): Set<number> {
  const copies = new Set<number>()
  for (const first of endangered) for (let copy = first; copy >= 0; copy = index.findNext(copy)) if (chosen[copy] !== 0) copies.add(copy)
  return copies
}
