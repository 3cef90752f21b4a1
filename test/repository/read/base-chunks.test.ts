import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NewBlock } from '../../../src/repository/format/directory.ts'
import type { IndexedPack } from '../../../src/repository/format/index-object.ts'
import { packName } from '../../../src/repository/format/object-names.ts'
import { BaseChunks } from '../../../src/repository/read/base-chunks.ts'
import { planReading } from '../../../src/repository/read/block-order.ts'
import { type BlockSource, fetchBlocks, readOtherCopy, readSequence } from '../../../src/repository/read/read-chunks.ts'
import { sha256, toHex } from '../../../src/util/hash.ts'
import { rejection } from '../../helpers/failures.ts'
import { rawBlock } from '../../helpers/encode.ts'
import { hexOf, idOf, rawBlockOf } from '../../helpers/repository/arbitraries.ts'
import { predictedBlock, type PredictedChunk } from '../../helpers/repository/predicted.ts'
import { TestStore } from '../../helpers/repository/test-store.ts'
import { seededNoise } from '../../helpers/seeded.ts'

const short = (bytes: Uint8Array): string => toHex(sha256(bytes)).slice(0, 12)

async function storeOf(...packs: (readonly NewBlock[])[]): Promise<{ store: TestStore; packs: IndexedPack[] }> {
  const store = new TestStore()
  const made: IndexedPack[] = []
  for (const blocks of packs) made.push(await store.pack(blocks))
  await store.index(made)
  return { store, packs: made }
}

async function read(source: BlockSource, chunks: readonly Uint8Array[]): Promise<void> {
  const pieces: Uint8Array[] = []
  for await (const piece of readSequence(source, Buffer.concat(chunks.map(sha256)), 'The file')) pieces.push(piece)
  expect(Buffer.concat(pieces).equals(Buffer.concat(chunks))).toBe(true)
}

function delta(plain: Uint8Array, base: Uint8Array, depth: number, claims?: PredictedChunk['claims']): PredictedChunk {
  return { plain, depth, bases: [base], claims }
}

/** `count` chunks in `depth` + 1 generations, each in a pack of two blocks, predicted from the one before. */
function generations(count: number, depth: number): { packs: NewBlock[][]; chunks: Uint8Array[][] } {
  const chunks = Array.from({ length: depth + 1 }, (_, age) =>
    Array.from({ length: count }, (_, i) => seededNoise(100 * age + i, 1000 + 4 * i)),
  )
  const half = count / 2
  const packs = chunks.map((generation, age) =>
    [generation.slice(0, half), generation.slice(half)].map((part, second) =>
      age === 0
        ? rawBlockOf(part)
        : predictedBlock(
            'delta',
            part.map((plain, i) => delta(plain, chunks[age - 1]![second * half + i]!, age)),
          ),
    ),
  )
  return { packs, chunks }
}

