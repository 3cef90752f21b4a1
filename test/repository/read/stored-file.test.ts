import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FileEntry } from '../../../src/repository/format/manifest.ts'
import { openForReading } from '../../../src/repository/open/open.ts'
import { readManifest } from '../../../src/repository/read/read-manifest.ts'
import { StoredFile } from '../../../src/repository/read/stored-file.ts'
import { parseVersion, resolveVersion } from '../../../src/repository/versions/versions.ts'
import { CountingStorage } from '../../../src/storage/counting.ts'
import type { Storage } from '../../../src/storage/storage.ts'
import { sha256, sha256Hex } from '../../../src/util/hash.ts'
import { withFolder } from '../../helpers/folders.ts'
import { contextOf, pushFolder } from '../../helpers/in-process.ts'
import { rawBlock } from '../../helpers/encode.ts'
import { fileEntry } from '../../helpers/repository/manifest-entries.ts'
import { TestStore } from '../../helpers/repository/test-store.ts'
import { seededNoise, seededRandom } from '../../helpers/seeded.ts'
import { MemoryStorage } from '../../helpers/storage/memory.ts'

const MiB = 1024 * 1024

/** A version with one file of these bytes. */
async function storeOf(bytes: Uint8Array): Promise<MemoryStorage> {
  const storage = new MemoryStorage({ now: () => Date.now() })
  await withFolder(async folder => {
    writeFileSync(join(folder, 'model.bin'), bytes)
    await pushFolder(contextOf(storage), folder, 'runs')
  })
  return storage
}

async function open(storage: Storage): Promise<StoredFile> {
  const repository = await openForReading(contextOf(storage))
  const snapshot = await resolveVersion(repository, repository.view, parseVersion('runs'))
  for await (const entry of readManifest(repository, snapshot))
    if (entry.type === 'file') return new StoredFile(repository, entry, entry.path)
  throw new Error('the version holds no file')
}

describe('a stored file', () => {
  test('gives any stretch of its bytes, and fewer where it ends', async () => {
    const bytes = seededNoise(1, 3 * MiB + 17)
    const file = await open(await storeOf(bytes))
    expect(file.size).toBe(bytes.length)
    const random = seededRandom(7)
    for (let run = 0; run < 100; run++) {
      const offset = Math.floor(random() * (bytes.length + 100))
      const length = Math.floor(random() ** 4 * bytes.length)
      expect(Buffer.compare(await file.read(offset, length), bytes.subarray(offset, offset + length)), `${offset} ${length}`).toBe(0)
    }
    expect(await file.read(bytes.length + 5, 10)).toHaveLength(0)
    const chunks = file.chunksOf(0, file.size)
    expect(chunks.every(({ offset, length, id }) => sha256Hex(bytes.subarray(offset, offset + length)) === id)).toBe(true)
    expect(chunks.reduce((sum, { length }) => sum + length, 0)).toBe(bytes.length)
    expect(file.chunksOf(chunks[3]!.offset, chunks[3]!.length)).toEqual([chunks[3]])
    expect(file.chunksOf(chunks[3]!.offset - 1, chunks[3]!.length + 2)).toEqual(chunks.slice(2, 5))
  })

  test('fetches the blocks of a stretch alone, and those once', async () => {
    const bytes = seededNoise(2, 40 * MiB)
    const counting = new CountingStorage(await storeOf(bytes))
    const file = await open(counting)
    const before = counting.calls.get
    await file.read(0, 8)
    await file.read(8, 100_000)
    await file.read(1000, 8)
    expect(counting.calls.get - before).toBe(1)
    await file.read(30 * MiB, 20)
    expect(counting.calls.get - before).toBe(2)
  })

  test('gives thousands of small stretches of one large chunk soon: it is verified once', async () => {
    const chunk = seededNoise(9, 4 * MiB)
    const store = new TestStore()
    await store.config()
    await store.index([await store.pack([rawBlock(chunk)])])
    await store.snapshot('runs', { entries: [fileEntry('large', sha256(chunk), chunk.length)] })
    const file = await open(store.memory)
    const began = performance.now()
    for (let i = 0; i < 3000; i++) expect(Buffer.compare(await file.read(i * 1000, 30), chunk.subarray(i * 1000, i * 1000 + 30))).toBe(0)
    expect(performance.now() - began).toBeLessThan(4000)
  })

  test('verifies what it gives, and reads again what came damaged', async () => {
    const bytes = seededNoise(3, MiB)
    const storage = await storeOf(bytes)
    let damaged = 0
    const damaging = (times: number): Storage =>
      Object.assign(Object.create(storage) as MemoryStorage, {
        get: async (...args: Parameters<typeof storage.get>) => {
          const got = (await storage.get(...args)).slice()
          if (args[0].startsWith('pack-') && args[1] !== undefined && args[1].length > 256 * 1024 && damaged++ < times) got[1000]! ^= 1
          return got
        },
      })
    expect(Buffer.compare(await (await open(damaging(1))).read(0, MiB), bytes)).toBe(0)
    expect(damaged).toBeGreaterThan(1)
    damaged = 0
    const file = await open(damaging(Infinity))
    await expect(file.read(0, MiB)).rejects.toThrow(/model\.bin is damaged/)
  })

  test('of which a chunk is in no pack is refused at once', async () => {
    const repository = await openForReading(contextOf(await storeOf(seededNoise(4, 1000))))
    const entry: FileEntry = { path: 'x', type: 'file', mode: 0o644, mtime: 0n, size: 8, chunks: sha256(seededNoise(5, 8)) }
    expect(() => new StoredFile(repository, entry, 'x')).toThrow(/x is damaged: chunk [0-9a-f]{12} is in no pack/)
  })
})
