import { existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Fingerprint } from '../../../src/local/fingerprint.ts'
import { StatCache } from '../../../src/repository/source/stat-cache.ts'
import { PLAIN_CHUNKS, type ChunkKeys } from '../../../src/util/chunk-keys.ts'
import { withFolder } from '../../helpers/folders.ts'
import { flipBit } from '../../helpers/repository/arbitraries.ts'
import { anyName, chunksOf } from '../../helpers/repository/manifest-entries.ts'
import { recordingReporter } from '../../helpers/repository/test-store.ts'

const NOW = 1_764_000_000_000
const OLD: Fingerprint = { size: 5, mtime: 1_000_000_000n, ctime: 2_000_000_000n, inode: 3n, device: 4 }

async function written(file: string, files: [string, Buffer][]): Promise<void> {
  const cache = new StatCache(file)
  for (const [path, chunks] of files) cache.record(path, OLD, chunks, NOW)
  await cache.save(recordingReporter().reporter)
}

async function loaded(file: string): Promise<{ cache: StatCache; details: string[] }> {
  const cache = new StatCache(file)
  const { reporter, details } = recordingReporter()
  await cache.load(reporter)
  return { cache, details }
}

describe('the caches of one folder for several repositories', () => {
  const keysWith = (id: string): ChunkKeys => ({ ...PLAIN_CHUNKS, id })
  const { reporter } = recordingReporter()

  test('know nothing of each other, and that of plain ones has the name that it always had', () =>
    withFolder(async folder => {
      const file = join(folder, 'it.jsonl')
      await written(file, [['a', chunksOf(1)]])
      const { cache: plain } = await loaded(file)
      expect(await plain.withKeys(PLAIN_CHUNKS, reporter)).toBe(plain)
      const one = await plain.withKeys(keysWith('0123456789abcdef'), reporter)
      expect(one.lookup('a', OLD)).toBeUndefined()
      one.record('a', OLD, chunksOf(2), NOW)
      await one.save(reporter)
      expect(readdirSync(folder).sort()).toEqual(['it-0123456789abcdef.jsonl', 'it.jsonl'])
      const again = (await loaded(file)).cache
      const caches = ['0123456789abcdef', 'fedcba9876543210'].map(id => again.withKeys(keysWith(id), reporter))
      const found = [again, ...(await Promise.all(caches))].map(cache => cache.lookup('a', OLD))
      expect(found).toEqual([chunksOf(1), chunksOf(2), undefined])
    }))

  test('one that is only renewed knows no file with any keys', () =>
    withFolder(async folder => {
      const file = join(folder, 'it.jsonl')
      await written(join(folder, 'it-0123456789abcdef.jsonl'), [['a', chunksOf(2)]])
      const renewed = await new StatCache(file).withKeys(keysWith('0123456789abcdef'), reporter)
      expect(renewed.lookup('a', OLD)).toBeUndefined()
    }))
})

