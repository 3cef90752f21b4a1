import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CompressionPool } from '../../../src/compression/pool.ts'
import { packName } from '../../../src/repository/format/object-names.ts'
import { ChunkIndex } from '../../../src/repository/index/chunk-index.ts'
import { planRanges } from '../../../src/repository/read/pack-ranges.ts'
import type { FetchedBlock } from '../../../src/repository/read/fetch-blocks.ts'
import { chunkMatches, fetchBlocks, type BlockSource } from '../../../src/repository/read/read-chunks.ts'
import { PLAIN_CHUNKS } from '../../../src/util/chunk-keys.ts'
import { sha256, toHex } from '../../../src/util/hash.ts'
import { rejection } from '../../helpers/failures.ts'
import { rawBlock } from '../../helpers/encode.ts'
import { hexOf, idOf } from '../../helpers/repository/arbitraries.ts'
import { TestStore } from '../../helpers/repository/test-store.ts'
import { seededNoise } from '../../helpers/seeded.ts'

const KiB = 1024
const MiB = 1024 * KiB

/** An index of packs of blocks with these stored and plain lengths; there are no bytes behind it. */
function indexOf(packs: readonly (readonly { stored: number; plain: number }[])[]): ChunkIndex {
  const index = new ChunkIndex(PLAIN_CHUNKS)
  let chunk = 0
  packs.forEach((blocks, pack) => {
    let offset = 0
    const parts = blocks.map(({ stored, plain }, firstChunk) => {
      const block = {
        filter: 0,
        parameters: new Uint8Array(0),
        parts: [],
        offset,
        storedLength: stored,
        plainLength: plain,
        firstChunk,
        chunkCount: 1,
      }
      offset += stored
      return block
    })
    const chunkIds = Buffer.concat(blocks.map(() => idOf(chunk++)))
    const chunkLengths = Uint32Array.from(blocks, ({ plain }) => plain)
    index.add(
      { id: hexOf(pack), size: offset, writable: true },
      { blocks: parts, chunkIds, chunkLengths, bases: new Map(), blockBytes: offset },
    )
  })
  return index
}

describe('the ranges that are asked for', () => {
  const block = fc.oneof(
    fc.integer({ min: 1, max: 4 * MiB }).map(length => ({ stored: length, plain: length })),
    fc.integer({ min: 1, max: 300 * KiB }).map(length => ({ stored: length, plain: length })),
    fc.integer({ min: 1, max: 20 * KiB }).map(stored => ({ stored, plain: 4 * MiB })),
  )

  test('cover every block once, in order, within the limits, and could not be fewer', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(block, { maxLength: 25 }), { maxLength: 3 }),
        fc.infiniteStream(fc.boolean()),
        fc.boolean(),
        (packs, wanted, all) => {
          const index = indexOf(packs)
          const blocks = index.blocks.map((_, number) => number).filter(() => all || wanted.next().value)
          const ranges = planRanges(index, blocks)
          expect(ranges.flatMap(range => range.blocks)).toEqual(blocks)
          let gap = 0
          for (const [i, range] of ranges.entries()) {
            const inRange = range.blocks.map(number => index.blocks[number]!)
            const plain = inRange.reduce((sum, { plainLength }) => sum + plainLength, 0)
            for (const [j, one] of inRange.entries()) {
              expect(one.pack).toBe(range.pack)
              expect(one.offset >= range.offset && one.offset + one.storedLength <= range.offset + range.length).toBe(true)
              if (j > 0) gap = Math.max(gap, one.offset - (inRange[j - 1]!.offset + inRange[j - 1]!.storedLength))
            }
            expect(range.offset + range.length).toBe(inRange.at(-1)!.offset + inRange.at(-1)!.storedLength)
            if (inRange.length > 1) {
              expect(range.length).toBeLessThanOrEqual(8 * MiB)
              expect(plain).toBeLessThanOrEqual(24 * MiB)
            }
            const next = ranges[i + 1] && index.blocks[ranges[i + 1]!.blocks[0]!]!
            if (!next || next.pack !== range.pack) continue
            const apart = next.offset - (range.offset + range.length) > 256 * KiB
            expect(apart || next.offset + next.storedLength - range.offset > 8 * MiB || plain + next.plainLength > 24 * MiB).toBe(true)
          }
          expect(gap).toBeLessThanOrEqual(256 * KiB)
        },
      ),
      { seed: 1, numRuns: 200 },
    )
  })
})

async function collect(source: BlockSource, blocks: readonly number[]) {
  const fetched = []
  for await (const one of fetchBlocks(source, blocks)) fetched.push(one)
  return fetched
}

/** A store with packs of three blocks of 300 KiB: the first and the last are too far apart to be read together. */
async function storeOf(packs: number): Promise<TestStore> {
  const store = new TestStore()
  const made = []
  for (let pack = 0; pack < packs; pack++) {
    made.push(await store.pack([0, 1, 2].map(i => rawBlock(seededNoise(pack * 3 + i, 300 * KiB)))))
  }
  await store.index(made)
  return store
}

