import { execFileSync } from 'node:child_process'
import fsPromises from 'node:fs/promises'
import { lstat, mkdir, open, readdir, readFile, rename, stat, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { constants } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { folderError } from '../../src/storage/folder-errors.ts'
import { isTemporaryName, temporaryName } from '../../src/storage/folder-files.ts'
import { FolderStorage, STALE_TEMPORARY_MS } from '../../src/storage/folder.ts'
import { isObjectName } from '../../src/storage/storage.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { same } from '../contract/storage-contract.ts'
import { codeOf } from '../helpers/failures.ts'
import { intercepted } from '../helpers/file-system/intercepted.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededBytes } from '../helpers/seeded.ts'

const MIB = 1024 * 1024

function inFolder(check: (storage: FolderStorage, path: string) => Promise<void>): () => Promise<void> {
  return () => withFolder(path => check(new FolderStorage(path), path))
}

/** Where the methods of every open file can be watched. */
async function fileHandlePrototype(path: string): Promise<FileHandle> {
  const handle = await open(path, 'r')
  await handle.close()
  return Object.getPrototypeOf(handle) as FileHandle
}

const pause = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
const temporariesIn = async (path: string) => (await readdir(path)).filter(name => name.startsWith('.tmp-'))
const namesIn = async (storage: FolderStorage) => (await storage.list()).objects.map(({ name }) => name).sort()

describe('FolderStorage: objects are plain files', () => {
  test(
    'one file each, no temporary file stays',
    inFolder(async (storage, path) => {
      await storage.put('a', seededBytes(100, 1))
      await storage.list()
      await storage.put('a', seededBytes(100, 1))
      await codeOf(storage.put('a', seededBytes(101, 1)))
      expect(await readdir(path)).toEqual(['a'])
      expect(same(await readFile(join(path, 'a')), seededBytes(100, 1))).toBe(true)
      expect((await stat(join(path, 'a'))).nlink).toBe(1)
    }),
  )

  test(
    'regular files are listed, temporary ones are not',
    inFolder(async (storage, path) => {
      await storage.put('object', seededBytes(5, 1))
      await writeFile(join(path, temporaryName()), 'half')
      await writeFile(join(path, 'my letter.txt'), 'foreign')
      if (process.platform !== 'win32') await writeFile(join(path, 'a\\b'), 'foreign')
      await writeFile(join(path, '.DS_Store'), 'foreign')
      await mkdir(join(path, 'folder'))
      await writeFile(join(path, 'folder', 'lost'), '')
      await mkdir(join(path, 'repository'))
      await writeFile(join(path, 'repository', 'config.json'), '')
      await symlink(join(path, 'object'), join(path, 'link'))
      await symlink('nowhere', join(path, 'broken'))
      expect((await storage.list()).misplaced?.sort()).toEqual(['broken', 'folder', 'folder/lost', 'link', 'repository'])
      expect(await namesIn(storage)).toEqual(
        process.platform === 'win32' ? ['.DS_Store', 'my letter.txt', 'object'] : ['.DS_Store', 'a\\b', 'my letter.txt', 'object'],
      )
    }),
  )

  test(
    'a folder, a link or a pipe under the name of an object is not followed, waited for or replaced',
    inFolder(async (storage, path) => {
      await mkdir(join(path, 'folder'))
      await writeFile(join(path, 'target'), seededBytes(5, 1))
      await symlink('target', join(path, 'link'))
      execFileSync('mkfifo', [join(path, 'pipe')])
      for (const name of ['folder', 'link', 'pipe']) {
        expect(await codeOf(storage.get(name)), name).toBe('not-found')
        expect(await codeOf(storage.put(name, seededBytes(5, 1))), name).toBe('conflict')
      }
    }),
  )

  test(
    'a damaged object is a conflict and stays for inspection',
    inFolder(async (storage, path) => {
      await writeFile(join(path, 'short'), seededBytes(50, 1))
      await writeFile(join(path, 'changed'), seededBytes(100, 2))
      expect(await codeOf(storage.put('short', seededBytes(100, 1)))).toBe('conflict')
      expect(await codeOf(storage.put('changed', seededBytes(100, 1)))).toBe('conflict')
      expect((await readFile(join(path, 'short'))).length).toBe(50)
      expect(same(await readFile(join(path, 'changed')), seededBytes(100, 2))).toBe(true)
      expect(await temporariesIn(path)).toEqual([])
    }),
  )

  test(
    'a name that appears while its bytes are written is not overwritten',
    inFolder(async (storage, path) => {
      const putting = codeOf(storage.put('a', seededBytes(32 * MIB, 1)))
      while ((await temporariesIn(path)).length === 0) await pause(0)
      await writeFile(join(path, 'a'), 'someone else')
      expect(await putting).toBe('conflict')
      expect(await readFile(join(path, 'a'), 'utf8')).toBe('someone else')
      expect(await temporariesIn(path)).toEqual([])
    }),
  )

  test(
    'lists thousands of objects, each once',
    inFolder(async (storage, path) => {
      for (let i = 0; i < 3000; i++) await writeFile(join(path, `object-${i}`), String(i))
      const { objects } = await storage.list()
      expect(new Set(objects.map(({ name }) => name)).size).toBe(3000)
      expect(objects.length).toBe(3000)
      expect(objects.every(({ name, size }) => size === name.length - 'object-'.length)).toBe(true)
    }),
  )

  test(
    'a listing bears with objects that vanish under it',
    inFolder(async (storage, path) => {
      for (let i = 0; i < 500; i++) await writeFile(join(path, `object-${i}`), 'x')
      const removing = (async () => {
        for (let i = 0; i < 500; i += 2) await unlink(join(path, `object-${i}`))
      })()
      const seen = []
      for (let i = 0; i < 10; i++) seen.push((await storage.list()).objects.length)
      await removing
      expect(seen.every(count => count >= 250 && count <= 500)).toBe(true)
      expect((await storage.list()).objects).toHaveLength(250)
    }),
  )
})

describe('FolderStorage: durable, whole or absent', () => {
  test(
    'a put resolves after the bytes, then the name are on the disk; a remove after the name is gone from it',
    inFolder(async (storage, path) => {
      await storage.put('first', seededBytes(1, 1))
      const steps: string[] = []
      const prototype = await fileHandlePrototype(path)
      const realSync = Reflect.get(prototype, 'sync')
      const sync = vi.spyOn(prototype, 'sync').mockImplementation(async function (this: FileHandle) {
        steps.push((await this.stat()).isDirectory() ? 'sync folder' : 'sync file')
        return realSync.call(this)
      })
      const realRename = rename
      const renaming = vi.spyOn(fsPromises, 'rename').mockImplementation(async (from, to) => {
        steps.push('rename')
        return realRename(from, to)
      })
      // named imports of a built-in module follow a change of it only when told to
      syncBuiltinESMExports()
      try {
        await storage.put('a', seededBytes(100, 1))
        expect(steps.splice(0)).toEqual(['sync file', 'rename', 'sync folder'])
        await storage.put('a', seededBytes(100, 1))
        expect(steps.splice(0)).toEqual(['sync folder'])
        await storage.remove('a')
        expect(steps.splice(0)).toEqual(['sync folder'])
        await new FolderStorage(join(path, 'x', 'y')).put('a', seededBytes(1, 1))
        expect(steps.splice(0)).toEqual(['sync folder', 'sync folder', 'sync file', 'rename', 'sync folder'])
      } finally {
        sync.mockRestore()
        renaming.mockRestore()
        syncBuiltinESMExports()
      }
    }),
  )

  test(
    'a reader of the folder never sees a part of an object',
    inFolder(async (storage, path) => {
      let writing = true
      const writes = (async () => {
        for (let round = 0; round < 12; round++) {
          const objects = Array.from({ length: 5 }, (_, i) => seededBytes(20_000 + 150_000 * i, round * 10 + i))
          await Promise.all(objects.map(bytes => storage.put(`pack-${sha256Hex(bytes)}`, bytes)))
        }
        writing = false
      })()
      let checked = 0
      const damaged: string[] = []
      const seen = new Set<string>()
      while (writing) {
        for (const name of (await readdir(path)).filter(isObjectName)) {
          if (seen.has(name)) continue
          seen.add(name)
          checked++
          if (`pack-${sha256Hex(await readFile(join(path, name)))}` !== name) damaged.push(name)
        }
      }
      await writes
      expect(damaged).toEqual([])
      expect(checked).toBeGreaterThan(20)
    }),
  )

  test(
    'an abort between the pieces of a large put ends it there and leaves nothing behind',
    inFolder(async (storage, path) => {
      const abort = new AbortController()
      const prototype = await fileHandlePrototype(path)
      const realWrite = Reflect.get(prototype, 'write')
      const write = vi.spyOn(prototype, 'write').mockImplementation(async function (this: FileHandle, ...args: unknown[]) {
        const written = (await Reflect.apply(realWrite, this, args)) as { bytesWritten: number; buffer: string }
        if (write.mock.calls.length === 2) abort.abort()
        return written
      })
      try {
        expect(await codeOf(storage.put('a', new Uint8Array(60 * MIB), { signal: abort.signal }))).toBe('interrupted')
        expect(write).toHaveBeenCalledTimes(2)
        expect(await readdir(path)).toEqual([])
      } finally {
        write.mockRestore()
      }
    }),
  )

  test(
    'a put whose temporary file was cleaned away may be tried again',
    inFolder(async (storage, path) => {
      const putting = codeOf(storage.put('a', seededBytes(32 * MIB, 1)))
      let temporaries: string[] = []
      while (temporaries.length === 0) temporaries = await temporariesIn(path)
      await unlink(join(path, temporaries[0]!))
      expect(await putting).toBe('unavailable')
      await storage.put('a', seededBytes(10, 1))
      expect(await namesIn(storage)).toEqual(['a'])
    }),
  )
})

describe('FolderStorage: time', () => {
  test(
    'creation is when the name appeared, whatever the file says of its modification',
    inFolder(async (storage, path) => {
      const { asOf } = await storage.list()
      const { created } = await storage.put('a', seededBytes(10, 1))
      await pause(30)
      const before = Date.now()
      await utimes(join(path, 'a'), 1, 1)
      const [object] = (await storage.list()).objects
      expect((await lstat(join(path, 'a'))).mtimeMs).toBe(1000)
      expect(created).toBeGreaterThanOrEqual(asOf)
      // touching a file moves its ctime forward, never into the past that was asked for
      expect(object!.created).toBeGreaterThanOrEqual(created)
      expect(object!.created).toBeGreaterThanOrEqual(before - 20)
    }),
  )

  test(
    'an absent folder, which has no clock yet, stays absent when listed and never seems newer than its first object',
    inFolder(async (_, path) => {
      const storage = new FolderStorage(join(path, 'absent'))
      const before = Date.now()
      const { asOf } = await storage.list()
      expect(await readdir(path)).toEqual([])
      expect(asOf).toBeGreaterThanOrEqual(before - 10)
      expect((await storage.put('a', seededBytes(1, 1))).created).toBeGreaterThanOrEqual(asOf)
      expect((await new FolderStorage(join(path, 'none'), { now: () => 5000.7 }).list()).asOf).toBe(4990)
    }),
  )
})

describe('FolderStorage: what else lies there', () => {
  test(
    'strangers are named, up to a limit, temporary files are not',
    inFolder(async (storage, path) => {
      expect(await new FolderStorage(join(path, 'absent')).strangers(isObjectName, 5)).toEqual([])
      await storage.put('pack-1', seededBytes(1, 1))
      await writeFile(join(path, temporaryName()), '')
      await writeFile(join(path, temporaryName('clock-')), '')
      const ours = (name: string) => name.startsWith('pack-')
      expect(await storage.strangers(ours, 5)).toEqual([])
      await writeFile(join(path, 'letter.txt'), '')
      await writeFile(join(path, '.tmp-of-another-program'), '')
      await mkdir(join(path, 'photos'))
      expect((await storage.strangers(ours, 5)).sort()).toEqual(['.tmp-of-another-program', 'letter.txt', 'photos'])
      expect(await storage.strangers(ours, 2)).toHaveLength(2)
    }),
  )

  test(
    'only our own old temporary files are removed',
    inFolder(async (storage, path) => {
      expect(await new FolderStorage(join(path, 'absent')).removeStaleTemporaries()).toBe(0)
      const foreign = ['.tmp-', '.tmp-1-abc', '.tmp-x-0123456789abcdef', '.tmp-1-0123456789ABCDEF', 'x.tmp-1-0123456789abcdef', 'a']
      const old = ['.tmp-1-0123456789abcdef', '.tmp-clock-99-fedcba9876543210']
      for (const name of [...foreign, ...old]) await writeFile(join(path, name), '')
      await mkdir(join(path, '.tmp-2-0123456789abcdef'))
      await pause(120)
      const young = temporaryName()
      await writeFile(join(path, young), '')
      expect(await storage.removeStaleTemporaries()).toBe(0)
      expect(await storage.removeStaleTemporaries(STALE_TEMPORARY_MS)).toBe(0)
      // a modification time in the past does not make a file old
      await utimes(join(path, young), 1, 1)
      expect(await storage.removeStaleTemporaries(90)).toBe(2)
      expect((await readdir(path)).sort()).toEqual([...foreign, '.tmp-2-0123456789abcdef', young].sort())
    }),
  )

  test('temporary names are recognised and are never names of objects', () => {
    for (const name of [temporaryName(), temporaryName('clock-')]) {
      expect(isTemporaryName(name)).toBe(true)
      expect(isObjectName(name)).toBe(false)
    }
    expect(temporaryName()).not.toBe(temporaryName())
  })
})

describe('FolderStorage: a folder that can not be synced', () => {
  test('takes objects, and says that they are not synced', () =>
    withFolder(async path => {
      const fileSystem = intercepted({
        before: call => {
          if (call.name === 'fsync' && call.path === path) throw Object.assign(new Error('EINVAL'), { code: 'EINVAL' })
        },
      })
      const storage = new FolderStorage(path, { fileSystem })
      expect(storage.isSynced).toBe(true)
      await storage.put('a', seededBytes(100, 1))
      expect([storage.isSynced, await namesIn(storage)]).toEqual([false, ['a']])
    }))
})

describe('FolderStorage: errors', () => {
  test(
    'a file where the folder should be',
    inFolder(async (_, path) => {
      await writeFile(join(path, 'file'), 'x')
      for (const storage of [new FolderStorage(join(path, 'file')), new FolderStorage(join(path, 'file', 'below'))]) {
        const calls: (() => Promise<unknown>)[] = [
          () => storage.put('a', seededBytes(1, 1)),
          () => storage.get('a'),
          () => storage.list(),
          () => storage.remove('a'),
          () => storage.strangers(isObjectName, 1),
        ]
        for (const call of calls) {
          await expect(call()).rejects.toMatchObject({ code: 'io', message: expect.stringContaining('is not a folder') as string })
        }
      }
      expect(await readFile(join(path, 'file'), 'utf8')).toBe('x')
    }),
  )

  test.each([
    ['ENOSPC', 'quota'],
    ['EACCES', 'denied'],
    ['EPERM', 'denied'],
    ['EROFS', 'denied'],
    ['ENOTDIR', 'io'],
    ['EISDIR', 'io'],
    ['EIO', 'io'],
    ['EMFILE', 'io'],
  ])('%s means %s, with a hint and the cause', (code, expected) => {
    const cause = Object.assign(new Error('system says'), { code })
    const error = folderError(cause, '/media/usb', 'store a')
    expect(error.code).toBe(expected)
    expect(error.message).toMatch(/^Can't store a: .*\/media\/usb/)
    expect(error.hint).toBeTruthy()
    expect(error.cause).toBe(cause)
  })

  test("a user's quota, which Node knows only by number, is one too", () => {
    const cause = Object.assign(new Error('Unknown system error -122'), {
      errno: -constants.errno.EDQUOT,
      code: 'Unknown system error -122',
    })
    expect(folderError(cause, '/home', 'store a').code).toBe('quota')
  })

  test(
    'quota: of the file system, also before the folder exists',
    inFolder(async (storage, path) => {
      const here = await storage.quota()
      const absent = await new FolderStorage(join(path, 'a', 'b')).quota()
      expect(absent.limit).toBeGreaterThan(0)
      expect(here.used).toBeGreaterThan(0)
      expect(Math.abs(absent.limit! - here.limit!)).toBeLessThan(here.limit! / 10)
    }),
  )
})
