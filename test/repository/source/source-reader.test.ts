import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Chunker } from '../../../src/chunking/chunker.ts'
import { walk, type WalkedEntry } from '../../../src/local/walk.ts'
import type { FileChunk } from '../../../src/repository/source/file-reader.ts'
import { readingOrder } from '../../../src/repository/source/reading-order.ts'
import { type ReadProgress, SourceReader, type SourceReaderOptions } from '../../../src/repository/source/source-reader.ts'
import { StatCache } from '../../../src/repository/source/stat-cache.ts'
import { PLAIN_CHUNKS } from '../../../src/util/chunk-keys.ts'
import { AppError } from '../../../src/util/errors.ts'
import { sha256, toHex } from '../../../src/util/hash.ts'
import { comparePaths } from '../../../src/util/paths.ts'
import { chunkBytes } from '../../helpers/encode.ts'
import { rejection } from '../../helpers/failures.ts'
import { withFolder } from '../../helpers/folders.ts'
import { anyName } from '../../helpers/repository/manifest-entries.ts'
import { recordingReporter } from '../../helpers/repository/test-store.ts'
import { seededNoise } from '../../helpers/seeded.ts'
import { makeTree } from '../../helpers/trees.ts'

const LATER = Date.now() + 3_600_000
const idsOf = (content: Uint8Array): string => toHex(Buffer.concat(chunkBytes(content).map(sha256)))

interface Options extends Partial<SourceReaderOptions> {
  isStored?: (chunks: Buffer) => boolean
  sink?: (chunk: FileChunk) => void
}

/** Reads like a push: keeps the files that are known and stored, and reads the others into `sink`. */
async function readAll(root: string, { isStored = () => false, sink = () => undefined, ...options }: Options = {}) {
  const { reporter, warnings } = recordingReporter()
  const { entries } = await walk(root, { reporter })
  const sunk: string[] = []
  const done: Required<ReadProgress>[] = []
  const reader = new SourceReader(entries, {
    chunker: new Chunker(PLAIN_CHUNKS),
    cache: undefined,
    now: () => LATER,
    reporter,
    onProgress: ({ doneBytes = NaN, totalBytes = NaN, doneFiles = NaN, totalFiles = NaN }) =>
      void done.push({ doneBytes, totalBytes, doneFiles, totalFiles }),
    ...options,
  })
  for (const file of reader.files) {
    const known = reader.known(file)
    if (known && isStored(known)) {
      reader.keep(file, known)
      continue
    }
    const ids: Buffer[] = []
    for await (const chunk of reader.read(file)) {
      if (chunk.offset === 0) ids.length = 0
      ids.push(chunk.id)
      expect(toHex(sha256(chunk.bytes))).toBe(toHex(chunk.id))
      sunk.push(toHex(chunk.id))
      sink(chunk)
    }
    const chunks = reader.chunksOf(file)
    if (chunks && chunks.length > 0) expect(chunks.equals(Buffer.concat(ids))).toBe(true)
  }
  return { reading: reader.finish(), warnings, sunk, done }
}

describe('the order of reading', () => {
  const file = (path: string): WalkedEntry => ({ path, type: 'file' }) as WalkedEntry
  const order = (...paths: string[]): string[] => readingOrder(paths.map(file)).map(({ path }) => path)

  test('puts files of one kind beside each other, then goes by path', () => {
    expect(order('b.csv', 'README', 'a.PNG', 'z/a.csv', '.hidden', 'a.tar.gz', 'c.png', 'Makefile', 'd.x/noext')).toEqual([
      '.hidden',
      'Makefile',
      'README',
      'd.x/noext',
      'b.csv',
      'z/a.csv',
      'a.tar.gz',
      'a.PNG',
      'c.png',
    ])
  })

  test('is a total order of the files alone, whatever the order of the walk', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(
          fc.tuple(anyName, anyName).map(parts => parts.join('/')),
          { maxLength: 15 },
        ),
        fc.array(fc.nat(), { minLength: 16, maxLength: 16 }),
        (paths, weights) => {
          const entries = [...paths.map(file), { path: 'folder', type: 'directory' } as WalkedEntry]
          const shuffled = entries.map((entry, i) => ({ entry, at: weights[i]! })).sort((a, b) => a.at - b.at)
          const expected = readingOrder(entries)
          expect(readingOrder(shuffled.map(({ entry }) => entry))).toEqual(expected)
          expect(expected.map(({ path }) => path).sort(comparePaths)).toEqual([...paths].sort(comparePaths))
        },
      ),
      { seed: 1 },
    )
  })
})

