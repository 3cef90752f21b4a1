import { MAX_DEPTH } from '../../format/limits.ts'
import type { ChunkIndex } from '../../index/chunk-index.ts'

/**
 * The chunks with several copies of which one may be lost if `packs` go, because it lies in them or is predicted from a
 * chunk in them. They are given by the entry numbers of their first copies. The copies that stay in use of these chunks
 * must be good. Time: linear in the number of copies and bases.
 */
export function endangeredBy(index: ChunkIndex, packs: readonly number[]): Set<number> {
  const affected = new Set<number>()
  const affect = (entry: number): void => void affected.add(index.find(index.id(entry)))
  for (const pack of packs) {
    const { first, end } = index.blocksOf(pack)
    for (let block = first; block < end; block++) for (const entry of index.entriesIn(block)) affect(entry)
  }
  if (affected.size > 0)
    for (const entries of predictedByDepth(index))
      for (const entry of entries) if (index.basesAt(entry)!.ids.some(id => affected.has(index.find(id)))) affect(entry)
  for (const first of affected) if (index.findNext(first) < 0) affected.delete(first)
  return affected
}

/** All copies with bases. Each comes after those of smaller depth, which may be its bases. */
function predictedByDepth(index: ChunkIndex): number[][] {
  const byDepth: number[][] = Array.from({ length: MAX_DEPTH + 1 }, () => [])
  if (index.hasBases)
    for (let block = 0; block < index.blocks.length; block++)
      for (const entry of index.predictedIn(block)) byDepth[index.depth(entry)]!.push(entry)
  return byDepth
}

/** The copies of endangered chunks that stay in use. */
export function chosenOf(index: ChunkIndex, endangered: ReadonlySet<number>, chosen: Uint8Array): Set<number> {
  const copies = new Set<number>()
  for (const first of endangered) for (let copy = first; copy >= 0; copy = index.findNext(copy)) if (chosen[copy] !== 0) copies.add(copy)
  return copies
}
