import { AppError } from '../../../util/errors.ts'
import { toHex } from '../../../util/hash.ts'
import { MAX_DEPTH } from '../../format/limits.ts'
import type { ChunkIndex } from '../../index/chunk-index.ts'
import { Copies } from '../../index/copies.ts'
import { isDivisible } from './block-content.ts'
import { REWRITE_FROM, usedShareOf } from './pack-shares.ts'
import { COMMITTED, UNREACHABLE, type Reachability } from './reachable-chunks.ts'

/** The state of a pack. `usable`: listed, not damaged, in no tomb. `gone`: not there any more. */
export type PackState = 'usable' | 'damaged' | 'tombed' | 'gone'

export interface MarkOptions {
  stateOf: (pack: number) => PackState
  /** True for a pack that must not be marked yet, even if it is all dead. */
  isSpared: (pack: number) => boolean
  /**
   * True for a pack whose content does not match its name. Its copies are chosen only if there are no others, and
   * nothing is copied from it.
   */
  isUnreadable?: (pack: number) => boolean
  /** Copies that were read and are wrong, by entry number. One is chosen only if all copies of the chunk are wrong. */
  bad?: ReadonlySet<number>
  /** False if the store has no room for copies. Then no pack is rewritten. */
  mayCopy?: boolean
  /** True if deltas stay as long as all that is kept takes no more with them than without. */
  sparesDeltas?: boolean
}

export function stateOf(options: MarkOptions, pack: number): PackState {
  return options.isUnreadable?.(pack) ? 'damaged' : options.stateOf(pack)
}

/** Values of `ChosenCopies.chosen`: the copy stays only as a base, or because a version reaches its chunk. */
export const AS_BASE = 1
export const AS_CONTENT = 2

/** The copies that stay in use. */
export interface ChosenCopies {
  /** By entry number: 0, or why this copy stays. */
  chosen: Uint8Array
  /** For a chosen copy that is predicted, by entry number: the chosen copy of each of its bases. */
  bases: Map<number, readonly number[]>
  /** Chosen bases of blocks that can't be divided or rewritten: these keep the bases of all their chunks. */
  pinned: Set<number>
}

/**
 * Packs that stay anyway come first. So of two copies of a chunk, the one in the pack with more dead bytes goes. Copies
 * in packs that are gone do not count.
 */
const RANK = { full: 0, spared: 1, sparse: 2, tombed: 3, damaged: 4, bad: 5, gone: 6 } as const

/** Decides which copy of each needed chunk stays. */
export class CopyChooser {
  private readonly index: ChunkIndex
  private readonly reachable: Reachability
  private readonly copies: Copies
  /** Packs that can't be rewritten now. */
  private readonly fixed: boolean[]

  constructor(index: ChunkIndex, reachable: Reachability, options: MarkOptions) {
    this.index = index
    this.reachable = reachable
    const isReachable = (entry: number): boolean => reachable.flags[index.find(index.id(entry))] !== UNREACHABLE
    const shares = index.packs.map((_, pack) => usedShareOf(index, pack, isReachable))
    const rank = shares.map(({ dead }, pack) => {
      const state = stateOf(options, pack)
      if (state !== 'usable') return RANK[state]
      if (options.isSpared(pack)) return RANK.spared
      return dead > REWRITE_FROM ? RANK.sparse : RANK.full
    })
    // a push under way may use chunks of a new pack that no version needs yet
    this.fixed = rank.map(
      (itsRank, pack) => options.mayCopy === false || itsRank === RANK.damaged || (itsRank === RANK.spared && !shares[pack]!.full),
    )
    this.copies = new Copies(
      index,
      entry => rank[index.packOf(entry)] !== RANK.gone,
      (entry, depth) => orderOf(options.bad?.has(entry) === true ? RANK.bad : rank[index.packOf(entry)]!, depth),
    )
  }

  isFixed(pack: number): boolean {
    return this.fixed[pack]!
  }

  /** Chooses the best copy of each needed chunk, and its bases. The bases of copies in `standalone` are not chosen. */
  select(standalone: ReadonlyMap<number, unknown> = new Map()): ChosenCopies {
    const { index, reachable } = this
    const selection: ChosenCopies = { chosen: new Uint8Array(index.size), bases: new Map(), pinned: new Set() }
    const { chosen, bases, pinned } = selection
    const pinnedBlocks = new Set<number>()
    /** Pinned blocks whose bases are not taken yet. A list, because blocks may form a chain of any length. */
    const waiting: number[] = []
    const take = (id: Uint8Array, belowDepth: number): number => {
      const entry = this.copies.best(id, 0, belowDepth)
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
      waiting.push(block)
    }
    const takePinned = (): void => {
      for (let block = waiting.pop(); block !== undefined; block = waiting.pop())
        for (const entry of index.predictedIn(block)) {
          const { ids, depth } = index.basesAt(entry)!
          for (const id of ids) {
            const base = take(id, depth)
            if (base >= 0) pinned.add(base)
          }
        }
    }
    for (let entry = 0; entry < reachable.flags.length; entry++) {
      const flag = reachable.flags[entry]!
      if (flag === UNREACHABLE) continue
      const copy = take(index.id(entry), MAX_DEPTH + 1)
      takePinned()
      if (copy >= 0) chosen[copy] = AS_CONTENT
      else if (flag === COMMITTED)
        throw new AppError(
          'corrupt',
          `The chunk ${toHex(index.id(entry)).slice(0, 12)}, which a version needs, can't be read without others that are in no pack. Nothing was deleted.`,
          {
            hint: 'Run `colab-escape check` to see which files are affected; forget the version concerned to go on without it.',
            isMissing: true,
          },
        )
    }
    return selection
  }
}

/**
 * Among copies that writers may use, standalone ones come first: an interrupted prune may have made them from the
 * others. Then the rank of the pack decides, then the depth.
 */
function orderOf(rank: number, depth: number): number {
  const ranks = rank >= RANK.tombed ? rank * 1000 : (depth > 0 ? 100 : 0) + rank * 10
  return ranks + depth
}