describe('chunks with bases', () => {
  test('are read through chains of the greatest depth, every block once', async () => {
    const { packs, chunks } = generations(6, 8)
    // the youngest first: predicted chunks come before their bases
    const { store } = await storeOf(...packs.toReversed())
    const { storage, calls } = store.watched()
    const source = await store.open(storage)
    const gets = async (wanted: Uint8Array[]): Promise<number> => {
      calls.length = 0
      await read(source, wanted)
      return calls.filter(call => call.startsWith('get pack')).length
    }
    expect(await gets(chunks[8]!)).toBe(18)
    expect(await gets(chunks[8]!.slice(0, 1))).toBe(9)
    expect(await gets(chunks.flat())).toBe(18)
    expect(await gets(chunks[0]!)).toBe(1)
  })

  test('of half the width are read from the chunks that cover their fp32 values', async () => {
    const bases = [0, 1, 2, 3].map(i => seededNoise(i, [400, 300, 100, 800][i]!))
    const [a, b] = [seededNoise(10, 400), seededNoise(11, 400)]
    const narrow = predictedBlock('narrow', [
      { plain: a, depth: 1, bases: bases.slice(0, 3) },
      { plain: b, depth: 1, bases: bases.slice(3) },
    ])
    const { store } = await storeOf([narrow], [rawBlockOf(bases)])
    await read(await store.open(), [b, a, ...bases])
  })

  test('are read whatever is predicted from what, in whatever order they are stored and wanted', async () => {
    const shape = fc.record({
      // the base of each chunk: an earlier one, or none
      bases: fc.array(fc.nat(30), { minLength: 2, maxLength: 24 }),
      perBlock: fc.integer({ min: 1, max: 4 }),
      perPack: fc.integer({ min: 1, max: 3 }),
      shuffle: fc.infiniteStream(fc.nat()),
      wanted: fc.array(fc.nat(23), { minLength: 1, maxLength: 10 }),
    })
    await fc.assert(
      fc.asyncProperty(shape, async ({ bases, perBlock, perPack, shuffle, wanted }) => {
        const chunks = bases.map((_, i) => seededNoise(i, 200))
        const depths: number[] = []
        const baseOf = bases.map((base, i) => (i > 0 && base > 3 && (depths[base % i] ?? 0) < 8 ? base % i : undefined))
        baseOf.forEach((base, i) => (depths[i] = base === undefined ? 0 : depths[base]! + 1))
        const order = chunks.map((_, i) => i).sort((a, b) => a - b)
        for (let i = order.length - 1; i > 0; i--) {
          const j = shuffle.next().value % (i + 1)
          ;[order[i], order[j]] = [order[j]!, order[i]!]
        }
        const blocks: NewBlock[] = []
        const predicted = order.filter(i => baseOf[i] !== undefined)
        const plain = order.filter(i => baseOf[i] === undefined)
        for (let i = 0; i < plain.length; i += perBlock) blocks.push(rawBlockOf(plain.slice(i, i + perBlock).map(i => chunks[i]!)))
        for (let i = 0; i < predicted.length; i += perBlock) {
          const part = predicted.slice(i, i + perBlock)
          blocks.splice(
            shuffle.next().value % (blocks.length + 1),
            0,
            predictedBlock(
              'delta',
              part.map(i => delta(chunks[i]!, chunks[baseOf[i]!]!, depths[i]!)),
            ),
          )
        }
        const packs: NewBlock[][] = []
        for (let i = 0; i < blocks.length; i += perPack) packs.push(blocks.slice(i, i + perPack))
        const { store } = await storeOf(...packs)
        await read(
          await store.open(),
          wanted.map(i => chunks[i % chunks.length]!),
        )
      }),
      { seed: 3, numRuns: 60 },
    )
  })

  test('are read again where they could not be kept', async () => {
    const { packs, chunks } = generations(6, 3)
    const { store } = await storeOf(...packs)
    const source = await store.open()
    const plan = planReading(source.index, [6, 7])
    expect(plan.blocks.map(({ number }) => number)).toEqual([0, 2, 4, 6, 1, 3, 5, 7])
    const bases = new BaseChunks(source, plan, 1500)
    const found: string[] = []
    for (const planned of plan.blocks) {
      const block = source.index.blocks[planned.number]!
      const stored = await store.memory.get(packName(source.index.packs[block.pack]!.id), {
        offset: block.offset,
        length: block.storedLength,
      })
      const plain = (await bases.decode(planned, block, stored))!
      bases.settle(planned.number, plain)
      expect(bases.keptBytes).toBeLessThanOrEqual(1500)
      if (planned.wanted) found.push(toHex(sha256(plain)))
    }
    expect(found).toEqual([0, 3].map(i => toHex(sha256(Buffer.concat(chunks[3]!.slice(i, i + 3))))))
    expect(bases.keptBytes).toBe(0)
  })
})

