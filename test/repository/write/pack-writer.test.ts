import { describe, expect, test } from 'vitest'
import type { BlockKind } from '../../../src/compression/block.ts'
import type { Level } from '../../../src/compression/limits.ts'
import { CompressionPool } from '../../../src/compression/pool.ts'
import { PACK_POLICY } from '../../../src/repository/format/limits.ts'
import { decodePackTail } from '../../../src/repository/format/pack.ts'
import type { LevelRule, Waiting } from '../../../src/repository/write/level-for.ts'
import { PackWriter, type PackWriterOptions } from '../../../src/repository/write/pack-writer.ts'
import { AppError } from '../../../src/util/errors.ts'
import { sha256, toHex } from '../../../src/util/hash.ts'
import { rejection } from '../../helpers/failures.ts'
import { idOf } from '../../helpers/repository/arbitraries.ts'
import { surroundings } from '../../helpers/repository/test-store.ts'
import { seededNoise } from '../../helpers/seeded.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'

const MiB = 1024 * 1024
const { firstBytes, bytes: packBytes, share, fullFrom, maxChunks, uploadBytesInFlight } = PACK_POLICY

/** Returns blocks unchanged after `delay` turns of the event loop: the tests are about flow, not compression. */
function fakePool(workers = 2, delay: (nth: number) => number = () => 0, failAt = Infinity): CompressionPool & { most: number } {
  let nth = 0
  let running = 0
  const pool = {
    workers,
    most: 0,
    encode: async (plain: Uint8Array) => {
      const own = ++nth
      pool.most = Math.max(pool.most, ++running)
      for (let turns = delay(own); turns > 0; turns--) await new Promise(resolve => setImmediate(resolve))
      running--
      if (own === failAt) throw new AppError('io', 'A compression thread ended unexpectedly.')
      return {
        filter: 0,
        parameters: new Uint8Array(0),
        parts: [{ codec: 0, storedLength: plain.length, plainLength: plain.length }],
        bytes: plain,
      }
    },
  }
  return pool as unknown as CompressionPool & { most: number }
}

/** A store whose puts wait until they are let go. */
function heldStore(failAt = Infinity) {
  const waiting: { bytes: number; go: () => void }[] = []
  const sizes: number[] = []
  let inFlight = 0
  let most = 0
  const storage: PackWriterOptions['storage'] = {
    put: async (_, bytes) => {
      sizes.push(bytes.length)
      const nth = sizes.length
      inFlight += bytes.length
      most = Math.max(most, inFlight)
      await new Promise<void>(go => waiting.push({ bytes: bytes.length, go }))
      inFlight -= bytes.length
      if (nth === failAt) throw new AppError('unavailable', 'The store is gone.')
      return { created: 0 }
    },
  }
  return { storage, sizes, waiting, most: () => most }
}

function writerTo(storage: PackWriterOptions['storage'], more: Partial<PackWriterOptions> = {}): PackWriter {
  return new PackWriter({ storage, pool: fakePool(), level: 'fast', surroundings: surroundings(), ...more })
}

const turns = async (count = 20): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
}

/** Ids of all chunks, in the order in which packs that began one after the other hold them. */
async function idsIn(storage: MemoryStorage, writer: PackWriter): Promise<string[][]> {
  return Promise.all(
    writer.begun.map(async ({ id }) => {
      const bytes = await storage.get(`pack-${id}`)
      const tail = decodePackTail(bytes, bytes.length, id)
      if (tail.kind !== 'directory') throw new Error('the whole pack is not enough')
      return Array.from(tail.directory.chunkLengths, (_, i) => toHex(tail.directory.chunkIds.subarray(i * 32, i * 32 + 32)))
    }),
  )
}

