/*
 * Decides which copies stay and which packs go, by the chunk index and the reachable chunks alone. It reads and writes
 * no store.
 */

import type { ChunkIndex } from '../../index/chunk-index.ts'
import { storedShare } from '../../index/stored-sizes.ts'
import { CopyChooser, type MarkOptions, stateOf } from './choose-copies.ts'
import { packsHoldingDeadBases } from './dead-bases.ts'
import { REWRITE_FROM, usedShareOf } from './pack-shares.ts'
import type { Reachability } from './reachable-chunks.ts'
import { findStandaloneChunks } from './standalone-chunks.ts'

export interface MarkPlan {
  /** By entry number: not 0 if this copy is live. */
  chosen: Uint8Array
  /** Chosen copies that will be encoded without their bases, with the estimated bytes that they then take. */
  standalone: Map<number, number>
  /** Numbers of packs without live copies. */
  dead: number[]
  /** Sparse packs, and packs that keep dead bases. They are marked when their live copies have been copied. */
  rewrite: number[]
  /** Packs in tombs that hold the only copy of a needed chunk. That copy is copied. */
  rescue: number[]
  /** Packs that no version needs, spared because a push under way may use them. */
  spared: number[]
  /** The chosen copies that are wrong: no copy of their chunks can be read. All packs that hold one stay. */
  lost: number[]
}

/** In a long row of packs, each of which holds bases for the next one, a later prune finds the rest. */
const MOST_ROUNDS = 20

/**
 * Decides which copy of each needed chunk stays, and so which packs go (rule 7). The choice affects only space and
 * work, never safety. Time and memory: linear in the number of copies and bases.
 */
export function planMarks(index: ChunkIndex, reachable: Reachability, options: MarkOptions): MarkPlan {
  const chooser = new CopyChooser(index, reachable, options)
  const selection = chooser.select()
  const { standalone } = findStandaloneChunks(index, selection, options.sparesDeltas)
  const { chosen } = standalone.size === 0 ? selection : chooser.select(standalone)
  const plan: MarkPlan = { chosen, standalone, dead: [], rewrite: [], rescue: [], spared: [], lost: [] }
  const withStandalone = new Set([...standalone.keys()].map(entry => index.packOf(entry)))
  for (let pack = 0; pack < index.packs.length; pack++) {
    const state = stateOf(options, pack)
    if (state === 'gone') continue
    const { needed, dead } = usedShareOf(index, pack, entry => chosen[entry] !== 0)
    if (state === 'tombed') {
      if (needed) plan.rescue.push(pack)
    } else if (withStandalone.has(pack)) plan.rewrite.push(pack)
    else if (options.isSpared(pack)) {
      if (!needed) plan.spared.push(pack)
    } else if (!needed) plan.dead.push(pack)
    else if (dead > REWRITE_FROM && state === 'usable' && options.mayCopy !== false) plan.rewrite.push(pack)
  }
  plan.lost = [...(options.bad ?? [])].filter(entry => chosen[entry] !== 0)
  const keep = new Set(plan.lost.flatMap(entry => packsWith(index, entry)))
  plan.dead = plan.dead.filter(pack => !keep.has(pack))
  const goes = new Set([...plan.dead, ...plan.rewrite])
  const stays = (pack: number): boolean => stateOf(options, pack) === 'usable' && !goes.has(pack)
  // a pack that goes may have held the bases of another pack's dead chunks
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const more = packsHoldingDeadBases(index, chosen, stays, pack => !chooser.isFixed(pack))
    for (const pack of more) goes.add(pack)
    plan.rewrite = [...plan.rewrite, ...more]
    if (more.length === 0) break
  }
  plan.rewrite.sort((a, b) => a - b)
  plan.spared = plan.spared.filter(pack => !goes.has(pack))
  return plan
}

/** The packs that hold a copy of the chunk of `entry`. */
function packsWith(index: ChunkIndex, entry: number): number[] {
  const packs: number[] = []
  for (let copy = index.find(index.id(entry)); copy >= 0; copy = index.findNext(copy)) packs.push(index.packOf(copy))
  return packs
}

/** Estimates the bytes of the new packs that copying makes. */
export function copyBytes(index: ChunkIndex, { chosen, standalone, rewrite, rescue }: MarkPlan): number {
  let bytes = 0
  for (const pack of [...rewrite, ...rescue]) {
    const { first, end } = index.blocksOf(pack)
    for (let block = first; block < end; block++)
      for (const entry of index.entriesIn(block)) if (chosen[entry] !== 0) bytes += standalone.get(entry) ?? storedShare(index, entry)
  }
  return Math.round(bytes)
}
