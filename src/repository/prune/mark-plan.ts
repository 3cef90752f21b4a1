import { FILTER_FIELDS } from '../../compression/fields.ts'
import { FILTER_NONE } from '../../compression/filters.ts'
import { AppError } from '../../util/errors.ts'
import { toHex } from '../../util/hash.ts'
import type { ChunkIndex, IndexedBlock } from '../chunk-index.ts'
import { MAX_DEPTH } from '../constants.ts'
import { predictedOf } from './backing.ts'
import { COMMITTED, UNREACHED, type Reached } from './reach.ts'

/** A pack is written anew when more than this share of its blocks' bytes is dead. */
export const REWRITE_FROM = 1 / 3

/** How a pack may be used. `usable`: listed, whole, in no tomb. `gone`: not there any more. */
export type PackState = 'usable' | 'damaged' | 'tombed' | 'gone'

export interface MarkPlan {
  /** By entry: this copy is the one that stays in use. */
  chosen: Uint8Array
  /** Packs by number. Nothing in them is needed. */
  dead: number[]
  /** Much in them is dead: the rest is to be copied, then they go too. */
  rewrite: number[]
  /** Packs in tombs that alone hold something that is needed: it is to be copied. */
  rescue: number[]
  /** Packs that no version refers to, spared because a push may be under way that will. */
  spared: number[]
}

export interface MarkOptions {
  stateOf: (pack: number) => PackState
  /** True for packs that are not to be marked yet whatever is dead in them. */
  isSpared: (pack: number) => boolean
}

/** Decides which copy of each needed chunk stays, and so which packs go (rule 7). What is marked never affects safety, only space and work. */
export function planMarks(index: ChunkIndex, reached: Reached, options: MarkOptions): MarkPlan {
  const choice = new Choice(index, reached, options)
  choice.run()
  const { chosen } = choice
  const plan: MarkPlan = { chosen, dead: [], rewrite: [], rescue: [], spared: [] }
  for (let pack = 0; pack < index.packs.length; pack++) {
    const state = options.stateOf(pack)
    if (state === 'gone') continue
    const { needed, dead } = shareOf(index, pack, entry => chosen[entry] === 1)
    if (state === 'tombed') {
      if (needed) plan.rescue.push(pack)
    } else if (options.isSpared(pack)) {
      if (!needed) plan.spared.push(pack)
    } else if (!needed) plan.dead.push(pack)
    else if (dead > REWRITE_FROM && state === 'usable') plan.rewrite.push(pack)
  }
  return plan
}

/**
 * A block that has to be taken as it is: what is predicted can't be encoded again at that size, and blocks of tensors tell more than their bytes. That a block is a
 * table is seen from its bytes.
 */
export const isIndivisible = ({ filter, parameters }: IndexedBlock): boolean =>
  filter !== FILTER_FIELDS && (filter !== FILTER_NONE || parameters.length > 0)

/** Whether anything in a pack is needed, and the share of its blocks' stored bytes that could be given up. */
export function shareOf(index: ChunkIndex, pack: number, isNeeded: (entry: number) => boolean): { needed: boolean; dead: number } {
  const { first, end } = index.blocksOf(pack)
  let live = 0
  let all = 0
  for (let number = first; number < end; number++) {
    const block = index.blocks[number]!
    let plain = 0
    for (let entry = block.firstChunk; entry < block.firstChunk + block.chunkCount; entry++)
      if (isNeeded(entry)) plain += index.length(entry)
    all += block.storedLength
    if (plain > 0) live += isIndivisible(block) ? block.storedLength : (plain / block.plainLength) * block.storedLength
  }
  return { needed: live > 0, dead: all === 0 ? 1 : 1 - live / all }
}

/** Packs that stay anyway come first: so what lies twice is given up where most else is dead. */
const RANK = { full: 0, spared: 1, sparse: 2, tombed: 3, damaged: 4, gone: 5 } as const

class Choice {
  readonly chosen: Uint8Array
  private readonly index: ChunkIndex
  private readonly reached: Reached
  private readonly rank: number[]
  private readonly memo = new Map<number, number>()
  private readonly taken = new Set<number>()

  constructor(index: ChunkIndex, reached: Reached, { stateOf, isSpared }: MarkOptions) {
    this.index = index
    this.reached = reached
    this.chosen = new Uint8Array(index.size)
    const isReached = (entry: number): boolean => reached.flags[index.find(index.id(entry))] !== UNREACHED
    this.rank = index.packs.map((_, pack) => {
      const state = stateOf(pack)
      if (state !== 'usable') return RANK[state]
      if (isSpared(pack)) return RANK.spared
      return shareOf(index, pack, isReached).dead > REWRITE_FROM ? RANK.sparse : RANK.full
    })
  }

  run(): void {
    const { index, reached } = this
    for (let entry = 0; entry < reached.flags.length; entry++) {
      const flag = reached.flags[entry]!
      if (flag === UNREACHED) continue
      if (!this.take(index.id(entry), MAX_DEPTH + 1) && flag === COMMITTED)
        throw new AppError(
          'corrupt',
          `The chunk ${toHex(index.id(entry)).slice(0, 12)}, which a version needs, can't be read without others that are in no pack. Nothing was deleted.`,
          { hint: 'Run `colab-escape check` to see which files are affected; forget the version concerned to go on without it.' },
        )
    }
  }

  /** Marks the best copy of a chunk, and all that reading it takes. False where there is none. */
  private take(id: Uint8Array, belowDepth: number): boolean {
    const entry = this.best(id, belowDepth)
    if (entry < 0) return false
    this.chosen[entry] = 1
    const block = this.index.blockOf(entry)
    if (this.taken.has(block)) return true
    this.taken.add(block)
    for (const other of predictedOf(this.index, block)) {
      const { ids, depth } = this.index.basesAt(other)!
      for (const base of ids) this.take(base, depth)
    }
    return true
  }

  private best(id: Uint8Array, belowDepth: number): number {
    const { index } = this
    const first = index.find(id)
    if (first < 0) return -1
    const key = first * (MAX_DEPTH + 2) + belowDepth
    const known = this.memo.get(key)
    if (known !== undefined) return known
    let best = -1
    for (let entry = first; entry >= 0; entry = index.findNext(entry)) {
      const rank = this.rank[index.packOf(entry)]!
      const bases = index.basesAt(entry)
      if (rank === RANK.gone || (bases?.depth ?? 0) >= belowDepth) continue
      if (best >= 0 && rank >= this.rank[index.packOf(best)]!) continue
      if (bases?.ids.every(base => this.best(base, bases.depth) >= 0) ?? true) best = entry
    }
    if (index.hasBases) this.memo.set(key, best)
    return best
  }
}