describe('a pack writer', () => {
  test('keeps chunks of a kind in the order in which they came, also when later blocks are encoded first', async () => {
    const storage = new MemoryStorage()
    const writer = writerTo(storage, { pool: fakePool(3, nth => (nth % 3 === 1 ? 30 : 0)), blockBytes: 10_000 })
    const expected: Record<Exclude<BlockKind, 'tensor'>, string[]> = { general: [], compressed: [] }
    const reused = new Uint8Array(4000)
    for (let i = 0; i < 300; i++) {
      const length = 500 + ((i * 997) % 3500)
      reused.set(seededNoise(i, length))
      const bytes = reused.subarray(0, length)
      const kind = i % 5 === 0 ? 'compressed' : 'general'
      expected[kind].push(toHex(sha256(bytes)))
      await writer.add(sha256(bytes), bytes, { kind })
    }
    await writer.flush()
    await writer.acknowledge()
    const found = (await idsIn(storage, writer)).flat()
    for (const kind of ['general', 'compressed'] as const) expect(found.filter(id => expected[kind].includes(id))).toEqual(expected[kind])
    expect(found.length).toBe(300)
    expect(writer.acknowledged.map(({ id }) => id).sort()).toEqual(writer.begun.map(({ id }) => id).sort())
  })

  test('stores what can be read back, encoded by the real codecs', async () => {
    const storage = new MemoryStorage()
    const pool = new CompressionPool({ workers: 0 })
    const writer = writerTo(storage, { pool, blockBytes: 100_000 })
    const chunks = Array.from({ length: 20 }, (_, i) => (i % 2 ? seededNoise(i, 20_000) : Buffer.alloc(20_000, `${i} `)))
    for (const [i, bytes] of chunks.entries()) await writer.add(sha256(bytes), bytes, { kind: i % 2 ? 'compressed' : 'general' })
    await writer.flush()
    await writer.acknowledge()
    const [pack] = writer.acknowledged
    const bytes = await storage.get(`pack-${pack!.id}`)
    const tail = decodePackTail(bytes, bytes.length, pack!.id)
    const plain = []
    for (const block of tail.kind === 'directory' ? tail.directory.blocks : [])
      plain.push(await pool.decode(block, bytes.slice(block.offset, block.offset + block.storedLength)))
    expect(plain.reduce((sum, { length }) => sum + length, 0)).toBe(400_000)
    expect([writer.plainBytes, writer.uploadedBytes, writer.storedBytes < 300_000]).toEqual([400_000, bytes.length, true])
  })

  test('asks for the level of each block, and tells what it waits for', async () => {
    const { storage, waiting } = heldStore()
    const pool = fakePool()
    const levels: string[] = []
    const encode = pool.encode.bind(pool)
    pool.encode = (plain, request) => {
      levels.push(request.level)
      return encode(plain, request)
    }
    const seen: Waiting[] = []
    let clock = 0
    const level: LevelRule = at => {
      seen.push(at)
      return at.inFlight > 0 ? 'high' : 'balanced'
    }
    const writer = writerTo(storage, {
      pool,
      level,
      blockBytes: MiB,
      surroundings: { ...surroundings(), monotonic: () => (clock += 1000) },
    })
    for (let i = 0; i < 12; i++) await writer.add(idOf(i), seededNoise(i, MiB), { kind: 'general' })
    expect([levels.slice(0, 3), levels.at(-1), waiting.length > 1]).toEqual([['balanced', 'balanced', 'balanced'], 'high', true])
    expect(seen.at(-1)!.inFlight).toBe(waiting.reduce((sum, { bytes }) => sum + bytes, 0))
    expect(seen.at(-1)).toMatchObject({ most: 3 * firstBytes, uploaded: 0, threads: 2 })
    for (const { go } of waiting.splice(0)) go()
    await turns()
    await writer.add(idOf(20), seededNoise(20, MiB), { kind: 'general' })
    expect([writer.uploadedBytes > 0, seen.at(-1)!.uploaded]).toEqual([true, writer.uploadedBytes])
    expect(seen.at(-1)!.seconds).toBeGreaterThan(0)
  })

  test('makes small packs, then larger ones, and has no more under way than it may', async () => {
    const { storage, sizes, waiting, most } = heldStore()
    const pool = fakePool()
    const writer = writerTo(storage, { pool })
    // the next block never repeats the one before
    const noise = seededNoise(1, 16 * MiB)
    let added = 0
    const adding = (async () => {
      for (; added < 1000; added++) {
        const from = (added % 64) * 256 * 1024
        await writer.add(idOf(added), noise.subarray(from, from + 256 * 1024), { kind: 'general' })
      }
      await writer.flush()
    })()
    for (let stalled = 0, last = -1; stalled < 5; last = added) {
      await turns()
      stalled = added === last ? stalled + 1 : 0
    }
    // it waits: nothing has been acknowledged, and the next pack would be too much
    expect(added).toBeLessThan(1000)
    expect(waiting.reduce((sum, put) => sum + put.bytes, 0)).toBeGreaterThan(uploadBytesInFlight - packBytes - MiB)
    let done = false
    const all = adding.then(() => writer.acknowledge()).finally(() => (done = true))
    while (!done) {
      waiting.splice(0, 1)[0]?.go()
      await turns(3)
    }
    await all
    let before = 0
    for (const [i, size] of sizes.entries()) {
      const room = Math.min(packBytes, Math.max(firstBytes, before * share))
      const [block, directory] = [4 * MiB, 64 * 1024]
      expect(size, `pack ${i} of ${sizes.length}`).toBeLessThanOrEqual(room + directory)
      // nearly full, or the next block did not fit
      if (i < sizes.length - 1) expect(size, `pack ${i} of ${sizes.length}`).toBeGreaterThan(Math.min(room * fullFrom, room - block))
      before += size
    }
    expect(sizes.length).toBeLessThan(30)
    expect(sizes.at(-2)).toBeGreaterThan(packBytes * fullFrom)
    expect(most()).toBeLessThanOrEqual(uploadBytesInFlight)
    expect(pool.most).toBeLessThanOrEqual(3)
  })

  test('closes a pack of very many tiny chunks before its directory outgrows an index', async () => {
    const storage = new MemoryStorage()
    const writer = writerTo(storage)
    const id = Buffer.alloc(32)
    for (let i = 0; i < maxChunks + 100_000; i++) {
      id.writeUInt32LE(i)
      const full = writer.add(id, Uint8Array.of(i), { kind: 'general' })
      if (i % 65_536 === 0) await full
    }
    await writer.flush()
    await writer.acknowledge()
    const chunks = (await idsIn(storage, writer)).map(ids => ids.length)
    expect(chunks).toEqual([maxChunks, 100_000])
    for (const { directoryBytes } of writer.acknowledged) expect(directoryBytes.length).toBeLessThan(10 * MiB)
  })

  describe('joins blocks that repeat the block before', () => {
    const BLOCK = 64 * 1024
    const noise = seededNoise(1, 40 * BLOCK)

    /** The plain lengths of the blocks of each kind that are made of these stretches of noise. */
    async function blocksOf(
      stretches: readonly { from: number; length: number; kind: 'general' | 'compressed' | 'tensor' }[],
      level: Level = 'high',
    ) {
      const storage = new MemoryStorage()
      const pool = new CompressionPool({ workers: 0 })
      const writer = writerTo(storage, { pool, blockBytes: BLOCK, level })
      const kinds = new Map<string, string>()
      const contents = new Map<string, Buffer>()
      for (const { from, length, kind } of stretches) {
        for (let at = from; at < from + length; at += 4096) {
          const bytes = Buffer.concat([
            Uint8Array.of(kinds.size, kinds.size >> 8),
            noise.subarray(at, Math.min(from + length, at + 4096) - 2),
          ])
          const id = toHex(sha256(bytes))
          kinds.set(id, kind)
          contents.set(id, bytes)
          const tensor = { element: { width: 4, kind: 'float', dtype: 'F32' } as const }
          await writer.add(sha256(bytes), bytes, kind === 'tensor' ? { kind, tensor } : { kind })
        }
      }
      await writer.flush()
      await writer.acknowledge()
      const lengths: Record<string, number[]> = {}
      for (const { id } of writer.begun) {
        const pack = await storage.get(`pack-${id}`)
        const tail = decodePackTail(pack, pack.length, id)
        const { blocks, chunkIds } = tail.kind === 'directory' ? tail.directory : expect.fail('the whole pack is enough')
        for (const block of blocks) {
          const plain = await pool.decode(block, pack.slice(block.offset, block.offset + block.storedLength))
          const ids = Array.from({ length: block.chunkCount }, (_, i) =>
            toHex(chunkIds.subarray(32 * (block.firstChunk + i), 32 * (block.firstChunk + i + 1))),
          )
          expect(Buffer.compare(Buffer.concat(ids.map(each => contents.get(each)!)), plain)).toBe(0)
          ;(lengths[kinds.get(ids[0]!)!] ??= []).push(plain.length)
          for (const each of ids) kinds.set(each, kinds.get(each)!)
        }
      }
      return { lengths, stored: writer.storedBytes }
    }

    test('up to four times as long, also if another kind comes between', async () => {
      const again = Array.from({ length: 6 }, () => ({ from: 0, length: BLOCK, kind: 'general' as const }))
      const { lengths, stored } = await blocksOf([
        ...again.slice(0, 3),
        { from: 20 * BLOCK, length: 2 * BLOCK, kind: 'compressed' },
        ...again.slice(3),
      ])
      expect(lengths).toEqual({ general: [4 * BLOCK, 2 * BLOCK], compressed: [BLOCK, BLOCK] })
      expect(stored).toBeLessThan(4.3 * BLOCK)
    })

    test('only so far as they do', async () => {
      const kind = 'compressed'
      const { lengths } = await blocksOf([
        { from: 0, length: 2 * BLOCK, kind },
        { from: BLOCK, length: BLOCK, kind },
        { from: 8 * BLOCK, length: 2 * BLOCK, kind },
        { from: 9 * BLOCK, length: BLOCK / 2, kind },
      ])
      expect(lengths).toEqual({ compressed: [BLOCK, 2 * BLOCK, BLOCK, 1.5 * BLOCK] })
    })

    test('but only at the levels that people ask for to save space: it takes memory', async () => {
      const twice = Array.from({ length: 2 }, () => ({ from: 0, length: BLOCK, kind: 'general' as const }))
      const of = async (level: Level) => (await blocksOf(twice, level)).lengths.general
      expect([await of('fast'), await of('balanced'), await of('high')]).toEqual([[BLOCK, BLOCK], [BLOCK, BLOCK], [2 * BLOCK]])
    })

    test('but none of tensors', async () => {
      const { lengths } = await blocksOf(Array.from({ length: 3 }, () => ({ from: 0, length: BLOCK, kind: 'tensor' as const })))
      expect(lengths).toEqual({ tensor: [BLOCK, BLOCK, BLOCK] })
    })
  })

  test('holds no more long blocks than it may, and makes the same blocks whatever the pool does', async () => {
    const made: string[][] = []
    for (const delay of [0, 50]) {
      const storage = new MemoryStorage()
      const writer = writerTo(storage, { pool: fakePool(2, () => delay), blockBytes: 64 * 1024, level: 'high' })
      for (let i = 0; i < 200; i++) {
        const bytes = seededNoise(i % 16 < 8 ? 1 : 2, 16 * 1024)
        bytes[0] = i
        await writer.add(idOf(i), bytes, { kind: i % 3 === 0 ? 'compressed' : 'general' })
      }
      await writer.flush()
      await writer.acknowledge()
      made.push((await idsIn(storage, writer)).flat())
    }
    expect(made[1]).toEqual(made[0])
  })

  test('of nothing stores nothing', async () => {
    const storage = new MemoryStorage()
    const writer = writerTo(storage)
    await writer.flush()
    await writer.acknowledge()
    expect((await storage.list()).objects).toEqual([])
  })
})

