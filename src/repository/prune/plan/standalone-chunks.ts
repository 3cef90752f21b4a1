import { elementTypeOf, usesBase } from '../../../compression/filters.ts'
import type { ChunkIndex } from '../../index/chunk-index.ts'
import { storedShare } from '../../index/stored-sizes.ts'
import { AS_BASE, AS_CONTENT, type ChosenCopies } from './choose-copies.ts'

/** The gain must be more than this share of the bytes that are written for it. */
const MARGIN = 0.01

/** Bases that no version reaches and that chunks use together. They stay or go together. */
interface Group {
  bases: number[]
  /** Chunks that versions reach and that are predicted from these bases. */
  predicted: number[]
}

export interface StandaloneChunks {
  /** Chosen copies to encode without their bases, with the estimated bytes that they then take. By entry number. */
  standalone: Map<number, number>
  /** Chosen copies that are only bases of those, with the estimated bytes that are gained if each goes. */
  gains: Map<number, number>
}

/**
 * Finds chunks that take fewer bytes if they are standalone than as deltas, together with the bases that exist only for
 * them. All those bases then go. Chunks that are predicted from a standalone chunk stay predicted. With `sparing`, only
 * as many are found as are needed for all chunks together to take no more than if all were standalone.
 */
export function findStandaloneChunks(index: ChunkIndex, selection: ChosenCopies, sparing = false): StandaloneChunks {
  const found: StandaloneChunks = { standalone: new Map(), gains: new Map() }
  const groups = [...groupsOf(selection)]
    .filter(({ bases }) => !bases.some(base => selection.pinned.has(base)))
    .map(group => weigh(index, selection, group))
  let excess = sparing ? excessOf(index, selection, groups) : Infinity
  if (sparing) groups.sort((a, b) => b.gain - a.gain)
  for (const { bases, predicted, costs, freed, gain } of groups) {
    if (excess <= 0) break
    if (gain <= MARGIN * sum(costs)) continue
    predicted.forEach((entry, i) => found.standalone.set(entry, costs[i]!))
    for (const base of bases) found.gains.set(base, (storedShare(index, base) / freed) * gain)
    excess -= gain
  }
  return found
}

interface WeighedGroup extends Group {
  /** Estimated bytes of each predicted chunk if it is standalone. */
  costs: number[]
  /** Stored bytes of the bases. */
  freed: number
  /** Bytes that are gained if the bases go. */
  gain: number
}

function weigh(index: ChunkIndex, selection: ChosenCopies, { bases, predicted }: Group): WeighedGroup {
  const costs = predicted.map(entry => plainCost(index, selection, entry))
  const freed = sum(bases.map(base => storedShare(index, base)))
  const gain = freed + sum(predicted.map(entry => storedShare(index, entry))) - sum(costs)
  return { bases, predicted, costs, freed, gain }
}

/** How much more all chunks that versions reach take, with their bases, than if all were standalone. */
function excessOf(index: ChunkIndex, selection: ChosenCopies, groups: readonly WeighedGroup[]): number {
  const predicted = [...selection.bases.keys()].filter(entry => selection.chosen[entry] === AS_CONTENT)
  const saved = predicted.map(entry => plainCost(index, selection, entry) - storedShare(index, entry))
  return sum(groups.map(({ freed }) => freed)) - sum(saved)
}

function groupsOf({ chosen, bases }: ChosenCopies): Iterable<Group> {
  const links = new Map<number, number>()
  // halves the way with each walk, so that no long chain of links stays
  const rootOf = (entry: number): number => {
    let at = entry
    for (let next = links.get(at) ?? at; next !== at; next = links.get(at)!) {
      const beyond = links.get(next)!
      links.set(at, beyond)
      at = beyond
    }
    if (!links.has(at)) links.set(at, at)
    return at
  }
  for (const [entry, own] of bases) {
    const members = [entry, ...own].filter(member => chosen[member] === AS_BASE)
    for (const member of members) links.set(rootOf(member), rootOf(members[0]!))
  }
  const groups = new Map<number, Group>()
  for (const entry of links.keys()) {
    const root = rootOf(entry)
    const group = groups.get(root)
    if (group) group.bases.push(entry)
    else groups.set(root, { bases: [entry], predicted: [] })
  }
  for (const [entry, own] of bases) {
    const base = own.find(member => chosen[member] === AS_BASE)
    if (chosen[entry] === AS_CONTENT && base !== undefined) groups.get(rootOf(base))!.predicted.push(entry)
  }
  return groups.values()
}

/**
 * Estimates the bytes of a predicted chunk if it is standalone. It compresses like the end of its chain if both have
 * the same element type, and not at all otherwise.
 */
function plainCost(index: ChunkIndex, { bases }: ChosenCopies, entry: number): number {
  let root = entry
  for (let next = bases.get(root)?.[0]; next !== undefined; next = bases.get(root)?.[0]) root = next
  const [own, end] = [entry, root].map(copy => index.blocks[index.blockOf(copy)]!) as [Block, Block]
  const isLike = !usesBase(end.filter) && elementTypeOf(own) === elementTypeOf(end)
  return index.length(entry) * (isLike ? end.storedLength / end.plainLength : 1)
}

type Block = ChunkIndex['blocks'][number]

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0)