describe('a base that is lost', () => {
  const [first, second, third] = [seededNoise(1, 1000), seededNoise(2, 1000), seededNoise(3, 600)]
  const [afterFirst, afterSecond, afterThird] = [seededNoise(11, 1000), seededNoise(12, 1000), seededNoise(13, 600)]
  const younger = predictedBlock('delta', [delta(afterFirst, first, 1), delta(afterSecond, second, 1), delta(afterThird, third, 1)])

  test('costs what is predicted from it, and nothing beside', async () => {
    const { store, packs } = await storeOf([rawBlock(first), rawBlock(third)], [rawBlock(second)], [younger])
    await store.memory.remove(packName(packs[1]!.id))
    const source = await store.open()
    await read(source, [first, afterFirst, afterThird])
    const error = await rejection(read(source, [afterSecond]), 'corrupt')
    expect(error.message).toBe(
      `The file is damaged: chunk ${short(afterSecond)} in pack ${packs[2]!.id.slice(0, 12)} is predicted from chunk ${short(second)}, and no pack holds a usable copy of it`,
    )
  })

  test('is named where it is damaged, at the end of a chain too', async () => {
    const last = seededNoise(20, 1000)
    const { store, packs } = await storeOf(
      [rawBlock(first, sha256(second)), rawBlock(third)],
      [predictedBlock('delta', [delta(afterSecond, second, 1)])],
      [predictedBlock('delta', [delta(last, afterSecond, 2), delta(afterThird, third, 1)])],
    )
    const source = await store.open()
    await read(source, [afterThird])
    const error = await rejection(read(source, [last]), 'corrupt')
    const [a, b, c] = packs.map(({ id }) => id.slice(0, 12))
    expect(error.message).toBe(
      `The file is damaged: chunk ${short(last)} in pack ${c} is predicted from chunk ${short(afterSecond)} in pack ${b}, ` +
        `which is predicted from chunk ${short(second)} in pack ${a}, which does not match its checksum`,
    )
  })

  test('is read from another copy, and so is what was predicted from it', async () => {
    const lying = rawBlock(third, sha256(second))
    const twice = await storeOf([lying], [rawBlock(first), rawBlock(third), rawBlock(second)], [younger])
    await read(await twice.store.open(), [afterFirst, afterSecond, afterThird])
    const plain = await storeOf([lying], [rawBlock(first), rawBlock(third)], [younger], [rawBlock(afterSecond)])
    await read(await plain.store.open(), [afterFirst, afterSecond, afterThird])
  })

  test('that vanishes while it is read is named', async () => {
    const { store, packs } = await storeOf([rawBlockOf([first, second, third])], [younger])
    const { storage } = store.watched(({ kind, name }) =>
      kind === 'get' && name === packName(packs[0]!.id) ? { fault: 'error', code: 'not-found' } : undefined,
    )
    const error = await rejection(read(await store.open(storage), [afterSecond]), 'corrupt')
    expect(error.message).toContain(`which cannot be read: Pack ${packs[0]!.id.slice(0, 12)} is damaged: it is missing`)
    expect(error.isMissing).toBe(true)
  })

  test('makes nobody wait when the store fails', async () => {
    const { store } = await storeOf([rawBlockOf([first, second, third])], [younger])
    const { storage } = store.watched(({ kind, name }) =>
      kind === 'get' && name.startsWith('pack-') ? { fault: 'error', code: 'unavailable' } : undefined,
    )
    await rejection(read(await store.open(storage), [afterSecond]), 'unavailable')
  })

  test('of a newer program is told', async () => {
    const newer = rawBlock(first)
    const { store } = await storeOf(
      [{ ...newer, block: { ...newer.block, filter: 99 } }],
      [predictedBlock('delta', [delta(afterFirst, first, 1)])],
    )
    await rejection(read(await store.open(), [afterFirst]), 'newer-format')
  })
})

