import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { HeldFolders } from '../../../src/local/held-folders.ts'
import { lookAt } from '../../../src/local/look-at.ts'
import { partName } from '../../../src/local/part-names.ts'
import type { FileEntry } from '../../../src/repository/format/manifest.ts'
import { packName } from '../../../src/repository/format/object-names.ts'
import type { PlannedFile } from '../../../src/repository/pull/pull-plan.ts'
import { Refusals } from '../../../src/repository/pull/refusals.ts'
import { restoreFiles } from '../../../src/repository/pull/restore.ts'
import { sha256 } from '../../../src/util/hash.ts'
import { rejection } from '../../helpers/failures.ts'
import { withFolder } from '../../helpers/folders.ts'
import { rawBlockOf } from '../../helpers/repository/arbitraries.ts'
import { TestStore } from '../../helpers/repository/test-store.ts'
import { seededNoise } from '../../helpers/seeded.ts'
import type { Fault } from '../../helpers/storage/faulty.ts'

const chunk = (seed: number, length = 50_000): Buffer => seededNoise(seed, length)

function planned(folder: string, path: string, chunks: readonly Uint8Array[]): PlannedFile {
  const size = chunks.reduce((sum, { length }) => sum + length, 0)
  const entry: FileEntry = { path, type: 'file', mode: 0o644, mtime: 0n, size, chunks: Buffer.concat(chunks.map(sha256)) }
  return { entry, localPath: join(folder, path), item: lookAt(join(folder, path)) }
}

/** Packs of one block each, in this order; the faults strike every range that is read of a pack. */
async function repositoryOf(packs: readonly (readonly Uint8Array[])[], faults: Record<number, Fault> = {}) {
  const store = new TestStore()
  const made = []
  for (const chunks of packs) made.push(await store.pack([rawBlockOf(chunks)]))
  await store.index(made)
  const names = made.map(({ id }) => packName(id))
  const { storage, calls } = store.watched(({ kind, name }) => (kind === 'get' ? faults[names.indexOf(name)] : undefined))
  return { repository: await store.open(storage), calls, names }
}

const optionsFor = (folder: string) => ({
  force: false,
  folders: new HeldFolders(folder),
  refused: new Refusals(folder),
  onLeft: () => expect.unreachable(),
  onProgress: () => undefined,
})