describe('a pack writer whose', () => {
  const bytes = seededNoise(1, 256 * 1024)
  const addAll = async (writer: PackWriter, count = 400): Promise<void> => {
    for (let i = 0; i < count; i++) await writer.add(idOf(i), bytes, { kind: 'general' })
    await writer.flush()
    await writer.acknowledge()
  }

  test('put fails, fails with that error, hangs nowhere and leaves nothing behind', async () => {
    const { storage, waiting } = heldStore(2)
    const writer = writerTo(storage)
    const adding = rejection(addAll(writer), 'unavailable')
    const release = setInterval(() => waiting.splice(0).forEach(({ go }) => go()), 1)
    expect((await adding).message).toBe('The store is gone.')
    await writer.settle()
    clearInterval(release)
    await rejection(writer.acknowledge(), 'unavailable')
    expect(writer.acknowledged.length).toBe(writer.begun.length - 1)
  })

  test('last put fails, fails when it is acknowledged', async () => {
    const { storage, waiting } = heldStore(1)
    const writer = writerTo(storage)
    await writer.add(idOf(1), bytes, { kind: 'general' })
    await writer.flush()
    const acknowledged = rejection(writer.acknowledge(), 'unavailable')
    waiting[0]!.go()
    await acknowledged
  })

  test('encoding fails, never counts as done afterwards: chunks of that block are lost', async () => {
    const storage = new MemoryStorage()
    const writer = writerTo(storage, { pool: fakePool(2, () => 1, 3) })
    await rejection(addAll(writer), 'io')
    await rejection(addAll(writer), 'io')
    await rejection(writer.acknowledge(), 'io')
    await writer.settle()
  })

  test('run is interrupted, stops', async () => {
    const controller = new AbortController()
    const writer = writerTo(new MemoryStorage(), { signal: controller.signal })
    await writer.add(idOf(1), bytes, { kind: 'general' })
    controller.abort()
    await rejection(addAll(writer), 'interrupted')
    await writer.settle()
  })
})
