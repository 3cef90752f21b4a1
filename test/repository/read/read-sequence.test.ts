import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NewBlock } from '../../../src/repository/format/directory.ts'
import { readSequence, type BlockSource } from '../../../src/repository/read/read-chunks.ts'
import { sha256, toHex } from '../../../src/util/hash.ts'
import { rejection } from '../../helpers/failures.ts'
import { rawBlock } from '../../helpers/encode.ts'
import { hexOf, idOf, rawBlockOf } from '../../helpers/repository/arbitraries.ts'
import { TestStore } from '../../helpers/repository/test-store.ts'
import { seededNoise } from '../../helpers/seeded.ts'

describe('reading a sequence of chunks', () => {
  const chunk = seededNoise(5, 1000)

  async function read(source: BlockSource, ids: Uint8Array): Promise<Buffer> {
    const pieces: Uint8Array[] = []
    for await (const piece of readSequence(source, ids, 'The file')) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  test('gives any chunks in any order, however often each is named', async () => {
    const chunks = Array.from({ length: 40 }, (_, i) => seededNoise(i, 1 + ((i * 7919) % 50_000)))
    const store = new TestStore()
    const packs = [0, 1, 2].map(pack => [0, 1].map(block => rawBlockOf(chunks.filter((_, i) => i % 6 === pack * 2 + block))))
    const made = []
    for (const blocks of packs) made.push(await store.pack(blocks))
    await store.index(made)
    const source = await store.open()
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(39), { maxLength: 60 }), async order => {
        const ids = Buffer.concat(order.map(i => sha256(chunks[i]!)))
        expect((await read(source, ids)).equals(Buffer.concat(order.map(i => chunks[i]!)))).toBe(true)
      }),
      { seed: 2, numRuns: 25 },
    )
  })

  test('reads a chunk named half a million times a few times, not half a million', async () => {
    const chunk = seededNoise(1, 100)
    const store = new TestStore()
    await store.index([await store.pack([rawBlock(chunk)])])
    const { storage, calls } = store.watched()
    const source = await store.open(storage)
    const ids = Buffer.alloc(500_000 * 32, sha256(chunk))
    let bytes = 0
    for await (const piece of readSequence(source, ids, 'x')) bytes += piece.length
    expect(bytes).toBe(50_000_000)
    expect(calls.filter(call => call.startsWith('get pack')).length).toBe(3)
  })

  test('refuses a chunk that is nowhere, before it reads', async () => {
    const store = new TestStore()
    await store.index([await store.pack([rawBlock(chunk)])])
    const { storage, calls } = store.watched()
    const source = await store.open(storage)
    const error = await rejection(read(source, Buffer.concat([sha256(chunk), idOf(1)])), 'corrupt')
    expect(error.message).toBe(`The file is damaged: chunk ${hexOf(1).slice(0, 12)} is in no pack of the repository`)
    expect(error.isMissing).toBe(true)
    expect(calls.filter(call => call.startsWith('get pack'))).toEqual([])
  })

  const lying = (content: Uint8Array): NewBlock => rawBlock(content, sha256(chunk))

  test('passes a damaged copy over for another one', async () => {
    for (const bad of [seededNoise(6, 1000), seededNoise(6, 10), seededNoise(6, 2000)]) {
      const store = new TestStore()
      await store.index([
        await store.pack([lying(bad)]),
        await store.pack([lying(bad), rawBlock(seededNoise(7, 9))]),
        await store.pack([rawBlock(chunk)]),
      ])
      expect((await read(await store.open(), Buffer.concat([sha256(chunk), sha256(chunk)]))).equals(Buffer.concat([chunk, chunk]))).toBe(
        true,
      )
    }
  })

  test('is damaged when no copy is left, and says where', async () => {
    const store = new TestStore()
    const pack = await store.pack([lying(seededNoise(6, 1000))])
    await store.index([pack, await store.pack([lying(seededNoise(7, 1000))])])
    const error = await rejection(read(await store.open(), sha256(chunk)), 'corrupt')
    expect(error.message).toBe(
      `The file is damaged: chunk ${toHex(sha256(chunk)).slice(0, 12)} in pack ${pack.id.slice(0, 12)} does not match its checksum`,
    )
  })
})