describe('restoring files', () => {
  test('fetches each block once, however many files and places its chunks go to', () =>
    withFolder(async folder => {
      const chunks = Array.from({ length: 6 }, (_, i) => chunk(i, 1000 + i))
      const { repository, calls } = await repositoryOf([chunks.slice(0, 3), chunks.slice(3)])
      const orders = [[0, 1, 2, 3, 4, 5], [5, 5, 0, 5], [2], [], [3, 2, 1, 0, 1, 2, 3]] // prettier-ignore
      const files = orders.map((order, i) => planned(folder, `file-${i}`, order.map(one => chunks[one]!))) // prettier-ignore
      const progress: number[] = []
      const onProgress = ({ doneBytes }: { doneBytes: number }): void => void progress.push(doneBytes)
      const result = await restoreFiles(repository, files, { ...optionsFor(folder), onProgress })
      orders.forEach((order, i) =>
        expect(readFileSync(join(folder, `file-${i}`)).equals(Buffer.concat(order.map(one => chunks[one]!)))).toBe(true),
      )
      const bytes = files.reduce((sum, { entry }) => sum + entry.size, 0)
      expect(result).toEqual({
        placed: 5,
        placedBytes: bytes,
        resumedBytes: 0,
        damaged: [],
        changedMeanwhile: [],
        withoutAttributes: 0,
        isSynced: true,
      })
      expect(calls.filter(call => call.startsWith('get pack')).length).toBe(2)
      expect(progress.at(-1)).toBe(bytes)
      expect(progress).toEqual([...progress].sort((a, b) => a - b))
    }))

  test.each([
    ['with a bit flipped', { fault: 'flip', bit: 12_345 }],
    ['cut short', { fault: 'truncate', keep: 100 }],
    ['missing', { fault: 'error', code: 'not-found' }],
    ['shorter than it should be', { fault: 'error', code: 'bad-range' }],
  ] as [string, Fault][])('a pack %s is no loss where another has the same chunks', (_, fault) =>
    withFolder(async folder => {
      const [a, b, c] = [chunk(1), chunk(2), chunk(3)]
      const { repository } = await repositoryOf([[a, b, c], [c, a], [b]], { 0: fault }) // prettier-ignore
      const result = await restoreFiles(repository, [planned(folder, 'x', [a, b, c, a]), planned(folder, 'y', [b])], optionsFor(folder))
      expect(result).toMatchObject({ placed: 2, damaged: [] })
      expect(readFileSync(join(folder, 'x')).equals(Buffer.concat([a, b, c, a]))).toBe(true)
      expect(readFileSync(join(folder, 'y')).equals(b)).toBe(true)
    }),
  )

  test.each([
    ['with a bit flipped', { fault: 'flip', bit: 400_000 + 77 }, /does not match its checksum/],
    ['cut short', { fault: 'truncate', keep: 70_000 }, /damaged/],
    ['missing', { fault: 'error', code: 'not-found' }, /missing/],
  ] as [string, Fault, RegExp][])(
    'of a pack %s that stands alone, the files concerned are named and the others restored',
    (_, fault, why) =>
      withFolder(async folder => {
        const [a, b, c] = [chunk(1), chunk(2), chunk(3)]
        writeFileSync(join(folder, 'broken'), 'what was here before')
        const { repository } = await repositoryOf([[c, b], [a]], { 0: fault }) // prettier-ignore
        const files = [planned(folder, 'broken', [a, b, a]), planned(folder, 'fine', [a]), planned(folder, 'also broken', [b])]
        const result = await restoreFiles(repository, files, optionsFor(folder))
        expect(result.placed).toBe(1)
        expect(result.damaged.map(({ path }) => path).sort()).toEqual(['also broken', 'broken'])
        for (const damaged of result.damaged) expect(damaged.why).toMatch(why)
        expect(readdirSync(folder).sort()).toEqual(['broken', 'fine'])
        expect(readFileSync(join(folder, 'broken'), 'utf8')).toBe('what was here before')
      }),
  )

  test('one flipped bit costs only the files of its chunk', () =>
    withFolder(async folder => {
      const chunks = [chunk(1), chunk(2), chunk(3)]
      const { repository } = await repositoryOf([chunks], { 0: { fault: 'flip', bit: (50_000 + 5) * 8 } })
      const files = chunks.map((content, i) => planned(folder, `file-${i}`, [content]))
      const result = await restoreFiles(repository, files, optionsFor(folder))
      expect([result.placed, result.damaged.map(({ path }) => path)]).toEqual([2, ['file-1']])
    }))

  test('goes on where an interrupted run had come, and reads only what is missing', () =>
    withFolder(async folder => {
      const chunks = Array.from({ length: 30 }, (_, i) => chunk(i))
      const file = planned(folder, 'large', chunks)
      const begun = Buffer.concat(chunks.map((content, i) => (i < 15 ? content : Buffer.alloc(content.length))))
      writeFileSync(join(folder, partName(file.entry.path, file.entry.chunks)), begun, { mode: 0o600 })
      const { repository, calls } = await repositoryOf([chunks.slice(0, 15), chunks.slice(15)])
      const result = await restoreFiles(repository, [file], optionsFor(folder))
      expect(result).toMatchObject({ placed: 1, resumedBytes: 15 * 50_000 })
      expect(readFileSync(join(folder, 'large')).equals(Buffer.concat(chunks))).toBe(true)
      expect(calls.filter(call => call.startsWith('get pack')).length).toBe(1)
      expect(readdirSync(folder)).toEqual(['large'])
    }))

  test('a run that fails leaves what it had begun for the next one, and nothing under the final name', () =>
    withFolder(async folder => {
      const chunks = Array.from({ length: 30 }, (_, i) => chunk(i))
      const file = planned(folder, 'large', chunks)
      const { repository } = await repositoryOf([chunks.slice(0, 15), chunks.slice(15)], { 1: { fault: 'error', code: 'unavailable' } })
      await rejection(restoreFiles(repository, [file], optionsFor(folder)), 'unavailable')
      expect(readdirSync(folder)).toEqual([partName(file.entry.path, file.entry.chunks)])
      expect(statSync(join(folder, partName(file.entry.path, file.entry.chunks))).size).toBe(file.entry.size)
      const healthy = await repositoryOf([chunks.slice(0, 15), chunks.slice(15)])
      expect(await restoreFiles(healthy.repository, [file], optionsFor(folder))).toMatchObject({ placed: 1, resumedBytes: 15 * 50_000 })
    }))

  test('stops when it is interrupted', () =>
    withFolder(async folder => {
      const { repository } = await repositoryOf([[chunk(1)]])
      await rejection(
        restoreFiles({ ...repository, signal: AbortSignal.abort() }, [planned(folder, 'x', [chunk(1)])], optionsFor(folder)),
        'interrupted',
      )
      expect(readdirSync(folder)).toEqual([])
    }))
})