describe('fetching blocks', () => {
  test('gives them in the order asked for, a few ranges ahead and no more', async () => {
    const store = await storeOf(9)
    let running = 0
    let most = 0
    const slow = Object.assign(Object.create(store.memory) as typeof store.memory, {
      get: async (...args: Parameters<typeof store.memory.get>) => {
        most = Math.max(most, ++running)
        await new Promise(resolve => setTimeout(resolve, 2))
        running--
        return store.memory.get(...args)
      },
    })
    const source = await store.open(slow)
    most = 0
    const blocks = source.index.blocks.map((_, number) => number).filter(number => number % 3 !== 1)
    const fetched = await collect(source, blocks)
    expect(fetched.map(({ number }) => number)).toEqual(blocks)
    for (const { number, plain } of fetched)
      expect(toHex(sha256(plain!))).toBe(toHex(source.index.id(source.index.blocks[number]!.firstChunk)))
    expect(most).toBe(8)
  })

  test('keeps what a consumer keeps, and reuses memory if it is told that none is kept', async () => {
    const store = new TestStore()
    const made = []
    for (let pack = 0; pack < 24; pack++) made.push(await store.pack([rawBlock(seededNoise(pack, 2 * MiB))]))
    await store.index(made)
    const pool = new CompressionPool({ workers: 2, workerUrl: new URL('../../../dist/worker.js', import.meta.url) })
    try {
      const source = { ...(await store.open()), pool }
      const { index } = source
      const blocks = [...index.blocks.keys()]
      const matches = ({ number, plain }: FetchedBlock): boolean =>
        chunkMatches({ chunkKeys: PLAIN_CHUNKS }, index.id(index.blocks[number]!.firstChunk), plain!)
      const kept = await collect(source, blocks)
      expect(kept.filter(matches)).toHaveLength(24)
      const places = new Set<string>()
      let right = 0
      for await (const block of fetchBlocks(source, blocks, { reuse: true })) {
        // what is fetched ahead must not come here
        await new Promise(resolve => setTimeout(resolve, 3))
        right += Number(matches(block))
        places.add(`${block.plain!.buffer instanceof SharedArrayBuffer} ${block.plain!.byteOffset}`)
      }
      expect(right).toBe(24)
      expect(places.size).toBeLessThanOrEqual(8)
    } finally {
      await pool.close()
    }
  })

  test('tells damage of the blocks concerned, and goes on', async () => {
    const store = await storeOf(4)
    const { storage } = store.watched(({ kind, name }) => {
      if (kind !== 'get') return undefined
      if (name === packName(ids[0]!)) return { fault: 'error', code: 'not-found' }
      if (name === packName(ids[1]!)) return { fault: 'error', code: 'bad-range' }
      if (name === packName(ids[2]!)) return { fault: 'truncate', keep: 400 * KiB }
      return undefined
    })
    const ids: string[] = []
    const source = await store.open(storage)
    ids.push(...source.index.packs.map(({ id }) => id))
    const fetched = await collect(source, [...source.index.blocks.keys()])
    expect(fetched.map(({ plain }) => plain !== undefined)).toEqual([
      false,
      false,
      false,
      false,
      false,
      false,
      true,
      false,
      false,
      true,
      true,
      true,
    ])
    for (const { error } of fetched.filter(({ plain }) => !plain)) expect(error!.code).toBe('corrupt')
    expect(fetched[0]!.error!.message).toContain('it is missing')
    expect(fetched[3]!.error!.message).toContain('it is cut short')
    expect([fetched[0]!.error!.isMissing, fetched[3]!.error!.isMissing]).toEqual([true, false])
  })

  test('of a block from a newer program fails for that block alone', async () => {
    const store = new TestStore()
    const [known, newer] = [rawBlock(seededNoise(1, 1000)), rawBlock(seededNoise(2, 1000))]
    await store.index([await store.pack([{ ...newer, block: { ...newer.block, filter: 200 } }, known])])
    const fetched = await collect(await store.open(), [0, 1])
    expect(fetched.map(({ error }) => error?.code)).toEqual(['newer-format', undefined])
  })

  test('fails when the store fails, with no promise left behind', async () => {
    const store = await storeOf(6)
    let gets = 0
    const { storage } = store.watched(({ kind, name }) =>
      kind === 'get' && name.startsWith('pack-') && ++gets >= 2 ? { fault: 'error', code: 'unavailable' } : undefined,
    )
    const source = await store.open(storage)
    await rejection(collect(source, [...source.index.blocks.keys()]), 'unavailable')
    await new Promise(resolve => setTimeout(resolve, 5))
  })

  test('may be left early, and stops when it is interrupted', async () => {
    const store = await storeOf(6)
    const controller = new AbortController()
    const source = { ...(await store.open()), signal: controller.signal }
    for await (const { number } of fetchBlocks(source, [...source.index.blocks.keys()])) {
      expect(number).toBe(0)
      break
    }
    let seen = 0
    const interrupted = (async () => {
      for await (const block of fetchBlocks(source, [...source.index.blocks.keys()])) {
        seen += block.plain ? 1 : 0
        controller.abort()
      }
    })()
    await rejection(interrupted, 'interrupted')
    expect(seen).toBeLessThan(18)
  })
})