describe('an index that lies about bases', () => {
  const [a, b, c] = [seededNoise(1, 400), seededNoise(2, 400), seededNoise(3, 400)]

  async function refused(blocks: NewBlock[], wanted: Uint8Array, why: string): Promise<void> {
    const { store } = await storeOf(blocks)
    const error = await rejection(read(await store.open(), [wanted]), 'corrupt')
    expect(error.message).toContain(why)
  }

  test('in circles', async () => {
    const circle = (depths: [number, number]) => [
      predictedBlock('delta', [delta(a, b, depths[0])]),
      predictedBlock('delta', [delta(b, a, depths[1])]),
    ]
    await refused(circle([1, 1]), a, `predicted from chunk ${short(b)}, and no pack holds a usable copy of it`)
    await refused(circle([8, 7]), a, `predicted from chunk ${short(a)}, and no pack holds a usable copy of it`)
    await refused([predictedBlock('delta', [delta(a, a, 3)])], a, 'and no pack holds a usable copy of it')
  })

  test('about lengths, numbers and depths', async () => {
    const of = (...ids: Uint8Array[]): PredictedChunk['claims'] => ({ depth: 1, ids: ids.map(id => sha256(id)) })
    const long = seededNoise(4, 404)
    await refused([rawBlock(long), predictedBlock('delta', [delta(a, b, 1, of(long))])], a, 'a base of 404 bytes where 400 are needed')
    await refused([rawBlockOf([b, c]), predictedBlock('delta', [delta(a, b, 1, of(b, c))])], a, 'a base of 800 bytes where 400 are needed')
    await refused(
      [rawBlock(b), predictedBlock('narrow', [{ plain: a, depth: 1, bases: [b, b], claims: of(b) }])],
      a,
      'a base of 400 bytes where 800 are needed',
    )
    await refused(
      [predictedBlock('delta', [delta(a, b, 1, { depth: 1, ids: [idOf(1)] })])],
      a,
      `predicted from chunk ${hexOf(1).slice(0, 12)}, and no pack`,
    )
    await refused(
      [rawBlock(c), predictedBlock('delta', [delta(b, c, 2)]), predictedBlock('delta', [delta(a, b, 2)])],
      a,
      'no pack holds a usable copy of it',
    )
  })

  test('by leaving them out', async () => {
    const bare = predictedBlock('delta', [delta(a, b, 1)])
    const half = predictedBlock('delta', [delta(a, b, 1), delta(c, b, 1)])
    half.bases!.delete(1)
    await refused([{ ...bare, bases: new Map() }, rawBlock(b)], a, 'a chunk has no base where its filter needs one')
    await refused([half, rawBlock(b)], c, 'a chunk has no base where its filter needs one')
  })

  test('is believed as far as blocks that need each other go', async () => {
    const [d, e] = [seededNoise(5, 400), seededNoise(6, 400)]
    const { store } = await storeOf([
      predictedBlock('delta', [delta(a, b, 2), delta(c, d, 1)]),
      predictedBlock('delta', [delta(b, d, 1), delta(e, c, 2)]),
      rawBlock(d),
    ])
    await read(await store.open(), [a, b, c, d, e])
  })
})

test('one chunk of a block is had without the bases of the others', async () => {
  const [base, chunk, other] = [seededNoise(1, 400), seededNoise(2, 400), seededNoise(3, 400)]
  const { store } = await storeOf([rawBlock(base), predictedBlock('delta', [delta(other, seededNoise(9, 400), 1), delta(chunk, base, 1)])])
  const source = await store.open()
  const entry = source.index.find(sha256(chunk))
  expect(Buffer.from(await readOtherCopy(source, entry, undefined, 'x')).equals(chunk)).toBe(true)
  for await (const { plain, error } of fetchBlocks(source, [1])) {
    expect(error).toBeUndefined()
    expect(Buffer.from(plain!.subarray(400)).equals(chunk)).toBe(true)
  }
})