describe('reading a source', () => {
  test('turns all of it into entries in the order of their paths', () =>
    withFolder(async root => {
      const content = seededNoise(1, 700_000)
      makeTree(root, {
        'b.bin': { file: content, mode: 0o640, mtime: '1700000000.123456789' },
        'a/t.txt': 'text',
        'a/link': { link: 't.txt', mtime: '-1.5' },
        empty: { file: '', mtime: '-0.000000001' },
      })
      const { reading, sunk, done } = await readAll(root)
      expect(reading).toMatchObject({ files: 3, directories: 1, symlinks: 1, bytes: 700_004, readBytes: 700_004, failedFiles: [] })
      expect(reading.entries.map(({ path }) => path)).toEqual(['a', 'a/link', 'a/t.txt', 'b.bin', 'empty'])
      const [, link, text, bin, empty] = reading.entries
      expect(link).toMatchObject({ type: 'symlink', target: 't.txt', mtime: -1_500_000_000n })
      expect(bin).toMatchObject({ type: 'file', size: 700_000, mode: 0o640, mtime: 1_700_000_000_123_456_000n })
      expect(empty).toMatchObject({ type: 'file', size: 0, mtime: -1000n })
      expect((bin as { chunks: Buffer }).chunks.toString('hex')).toBe(idsOf(content))
      expect((text as { chunks: Buffer }).chunks.toString('hex')).toBe(idsOf(Buffer.from('text')))
      expect(sunk.join('')).toBe(idsOf(content) + idsOf(Buffer.from('text')))
      expect(done.at(-1)).toMatchObject({ doneBytes: 700_004, totalBytes: 700_004, doneFiles: 3, totalFiles: 3 })
      expect(done.every((one, i) => i === 0 || (one.doneBytes >= done[i - 1]!.doneBytes && one.doneFiles >= done[i - 1]!.doneFiles))).toBe(
        true,
      )
    }))

  test('does not read a file again that is known and stored; reads one that is known and not stored', () =>
    withFolder(async root => {
      makeTree(join(root, 'source'), { a: 'aaaa', b: 'bbbb' })
      const save = async (cache: StatCache): Promise<StatCache> => {
        await cache.save(recordingReporter().reporter)
        const next = new StatCache(join(root, 'cache'))
        await next.load(recordingReporter().reporter)
        return next
      }
      const first = new StatCache(join(root, 'cache'))
      await readAll(join(root, 'source'), { cache: first })
      const second = await save(first)
      const isStored = (chunks: Buffer): boolean => toHex(chunks) === idsOf(Buffer.from('aaaa'))
      const { reading, sunk } = await readAll(join(root, 'source'), { cache: second, isStored })
      expect([reading.bytes, reading.readBytes, sunk]).toEqual([8, 4, [idsOf(Buffer.from('bbbb'))]])
      const third = await readAll(join(root, 'source'), { cache: await save(second), isStored: () => true })
      expect([third.reading.files, third.reading.readBytes, third.sunk]).toEqual([2, 0, []])
    }))

  test('takes a file that changes once as it then is', () =>
    withFolder(async root => {
      writeFileSync(join(root, 'log'), 'line 1\n')
      let changed = false
      const { reading, warnings } = await readAll(root, {
        sink: () => {
          if (!changed) appendFileSync(join(root, 'log'), 'line 2\n')
          changed = true
        },
      })
      expect([warnings, reading.failedFiles, reading.bytes]).toEqual([[], [], 14])
      expect((reading.entries[0] as { chunks: Buffer }).chunks.toString('hex')).toBe(idsOf(readFileSync(join(root, 'log'))))
    }))

  test('leaves out a file that keeps changing or vanishes, and saves the others', () =>
    withFolder(async root => {
      makeTree(root, { 'a.csv': 'x', 'b.txt': 'kept', 'c.zzz': 'gone' })
      const { reading, warnings } = await readAll(root, {
        sink: ({ bytes }) => {
          if (bytes[0] === 0x78) appendFileSync(join(root, 'a.csv'), 'x')
          if (existsSync(join(root, 'c.zzz'))) rmSync(join(root, 'c.zzz'))
        },
      })
      expect(reading.entries.map(({ path }) => path)).toEqual(['b.txt'])
      expect(reading).toMatchObject({ files: 1, bytes: 4 })
      expect(reading.failedFiles.map(path => path.slice(-5))).toEqual(['a.csv', 'c.zzz'])
      expect(warnings).toEqual([
        expect.stringMatching(/a\.csv was not saved: it changed while it was being read: it had 2 bytes and now has 3$/),
        expect.stringMatching(/c\.zzz was not saved: it vanished while it was being read/),
      ])
    }))

  describe.each([
    ['small', 1000],
    ['large', 700_000],
  ])('a %s log that is written to all the time', (_, size) => {
    const before = seededNoise(2, size)

    /** Reads `run.log`, with `act` done after each of its chunks. */
    async function readLog(
      act: (path: string) => void,
    ): Promise<{ stored: Buffer | undefined; growing: unknown; warnings: string[]; known: boolean }> {
      return withFolder(async root => {
        const path = join(root, 'run.log')
        writeFileSync(path, before)
        const cache = new StatCache(undefined)
        const recorded: string[] = []
        cache.record = path => void recorded.push(path)
        const bytes = new Map<string, Buffer>()
        const sink = ({ id, bytes: chunk }: FileChunk): void => {
          bytes.set(toHex(id), Buffer.from(chunk))
          act(path)
        }
        const { reading, warnings } = await readAll(root, { cache, sink })
        const entry = reading.entries.find(({ type }) => type === 'file') as { chunks: Buffer; size: number } | undefined
        const ids = entry?.chunks.toString('hex').match(/.{64}/g) ?? []
        const stored = entry && Buffer.concat(ids.map(id => bytes.get(id)!))
        if (entry) expect(stored).toHaveLength(entry.size)
        return { stored, growing: reading.growing, warnings, known: recorded.length > 0 }
      })
    }

    test('is taken as it was when it was read again, and is read by the next push', async () => {
      const line = Buffer.from('another line\n')
      const { stored, growing, warnings, known } = await readLog(path => appendFileSync(path, line))
      expect([growing, warnings, known]).toEqual([[{ path: 'run.log', size: stored!.length }], [], false])
      expect(stored!.length).toBeGreaterThan(size)
      expect(stored!.subarray(0, size).equals(before)).toBe(true)
      expect(stored!.subarray(size).equals(Buffer.concat(Array((stored!.length - size) / line.length).fill(line) as Buffer[]))).toBe(true)
    })

    test('is left out if it is rewritten at a greater length', async () => {
      let times = 0
      const { stored, growing, warnings } = await readLog(path => writeFileSync(path, seededNoise(++times, size + times)))
      expect([stored, growing, warnings]).toEqual([undefined, [], [expect.stringMatching(/run\.log was not saved: it changed while/)]])
    })

    test('is left out if it is truncated, or replaced by a longer one', async () => {
      for (const act of [
        (path: string, times: number) => writeFileSync(path, before.subarray(0, size - times)),
        (path: string, times: number) => {
          rmSync(path)
          writeFileSync(`${path}${times}`, '') // so that the inode is not taken again
          writeFileSync(path, Buffer.concat([before, Buffer.alloc(times)]))
        },
      ]) {
        let times = 0
        const { stored, growing, warnings } = await readLog(path => act(path, ++times))
        expect([stored, growing, warnings]).toEqual([undefined, [], [expect.stringMatching(/run\.log was not saved: it changed while/)]])
      }
    })
  })

  test('fails when the sink does: what was to be stored is not, whatever the code of the error', () =>
    withFolder(async root => {
      makeTree(root, { a: '1', b: '2' })
      for (const code of ['io', 'unavailable', 'quota', 'not-found'] as const) {
        const sink = (): void => {
          throw new AppError(code, 'The store fails.')
        }
        expect((await rejection(readAll(root, { sink }), code)).message).toBe('The store fails.')
      }
    }))

  test('stops when it is interrupted', () =>
    withFolder(async root => {
      makeTree(root, { a: '1' })
      await rejection(readAll(root, { signal: AbortSignal.abort() }), 'interrupted')
    }))
})
