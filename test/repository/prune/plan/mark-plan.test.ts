import { describe, expect, test } from 'vitest'
import type { Directory, DirectoryBlock } from '../../../../src/repository/format/directory.ts'
import { ChunkIndex } from '../../../../src/repository/index/chunk-index.ts'
import type { MarkOptions, PackState } from '../../../../src/repository/prune/plan/choose-copies.ts'
import { copyBytes, planMarks } from '../../../../src/repository/prune/plan/mark-plan.ts'
import { COMMITTED, type Reachability } from '../../../../src/repository/prune/plan/reachable-chunks.ts'
import { idOf } from '../../../helpers/repository/arbitraries.ts'
import { PLAIN_CHUNKS } from '../../../../src/util/chunk-keys.ts'

/** Plain bytes of a chunk, and its stored bytes if it is standalone. */
const PLAIN = 100
const WHOLE = 80

interface Copy {
  chunk: number
  depth?: number
  bases?: number[]
}

/** A block of standalone chunks, of deltas that take so many bytes each, or of an unknown filter. */
interface Block {
  copies: Copy[]
  delta?: number
  filter?: number
  /** Type of its elements; bf16 by default. */
  type?: number
}

const whole = (...chunks: number[]): Block => ({ copies: chunks.map(chunk => ({ chunk })) })

/** Deltas of one depth: each chunk and its base. */
const deltas = (bytes: number, depth: number, ...pairs: [chunk: number, base: number][]): Block => ({
  delta: bytes,
  copies: pairs.map(([chunk, base]) => ({ chunk, depth, bases: [base] })),
})

/** An index of packs of such blocks. */
function indexOf(packs: readonly Block[][]): ChunkIndex {
  const index = new ChunkIndex(PLAIN_CHUNKS)
  packs.forEach((blocks, pack) => index.add({ id: `pack ${pack}`, size: 1000, writable: true }, directoryOf(blocks)))
  return index
}

function directoryOf(blocks: readonly Block[]): Directory {
  const copies = blocks.flatMap(block => block.copies)
  let offset = 0
  let firstChunk = 0
  const listed = blocks.map(({ copies, delta, filter, type = 4 }): DirectoryBlock => {
    const storedLength = (delta ?? WHOLE) * copies.length
    const plainLength = PLAIN * copies.length
    const parameters = delta === undefined ? [2, 1, type] : [2, type]
    const block = {
      filter: filter ?? (delta === undefined ? 1 : 2),
      parameters: Uint8Array.from(parameters),
      parts: [{ codec: 0, storedLength, plainLength }],
      ...{ offset, storedLength, plainLength, firstChunk, chunkCount: copies.length },
    }
    offset += storedLength
    firstChunk += copies.length
    return block
  })
  return {
    blocks: listed,
    chunkIds: Buffer.concat(copies.map(({ chunk }) => idOf(chunk))),
    chunkLengths: Uint32Array.from(copies, () => PLAIN),
    bases: new Map(copies.flatMap(({ depth = 0, bases = [] }, i) => (depth === 0 ? [] : [[i, { depth, ids: bases.map(idOf) }]]))),
    blockBytes: offset,
  }
}

interface Situation extends Partial<MarkOptions> {
  tombed?: number[]
  damaged?: number[]
  young?: number[]
}

/** What is planned when versions reach these chunks; chunks that are to stand alone by their numbers. */
function plan(packs: readonly Block[][], reached: readonly number[], { tombed = [], damaged = [], young = [], ...more }: Situation = {}) {
  const index = indexOf(packs)
  const flags = new Uint8Array(index.size)
  for (const chunk of reached) flags[index.find(idOf(chunk))] = COMMITTED
  const stateOf = (pack: number): PackState => (tombed.includes(pack) ? 'tombed' : damaged.includes(pack) ? 'damaged' : 'usable')
  const reach: Reachability = { flags }
  const found = planMarks(index, reach, { stateOf, isSpared: pack => young.includes(pack), ...more })
  const number = (entry: number): number => packs.flat().flatMap(({ copies }) => copies)[entry]!.chunk
  const { dead, rewrite, rescue, spared } = found
  return { dead, rewrite, rescue, spared, alone: [...found.standalone.keys()].map(number), copyBytes: copyBytes(index, found) }
}

/**
 * Five versions of a chunk, 0 to 4, each in a pack of its own, the first whole and each other predicted from the one
 * before.
 */
const series = (bytes: number): Block[][] => [[whole(0)], ...[1, 2, 3, 4].map(i => [deltas(bytes, i, [i, i - 1])])]