describe('the cache of file states', () => {
  test('remembers what each file consisted of, whatever its name', () =>
    withFolder(folder =>
      fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(fc.tuple(fc.oneof(anyName, fc.constantFrom('\u2028', 'a\u2029b', '"', '\n', '\r', '__proto__')), fc.nat(3)), {
            maxLength: 8,
            selector: ([name]) => name,
          }),
          async files => {
            const file = join(folder, 'cache')
            await written(
              file,
              files.map(([name, count]) => [name, chunksOf(count)]),
            )
            const { cache, details } = await loaded(file)
            expect(details).toEqual([])
            for (const [name, count] of files) expect(cache.lookup(name, OLD)).toEqual(chunksOf(count))
            expect(cache.lookup('another', OLD)).toBeUndefined()
          },
        ),
        { seed: 1, numRuns: 60 },
      ),
    ))

  test('that holds what it held is not written again', () =>
    withFolder(async folder => {
      const file = join(folder, 'cache')
      await written(file, [
        ['a', chunksOf(1)],
        ['b', chunksOf(2)],
      ])
      const savedAs = async (use: (cache: StatCache) => void): Promise<number> => {
        const { cache } = await loaded(file)
        use(cache)
        await cache.save(recordingReporter().reporter)
        return statSync(file).ino
      }
      const before = statSync(file).ino
      expect(await savedAs(cache => cache.keepAll())).toBe(before)
      const renewed = await savedAs(cache => {
        cache.keepAll()
        cache.record('b', OLD, chunksOf(3), NOW)
      })
      expect(renewed).not.toBe(before)
      expect(await savedAs(cache => cache.keep('b'))).not.toBe(renewed)
      const { cache } = await loaded(file)
      expect([cache.lookup('a', OLD), cache.lookup('b', OLD)]).toEqual([undefined, chunksOf(3)])
    }))

  test('knows a file again by size, both times and inode alone', () =>
    withFolder(async folder => {
      await written(join(folder, 'cache'), [['a', chunksOf(1)]])
      const { cache } = await loaded(join(folder, 'cache'))
      for (const key of ['mtime', 'ctime', 'inode'] as const) expect(cache.lookup('a', { ...OLD, [key]: OLD[key] + 1n })).toBeUndefined()
      expect(cache.lookup('a', { ...OLD, size: 6 })).toBeUndefined()
      expect(cache.lookup('b', OLD)).toBeUndefined()
      expect(cache.lookup('a', { ...OLD })).toEqual(chunksOf(1))
    }))

  test('is used whole or not at all: not with a bit flipped, not cut short, not with a line lost or twice', () =>
    withFolder(async folder => {
      const file = join(folder, 'cache')
      const files: [string, Buffer][] = [['a', chunksOf(1)], ['b', chunksOf(2)], ['é', chunksOf(0)]] // prettier-ignore
      await written(file, files)
      const good = readFileSync(file)
      const expectUnused = async (bytes: Uint8Array): Promise<void> => {
        writeFileSync(file, bytes)
        const { cache, details } = await loaded(file)
        expect(files.map(([path]) => cache.lookup(path, OLD))).toEqual([undefined, undefined, undefined])
        expect(details).toEqual([expect.stringContaining("can't be used")])
      }
      // the line feed at the very end does not count
      for (let bit = 0; bit < (good.length - 1) * 8; bit += 5) await expectUnused(flipBit(good, bit))
      for (let length = 0; length < good.length - 1; length += 3) await expectUnused(good.subarray(0, length))
      const lines = good.toString().split('\n')
      await expectUnused(Buffer.from(lines.slice(1).join('\n')))
      await expectUnused(Buffer.from([lines[0], ...lines].join('\n')))
      await expectUnused(Buffer.from([lines[1], lines[0], ...lines.slice(2)].join('\n')))
    }))

  test('says nothing when there is none, and tells when it is something else', () =>
    withFolder(async folder => {
      expect((await loaded(join(folder, 'none'))).details).toEqual([])
      expect((await loaded(folder)).details.length).toBe(1)
      writeFileSync(join(folder, 'text'), 'not a cache\n')
      expect((await loaded(join(folder, 'text'))).details.length).toBe(1)
    }))

  test('does not record what changed less than 2 s before it was read: it may change again unseen', () =>
    withFolder(async folder => {
      const file = join(folder, 'cache')
      const cache = new StatCache(file)
      const ns = (ms: number): bigint => BigInt(ms) * 1_000_000n
      cache.record('old', { ...OLD, mtime: ns(NOW - 2001), ctime: ns(NOW - 2001) }, chunksOf(1), NOW)
      cache.record('written', { ...OLD, mtime: ns(NOW - 2000) }, chunksOf(1), NOW)
      cache.record('renamed', { ...OLD, ctime: ns(NOW - 1) }, chunksOf(1), NOW)
      cache.record('future', { ...OLD, mtime: ns(NOW + 5_000_000) }, chunksOf(1), NOW)
      await cache.save(recordingReporter().reporter)
      const names = readFileSync(file, 'utf8').split('\n').slice(0, -2).map(line => (JSON.parse(line) as string[])[0]) // prettier-ignore
      expect(names).toEqual(['old'])
    }))

  test('carries over what was kept, or all that was not recorded anew', () =>
    withFolder(async folder => {
      const file = join(folder, 'cache')
      const renew = async (use: (cache: StatCache) => void): Promise<StatCache> => {
        await written(file, [['a', chunksOf(1)], ['b', chunksOf(2)]]) // prettier-ignore
        const { cache } = await loaded(file)
        use(cache)
        await cache.save(recordingReporter().reporter)
        return (await loaded(file)).cache
      }
      const kept = await renew(cache => (cache.keep('a'), cache.keep('never seen')))
      expect(['a', 'b'].map(path => kept.lookup(path, OLD)?.length)).toEqual([32, undefined])
      const all = await renew(cache => (cache.record('b', OLD, chunksOf(3), NOW), cache.keepAll()))
      expect(['a', 'b'].map(path => all.lookup(path, OLD)?.length)).toEqual([32, 96])
    }))

  test('is private, replaced whole, and leaves no temporary file', () =>
    withFolder(async folder => {
      const file = join(folder, 'deep', 'er', 'cache')
      await written(file, [['a', chunksOf(1)]])
      await written(file, [])
      expect(readdirSync(join(folder, 'deep', 'er'))).toEqual(['cache'])
      expect(statSync(file).mode & 0o777).toBe(0o600)
      expect((await loaded(file)).cache.lookup('a', OLD)).toBeUndefined()
    }))

  test('holds many files', () =>
    withFolder(async folder => {
      const file = join(folder, 'cache')
      await written(
        file,
        Array.from({ length: 5000 }, (_, i) => [`folder/file-${i}`, chunksOf(3, i)]),
      )
      const { cache } = await loaded(file)
      expect(cache.lookup('folder/file-4999', OLD)).toEqual(chunksOf(3, 4999))
      expect(cache.lookup('folder/file-0', OLD)).toEqual(chunksOf(3, 0))
    }))

  test('that can not be written is told, and nothing else happens', () =>
    withFolder(async folder => {
      writeFileSync(join(folder, 'file'), '')
      mkdirSync(join(folder, 'folder/x'), { recursive: true })
      for (const path of ['file/below/cache', 'file/cache', 'folder']) {
        const cache = new StatCache(join(folder, path))
        cache.record('a', OLD, chunksOf(1), NOW)
        const { reporter, details } = recordingReporter()
        await cache.save(reporter)
        expect(details).toEqual([expect.stringContaining("can't be written")])
      }
      expect(existsSync(join(folder, 'folder/x'))).toBe(true)
      expect(readdirSync(folder).sort()).toEqual(['file', 'folder'])
    }))
})
