import { baseScale, usesBase } from '../../compression/filters.ts'
import { plural } from '../../util/words.ts'
import { MAX_DEPTH } from '../format/limits.ts'
import type { ChunkIndex } from '../index/chunk-index.ts'

export interface PlannedBlock {
  number: number
  /** False for a block that is read only for bases. */
  wanted: boolean
  /**
   * For a predicted block: the entry number of each base, chunk by chunk. It is -1 for a base that this plan does not
   * read before the block.
   */
  bases: Int32Array | undefined
}

/** The blocks to read, in order: each is read once, and a predicted block comes soon after its bases. */
export interface ReadPlan {
  blocks: PlannedBlock[]
  /** How often each copy serves as a base, by its entry number. */
  uses: Map<number, number>
}

/**
 * Plans to read the `wanted` blocks and everything that they are predicted from. Keeps the given order if no block is
 * predicted.
 *
 * Time and memory: linear in the number of these blocks and of their bases, but for the sorting of the blocks.
 */
export function planReading(index: ChunkIndex, wanted: readonly number[]): ReadPlan {
  const needed = new Map<number, PlannedBlock>()
  const need = (number: number, isWanted: boolean): void => {
    if (!needed.has(number)) needed.set(number, { number, wanted: isWanted, bases: findBases(index, number) })
  }
  for (const number of wanted) need(number, true)
  // grows while it is walked
  for (const block of needed.values()) for (const number of baseBlocks(index, block)) need(number, false)
  const blocks = [...needed.values()]
  if (blocks.every(({ bases }) => bases === undefined)) return { blocks, uses: new Map() }
  return orderBases(index, sortByRoots(index, needed), needed)
}

/**
 * Undefined for a block whose filter needs no bases. The bases may make no sense: then reading the block fails later.
 */
function findBases(index: ChunkIndex, number: number): Int32Array | undefined {
  const { filter, firstChunk, chunkCount } = index.blocks[number]!
  if (!usesBase(filter)) return undefined
  const entries: number[] = []
  for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk++) {
    const bases = index.basesAt(chunk)
    for (const id of bases?.ids ?? []) entries.push(index.findBase(id, bases!.depth))
  }
  return Int32Array.from(entries)
}

/**
 * Why the bases of a block don't have the lengths that its chunks need, or undefined. Ids without a copy are left to
 * the reader.
 */
export function whyNoBase(index: ChunkIndex, { number, bases }: PlannedBlock): string | undefined {
  const { filter, firstChunk, chunkCount } = index.blocks[number]!
  let next = 0
  for (let chunk = firstChunk; chunk < firstChunk + chunkCount; chunk++) {
    const count = index.basesAt(chunk)?.ids.length ?? 0
    if (count === 0) return 'a chunk has no base where its filter needs one'
    const needed = baseScale(filter) * index.length(chunk)
    const entries = bases!.subarray(next, (next += count))
    if (entries.includes(-1)) continue
    const bytes = entries.reduce((sum, entry) => sum + index.length(entry), 0)
    if (bytes !== needed) return `a chunk has a base of ${plural(bytes, 'byte')} where ${needed} are needed`
  }
  return undefined
}

/** Puts blocks together whose chains end in the same block, so that bases are kept for a short time only. */
function sortByRoots(index: ChunkIndex, needed: ReadonlyMap<number, PlannedBlock>): PlannedBlock[] {
  const below = new Map<PlannedBlock, PlannedBlock>()
  for (const block of needed.values()) {
    const first = block.bases?.find(entry => entry >= 0)
    if (first !== undefined) below.set(block, needed.get(index.blockOf(first))!)
  }
  const keyed = [...needed.values()].map(block => {
    let root = block
    let steps = 0
    for (let next = below.get(root); next && steps < MAX_DEPTH; next = below.get(root), steps++) root = next
    return { block, root: root.number, steps }
  })
  keyed.sort((a, b) => a.root - b.root || a.steps - b.steps || a.block.number - b.block.number)
  return keyed.map(({ block }) => block)
}

/**
 * Puts bases before the blocks that are predicted from them. Two blocks may need each other, though no chunk needs
 * itself. One of the two then gets its bases outside the plan.
 */
function orderBases(index: ChunkIndex, sorted: readonly PlannedBlock[], needed: ReadonlyMap<number, PlannedBlock>): ReadPlan {
  const plan: ReadPlan = { blocks: [], uses: new Map() }
  const entered = new Set<number>()
  const done = new Set<number>()
  const finish = (block: PlannedBlock): void => {
    block.bases?.forEach((entry, i) => {
      if (entry < 0) return
      if (done.has(index.blockOf(entry))) plan.uses.set(entry, (plan.uses.get(entry) ?? 0) + 1)
      else block.bases![i] = -1
    })
    plan.blocks.push(block)
    done.add(block.number)
  }
  for (const start of sorted) {
    const stack = [start]
    for (let block = stack.at(-1); block; block = stack.at(-1)) {
      if (entered.has(block.number)) {
        stack.pop()
        if (!done.has(block.number)) finish(block)
        continue
      }
      entered.add(block.number)
      for (const number of baseBlocks(index, block).reverse()) if (!entered.has(number)) stack.push(needed.get(number)!)
    }
  }
  return plan
}

/** Numbers of the blocks that hold a block's bases. */
export function baseBlocks(index: ChunkIndex, { bases }: PlannedBlock): number[] {
  const numbers = new Set<number>()
  for (const entry of bases ?? []) if (entry >= 0) numbers.add(index.blockOf(entry))
  return [...numbers]
}