const nothing = { dead: [], rewrite: [], rescue: [], spared: [], alone: [], copyBytes: 0 }

describe('of a chain of deltas', () => {
  test('of which all is needed, nothing changes', () => {
    expect(plan(series(20), [0, 1, 2, 3, 4])).toEqual(nothing)
  })

  test('the last alone is to stand by itself, about as large as the first', () => {
    expect(plan(series(20), [4])).toEqual({ ...nothing, alone: [4], dead: [0, 1, 2, 3], rewrite: [4], copyBytes: WHOLE })
  })

  test('of the last few only the first: the others are predicted as they were', () => {
    expect(plan(series(20), [3, 4])).toEqual({ ...nothing, alone: [3], dead: [0, 1, 2], rewrite: [3], copyBytes: WHOLE })
    expect(plan(series(20), [2, 3, 4])).toMatchObject({ alone: [2], dead: [0, 1] })
  })

  test('what takes less as a difference stays one, with what lies between it and the one before', () => {
    // 20 between them, against 60 more by itself
    expect(plan(series(20), [0, 2, 4])).toEqual(nothing)
    // 50 between them, against 30 more
    expect(plan(series(50), [0, 2, 4])).toMatchObject({ alone: [2, 4], dead: [1, 3], rewrite: [2, 4] })
    // 40 against 40: that would be work for nothing
    expect(plan(series(40), [0, 2, 4])).toEqual(nothing)
  })

  test('what is needed of several chains in one block stands by itself or not, each by its own', () => {
    const packs = [[whole(10, 20)], [deltas(20, 1, [11, 10], [21, 20])], [deltas(20, 2, [12, 11], [22, 21])]]
    // of one chain the whole beginning is there for nothing else, of the other it is needed
    expect(plan(packs, [12, 22, 20])).toMatchObject({ alone: [12], rewrite: expect.arrayContaining([2]) as number[] })
  })
})

describe('bases of several', () => {
  const branches = (count: number, bytes: number): Block[][] => [
    [whole(0)],
    ...Array.from({ length: count }, (_, i) => [deltas(bytes, 1, [i + 1, 0])]),
  ]

  test('stay as long as they take less than what all those would take more by themselves', () => {
    expect(plan(branches(1, 20), [1]).alone).toEqual([1])
    expect(plan(branches(2, 20), [1, 2])).toEqual(nothing)
    expect(plan(branches(2, 50), [1, 2])).toMatchObject({ alone: [1, 2], dead: [0] })
  })

  test('count together where one chunk is predicted from both', () => {
    const packs = [[whole(1)], [whole(2)], [{ delta: 30, filter: 2, copies: [{ chunk: 3, depth: 1, bases: [1, 2] }] }]]
    expect(plan(packs, [3])).toMatchObject({ alone: [3], dead: [0, 1], rewrite: [2] })
    expect(plan(packs, [3, 1]).alone).toEqual([3])
    expect(plan(packs, [3, 1, 2])).toEqual(nothing)
  })

  test('of another type tell nothing of what a chunk takes by itself: then that is taken for its plain bytes', () => {
    const fp32: Block = { ...whole(1), type: 2 }
    const index = (stored: number): Block[][] => [[fp32], [{ delta: stored, filter: 3, copies: [{ chunk: 2, depth: 1, bases: [1] }] }]]
    // the base takes 80; by itself the chunk may take 100
    const narrow = (stored: number): number[] => plan(index(stored), [2]).alone
    expect(narrow(10)).toEqual([])
    expect(narrow(30)).toEqual([2])
  })
})

describe('copies of a chunk', () => {
  test('that need no bases are preferred, so that a prune that was cut short is continued', () => {
    const packs = [...series(20), [whole(4)]]
    expect(plan(packs, [4])).toEqual({ ...nothing, dead: [0, 1, 2, 3, 4] })
    expect(plan(packs, [4], { young: [5] })).toEqual({ ...nothing, dead: [0, 1, 2, 3, 4] })
    expect(plan(packs, [4], { tombed: [0, 1, 2, 3, 4] })).toEqual(nothing)
    // new, but nothing in it is there for a push under way
    expect(plan(packs, [4], { young: [4] })).toEqual({ ...nothing, dead: [0, 1, 2, 3], rewrite: [4] })
  })

  test('in tombs are no reason to take them from their bases again', () => {
    expect(plan([...series(20), [whole(4)]], [4], { tombed: [5] })).toMatchObject({ alone: [4], rewrite: [4], rescue: [] })
    expect(plan(series(20), [4], { tombed: [0, 1, 2, 3] })).toMatchObject({ alone: [4], rewrite: [4], rescue: [] })
    expect(plan(series(20), [4], { tombed: [0, 1, 2, 3, 4] })).toMatchObject({ alone: [4], rewrite: [], rescue: [4] })
  })

  test('that are predicted, elsewhere, do not hold the bases that go', () => {
    const twice = [...series(20), [deltas(20, 4, [4, 3]), whole(7)]]
    expect(plan(twice, [4, 7])).toMatchObject({ alone: [4], dead: expect.arrayContaining([0, 1, 2, 3]) as number[] })
    expect([...plan(twice, [4, 7]).rewrite, ...plan(twice, [4, 7]).dead].sort()).toEqual([0, 1, 2, 3, 4, 5])
  })
})

