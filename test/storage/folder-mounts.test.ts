import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryName } from '../../src/storage/folder-files.ts'
import { FolderStorage } from '../../src/storage/folder.ts'
import { same } from '../contract/storage-contract.ts'
import { codeOf } from '../helpers/failures.ts'
import { withTmpfs } from '../helpers/mounts.ts'
import { seededBytes } from '../helpers/seeded.ts'

const MIB = 1024 * 1024

describe('FolderStorage on a full disk', () => {
  test('a put without room fails as quota, says where, and leaves nothing behind', () =>
    withTmpfs(MIB, async ({ path }) => {
      const storage = new FolderStorage(path)
      await storage.put('small', seededBytes(300_000, 1))
      await expect(storage.put('large', seededBytes(900_000, 1))).rejects.toMatchObject({
        code: 'quota',
        message: expect.stringContaining(`no space is left on ${path}`) as string,
        hint: expect.stringContaining('Free some space') as string,
      })
      expect(await readdir(path)).toEqual(['small'])
      await storage.put('fits', seededBytes(500_000, 1))
      expect(same(await storage.get('fits'), seededBytes(500_000, 1))).toBe(true)
    }))

  test('what is there can be listed, read, put again and removed', () =>
    withTmpfs(MIB, async ({ path }) => {
      const storage = new FolderStorage(path)
      const { created } = await storage.put('a', seededBytes(600_000, 1))
      await writeFile(join(path, 'filler'), Buffer.alloc(MIB)).catch(() => undefined)
      expect(await codeOf(storage.put('b', seededBytes(100_000, 1)))).toBe('quota')
      const { objects, asOf } = await storage.list()
      expect(objects.find(({ name }) => name === 'a')).toEqual({ name: 'a', size: 600_000, created })
      expect(asOf).toBeGreaterThanOrEqual(created)
      expect(await storage.put('a', seededBytes(600_000, 1))).toEqual({ created })
      await storage.remove('a')
      await storage.put('b', seededBytes(100_000, 1))
    }))

  test('quota tells the size of the file system and what is used of it', () =>
    withTmpfs(4 * MIB, async ({ path }) => {
      const storage = new FolderStorage(path)
      const empty = await storage.quota()
      expect(empty.limit).toBe(4 * MIB)
      await storage.put('a', seededBytes(MIB, 1))
      expect(await storage.quota()).toEqual({ used: empty.used! + MIB, limit: 4 * MIB })
    }))
})

describe('FolderStorage on a read-only disk', () => {
  test('can be listed and read, not changed', () =>
    withTmpfs(MIB, async tmpfs => {
      const storage = new FolderStorage(tmpfs.path, { now: () => 9_000_000_000_000 })
      const { created } = await storage.put('a', seededBytes(1000, 1))
      await writeFile(join(tmpfs.path, temporaryName()), '')
      await tmpfs.remountReadOnly()
      expect(await storage.list()).toEqual({ asOf: 9_000_000_000_000 - 10, misplaced: [], objects: [{ name: 'a', size: 1000, created }] })
      expect(same(await storage.get('a'), seededBytes(1000, 1))).toBe(true)
      expect(await storage.put('a', seededBytes(1000, 1))).toEqual({ created })
      await expect(storage.put('b', seededBytes(1, 1))).rejects.toMatchObject({
        code: 'denied',
        message: expect.stringContaining(`${tmpfs.path} is read-only`) as string,
      })
      expect(await codeOf(storage.remove('a'))).toBe('denied')
      expect(await codeOf(storage.removeStaleTemporaries(-1))).toBe('denied')
      expect(await codeOf(new FolderStorage(join(tmpfs.path, 'new')).put('a', seededBytes(1, 1)))).toBe('denied')
      expect(same(await readFile(join(tmpfs.path, 'a')), seededBytes(1000, 1))).toBe(true)
    }))
})
