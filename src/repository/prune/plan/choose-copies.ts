import { AppError } from '../../../util/errors.ts'
import { toHex } from '../../../util/hash.ts'
import { MAX_DEPTH } from '../../format/limits.ts'
import type { ChunkIndex } from '../../index/chunk-index.ts'
import { predictedOf } from './backed-copies.ts'
import { isDivisible } from './block-content.ts'
import { REWRITE_FROM, usedShareOf } from './pack-shares.ts'
import { COMMITTED, UNREACHED, type Reachability } from './reachable-chunks.ts'

/** How a pack may be used. `usable`: listed, whole, in no tomb. `gone`: not there any more. */
export type PackState = 'usable' | 'damaged' | 'tombed' | 'gone'

export interface MarkOptions {
  stateOf: (pack: number) => PackState
  /** True for packs that are not to be marked yet whatever is dead in them. */
  isSpared: (pack: number) => boolean
  /** Packs that were found not to be what their names say: they are counted on only where nothing else is there, and can't be copied from. */
  isUnreadable?: (pack: number) => boolean
  /** False where copies do not fit: then no pack is written anew. */
  mayCopy?: boolean
}

export function stateOf(options: MarkOptions, pack: number): PackState {
  return options.isUnreadable?.(pack) ? 'damaged' : options.stateOf(pack)
}

/** Values of `ChosenCopies.chosen`: there for what is predicted from it alone, or because versions reach it. */
export const AS_BASE = 1
export const AS_CONTENT = 2

/** The copies that stay in use. */
export interface ChosenCopies {
  /** By entry: 0, or why this copy stays. */
  chosen: Uint8Array
  /** Of chosen copies that are predicted: the chosen copies of their bases, one a base. */
  bases: Map<number, readonly number[]>
  /** Chosen bases of blocks that stay as they are, whatever of these is needed. */
  pinned: Set<number>
}

/** Packs that stay anyway come first: so what lies twice is given up where most else is dead. */
const RANK = { full: 0, spared: 1, sparse: 2, tombed: 3, damaged: 4, gone: 5 } as const

/** Decides which copy of each needed chunk stays. */
export class CopyChooser {
  private readonly index: ChunkIndex
  private readonly reached: Reachability
  private readonly rank: number[]
  /** Packs that can't be written anew now. */
  private readonly fixed: boolean[]
  private readonly memo = new Map<number, number>()

  constructor(index: ChunkIndex, reached: Reachability, options: MarkOptions) {
    this.index = index
    this.reached = reached
    const isReached = (entry: number): boolean => reached.flags[index.find(index.id(entry))] !== UNREACHED
    this.rank = index.packs.map((_, pack) => {
      const state = stateOf(options, pack)
      if (state !== 'usable') return RANK[state]
      if (options.isSpared(pack)) return RANK.spared
      return usedShareOf(index, pack, isReached).dead > REWRITE_FROM ? RANK.sparse : RANK.full
    })
    // what a push under way may use of a new pack is what no version reaches yet
    const isIncomplete = (pack: number): boolean => !usedShareOf(index, pack, isReached).full
    this.fixed = this.rank.map(
      (rank, pack) => options.mayCopy === false || rank === RANK.damaged || (rank === RANK.spared && isIncomplete(pack)),
    )
  }

  isFixed(pack: number): boolean {
    return this.fixed[pack]!
  }

  /** Takes the best copy of each needed chunk, and all that reading it takes; those in `standalone` are taken as if they had no bases. */
  select(standalone: ReadonlyMap<number, unknown> = new Map()): ChosenCopies {
    const { index, reached } = this
    const selection: ChosenCopies = { chosen: new Uint8Array(index.size), bases: new Map(), pinned: new Set() }
    const { chosen, bases, pinned } = selection
    const pinnedBlocks = new Set<number>()
    const take = (id: Uint8Array, belowDepth: number): number => {
      const entry = this.best(id, belowDepth)
      if (entry < 0 || chosen[entry] !== 0) return entry
      chosen[entry] = AS_BASE
      const own = index.basesAt(entry)
      const block = index.blockOf(entry)
      if (!own && !index.hasBases) return entry
      if (this.fixed[index.packOf(entry)] || !isDivisible(index.blocks[block]!)) pin(block)
      else if (own && !standalone.has(entry))
        bases.set(
          entry,
          own.ids.map(base => take(base, own.depth)),
        )
      return entry
    }
    const pin = (block: number): void => {
      if (pinnedBlocks.has(block)) return
      pinnedBlocks.add(block)
      for (const entry of predictedOf(index, block)) {
        const { ids, depth } = index.basesAt(entry)!
        for (const id of ids) {
          const base = take(id, depth)
          if (base >= 0) pinned.add(base)
        }
      }
    }
    for (let entry = 0; entry < reached.flags.length; entry++) {
      const flag = reached.flags[entry]!
      if (flag === UNREACHED) continue
      const copy = take(index.id(entry), MAX_DEPTH + 1)
      if (copy >= 0) chosen[copy] = AS_CONTENT
      else if (flag === COMMITTED)
        throw new AppError(
          'corrupt',
          `The chunk ${toHex(index.id(entry)).slice(0, 12)}, which a version needs, can't be read without others that are in no pack. Nothing was deleted.`,
          { hint: 'Run `colab-escape check` to see which files are affected; forget the version concerned to go on without it.' },
        )
    }
    return selection
  }

  private best(id: Uint8Array, belowDepth: number): number {
    const { index } = this
    const first = index.find(id)
    if (first < 0) return -1
    const key = first * (MAX_DEPTH + 2) + belowDepth
    const known = this.memo.get(key)
    if (known !== undefined) return known
    let best = -1
    let least = Infinity
    for (let entry = first; entry >= 0; entry = index.findNext(entry)) {
      const rank = this.rank[index.packOf(entry)]!
      const bases = index.basesAt(entry)
      const order = orderOf(rank, bases?.depth ?? 0)
      if (rank === RANK.gone || (bases?.depth ?? 0) >= belowDepth || order >= least) continue
      if (!(bases?.ids.every(base => this.best(base, bases.depth) >= 0) ?? true)) continue
      best = entry
      least = order
    }
    if (index.hasBases) this.memo.set(key, best)
    return best
  }
}

/**
 * Of copies that writers may use, one that needs no bases comes first: it may be what a prune that was cut short has made of the others. Then go the ranks of packs,
 * then short chains.
 */
function orderOf(rank: number, depth: number): number {
  const ranks = rank >= RANK.tombed ? rank * 1000 : (depth > 0 ? 100 : 0) + rank * 10
  return ranks + depth
}