describe('what can not be written anew now', () => {
  test('keeps its bases: new packs in which there is more than versions reach', () => {
    const packs = [[whole(0)], [deltas(20, 1, [1, 0]), whole(9)]]
    expect(plan(packs, [1], { young: [1] })).toEqual(nothing)
    expect(plan(packs, [1, 9], { young: [1] })).toMatchObject({ alone: [1], dead: [0], rewrite: [1] })
  })

  test('keeps its bases: damaged packs, and those that were found to be', () => {
    expect(plan(series(20), [4], { damaged: [4] })).toEqual(nothing)
    expect(plan(series(20), [4], { isUnreadable: pack => pack === 4 })).toEqual(nothing)
  })

  test('keeps its bases: everything, where there is no room. What needs no copy goes', () => {
    expect(plan([...series(20), [whole(8)]], [4], { mayCopy: false })).toEqual({ ...nothing, dead: [5] })
    expect(plan([...series(20), [whole(8)]], [4], { mayCopy: false, tombed: [2] })).toMatchObject({ dead: [5], rewrite: [] })
  })

  test.each([
    ['filter', { filter: 99 }],
    ['codec', {}],
  ])('keeps its bases, also those of chunks that nobody needs: a block with an unknown %s', (what, change) => {
    const block: Block = { ...deltas(20, 1, [1, 10], [2, 20]), ...change }
    const packs = [[whole(10)], [whole(20)], [block]]
    const index = indexOf(packs)
    if (what === 'codec') index.blocks[2]!.parts = [{ codec: 99, storedLength: 40, plainLength: 200 }]
    const flags = new Uint8Array(index.size)
    flags[index.find(idOf(1))] = COMMITTED
    const { dead, rewrite, standalone: alone } = planMarks(index, { flags }, { stateOf: () => 'usable', isSpared: () => false })
    expect({ dead, rewrite, alone: alone.size }).toEqual({ dead: [], rewrite: [], alone: 0 })
  })
})

describe('chunks that nobody needs in a block that is needed', () => {
  // chunk 1 is needed, and so is its base; chunk 2 is not, nor is its base; of a third of their pack nothing is dead
  const packs = (others: Block): Block[][] => [[whole(10)], [others], [deltas(20, 1, [1, 10], [2, 20]), whole(3, 4)]]

  test('do not hold their bases: the pack is written anew', () => {
    expect(plan(packs(whole(20)), [1, 10, 3, 4])).toEqual({ ...nothing, dead: [1], rewrite: [2], copyBytes: 20 + 2 * WHOLE })
  })

  test('are left where their bases stay anyway', () => {
    expect(plan(packs(whole(20, 5, 6, 7)), [1, 10, 3, 4, 5, 6, 7])).toEqual(nothing)
    expect(plan(packs(whole(20)), [1, 10, 3, 4, 20])).toEqual(nothing)
  })

  test('are left, with their bases, in a pack that stays as it is', () => {
    expect(plan(packs(whole(20)), [1, 10, 3, 4], { young: [2] })).toEqual(nothing)
  })

  test('make packs go, one for another: also those whose bases lay in a pack that goes for them', () => {
    const chain: Block[][] = [
      [whole(10, 11, 12)],
      [whole(30)],
      // the base of 20 goes, and 20 is the base of 2
      [deltas(20, 1, [13, 10], [20, 30]), whole(5, 6)],
      [deltas(20, 2, [14, 13], [2, 20]), whole(7, 8)],
    ]
    expect(plan(chain, [10, 11, 12, 13, 14, 5, 6, 7, 8])).toMatchObject({ dead: [1], rewrite: [2, 3], alone: [] })
  })
})
