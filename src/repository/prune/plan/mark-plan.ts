/*
 * Which copies stay and which packs go: pure decisions over an index and the reachable chunks. No store is read or
 * written here.
 */

import type { ChunkIndex } from '../../index/chunk-index.ts'
import { storedShare } from '../../index/stored-sizes.ts'
import { CopyChooser, type MarkOptions, stateOf } from './choose-copies.ts'
import { REWRITE_FROM, usedShareOf } from './pack-shares.ts'
import type { Reachability } from './reachable-chunks.ts'
import { findStandaloneChunks } from './standalone-chunks.ts'
import { packsHoldingDeadBases } from './tethered-packs.ts'

export interface MarkPlan {
  /** By entry: not 0 where this copy is the one that stays in use. */
  chosen: Uint8Array
  /** Chosen copies that are predicted and will be encoded by themselves, and the bytes that they will take, about. */
  standalone: Map<number, number>
  /** Packs by number. Nothing in them is needed. */
  dead: number[]
  /** Much in them is dead, or they keep what could go: what is needed of them is to be copied, then they go too. */
  rewrite: number[]
  /** Packs in tombs that alone hold something that is needed: it is to be copied. */
  rescue: number[]
  /** Packs that no version refers to, spared because a push may be under way that will. */
  spared: number[]
}

/** Decides which copy of each needed chunk stays, and so which packs go (rule 7). What is marked never affects safety, only space and work. */
export function planMarks(index: ChunkIndex, reached: Reachability, options: MarkOptions): MarkPlan {
  const choice = new CopyChooser(index, reached, options)
  const selection = choice.select()
  const { standalone } = findStandaloneChunks(index, selection)
  const { chosen } = standalone.size === 0 ? selection : choice.select(standalone)
  const plan: MarkPlan = { chosen, standalone, dead: [], rewrite: [], rescue: [], spared: [] }
  const begun = new Set([...standalone.keys()].map(entry => index.packOf(entry)))
  for (let pack = 0; pack < index.packs.length; pack++) {
    const state = stateOf(options, pack)
    if (state === 'gone') continue
    const { needed, dead } = usedShareOf(index, pack, entry => chosen[entry] !== 0)
    if (state === 'tombed') {
      if (needed) plan.rescue.push(pack)
    } else if (begun.has(pack)) plan.rewrite.push(pack)
    else if (options.isSpared(pack)) {
      if (!needed) plan.spared.push(pack)
    } else if (!needed) plan.dead.push(pack)
    else if (dead > REWRITE_FROM && state === 'usable' && options.mayCopy !== false) plan.rewrite.push(pack)
  }
  const goes = new Set([...plan.dead, ...plan.rewrite])
  const stays = (pack: number): boolean => stateOf(options, pack) === 'usable' && !goes.has(pack)
  // what goes for one pack's sake may have been what another's bases lay in
  let more: number[]
  do {
    more = packsHoldingDeadBases(index, chosen, stays, pack => !choice.isFixed(pack))
    for (const pack of more) goes.add(pack)
    plan.rewrite.push(...more)
  } while (more.length > 0)
  plan.rewrite.sort((a, b) => a - b)
  plan.spared = plan.spared.filter(pack => !goes.has(pack))
  return plan
}

/** Bytes that new packs will have for what is copied, about. */
export function copyBytes(index: ChunkIndex, { chosen, standalone, rewrite, rescue }: MarkPlan): number {
  let bytes = 0
  for (const pack of [...rewrite, ...rescue]) {
    const { first, end } = index.blocksOf(pack)
    for (let block = first; block < end; block++)
      for (const entry of index.entriesIn(block)) if (chosen[entry] !== 0) bytes += standalone.get(entry) ?? storedShare(index, entry)
  }
  return Math.round(bytes)
}
