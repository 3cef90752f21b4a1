import {
  chmodSync,
  closeSync,
  fstatSync,
  futimesSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HeldFolders } from '../../../src/local/held-folders.ts'
import { lookAt, type LocalItem } from '../../../src/local/look-at.ts'
import { partName } from '../../../src/local/part-names.ts'
import { utimesSeconds, sameTime, wholeMicroseconds } from '../../../src/local/times.ts'
import type { FileEntry } from '../../../src/repository/format/manifest.ts'
import { FileWriter, isStill } from '../../../src/repository/pull/file-writer.ts'
import type { PlannedFile } from '../../../src/repository/pull/pull-plan.ts'
import { writeError } from '../../../src/repository/pull/refusals.ts'
import { PLAIN_CHUNKS } from '../../../src/util/chunk-keys.ts'
import { sha256 } from '../../../src/util/hash.ts'
import { intercepted } from '../../helpers/file-system/intercepted.ts'
import { withFolder } from '../../helpers/folders.ts'
import { seededNoise } from '../../helpers/seeded.ts'

const CHUNK = 100_000

function planned(folder: string, path: string, chunks: readonly Uint8Array[], more: Partial<FileEntry> = {}): PlannedFile {
  const size = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  const entry: FileEntry = {
    path,
    type: 'file',
    mode: 0o644,
    mtime: 1_700_000_000_123_456_000n,
    size,
    chunks: Buffer.concat(chunks.map(sha256)),
    ...more,
  }
  return { entry, localPath: join(folder, path), item: lookAt(join(folder, path)) }
}

const chunksOf = (count: number, seed = 0): Buffer[] => Array.from({ length: count }, (_, i) => seededNoise(seed + i, CHUNK))

describe('the time of a file', () => {
  test('is to the microsecond what was meant, before 1970 too', () =>
    withFolder(async folder => {
      const fd = openSync(join(folder, 'file'), 'w')
      const near = [0n, 1n, -1n, 999_999n, 1_000_000n, -999_999n, -1_000_000n, -1_000_001n].map(us => us * 1000n)
      fc.assert(
        // times that ext4 without 64-bit times can hold: a double of seconds is exact enough for them
        fc.property(
          fc.oneof(fc.bigInt({ min: -(2n ** 31n) * 1_000_000_000n, max: 2n ** 31n * 1_000_000_000n - 1n }), fc.constantFrom(...near)),
          ns => {
            futimesSync(fd, 0, utimesSeconds(ns))
            expect(wholeMicroseconds(fstatSync(fd, { bigint: true }).mtimeNs)).toBe(wholeMicroseconds(ns))
          },
        ),
        { seed: 1, numRuns: 3000 },
      )
      closeSync(fd)
    }))

  test('far beyond what the file system holds is no error', () =>
    withFolder(async folder => {
      const fd = openSync(join(folder, 'file'), 'w')
      for (const ns of [10n ** 27n - 1n, -(10n ** 27n) + 1n]) futimesSync(fd, 0, utimesSeconds(ns))
      closeSync(fd)
    }))
})

describe('writing files', () => {
  test('chunk by chunk in any order, under another name until they are whole', () =>
    withFolder(async folder => {
      const chunks = chunksOf(5)
      const file = planned(folder, 'file', chunks, { mode: 0o751 })
      const writer = new FileWriter([file], false, new HeldFolders(folder))
      for (const i of [3, 0, 4, 2, 1]) {
        writer.write(0, i * CHUNK, chunks[i]!)
        expect(readdirSync(folder)).toEqual([partName(file.entry.path, file.entry.chunks)])
        expect(statSync(join(folder, partName(file.entry.path, file.entry.chunks))).mode & 0o777).toBe(0o600)
      }
      expect(await writer.place(0)).toBe('placed')
      expect(readdirSync(folder)).toEqual(['file'])
      expect(readFileSync(join(folder, 'file')).equals(Buffer.concat(chunks))).toBe(true)
      const item = lookAt(join(folder, 'file'))
      expect(item).toMatchObject({ type: 'file', mode: 0o751 })
      expect('fingerprint' in item && sameTime(file.entry.mtime, item.fingerprint)).toBe(true)
      writer.close()
    }))

  test('of no bytes at all', () =>
    withFolder(async folder => {
      const writer = new FileWriter([planned(folder, 'empty', [], { mode: 0 })], false, new HeldFolders(folder))
      expect(await writer.place(0)).toBe('placed')
      expect(lookAt(join(folder, 'empty'))).toMatchObject({ mode: 0, fingerprint: { size: 0 } })
    }))

  test('hundreds at once, with no more than 128 open', () =>
    withFolder(async folder => {
      const files = Array.from({ length: 300 }, (_, i) => planned(folder, `file-${i}`, [Buffer.of(i & 0xff), Buffer.of(1)]))
      const openBefore = readdirSync('/proc/self/fd').length
      const folders = new HeldFolders(folder)
      const writer = new FileWriter(files, false, folders)
      for (const offset of [1, 0]) for (let i = 0; i < files.length; i++) writer.write(i, offset, Buffer.of(offset === 1 ? 1 : i & 0xff))
      expect(readdirSync('/proc/self/fd').length - openBefore).toBeLessThanOrEqual(128)
      await Promise.all(files.map((_, i) => writer.place(i)))
      for (let i = 0; i < files.length; i++) expect([...readFileSync(join(folder, `file-${i}`))]).toEqual([i & 0xff, 1])
      writer.close()
      folders.close()
      expect(readdirSync('/proc/self/fd').length).toBe(openBefore)
    }))

  test('leaves holes where there are zeros', () =>
    withFolder(async folder => {
      const zeros = Buffer.alloc(4_000_000)
      const file = planned(folder, 'sparse', [zeros, Buffer.from('end'), zeros])
      const writer = new FileWriter([file], false, new HeldFolders(folder))
      writer.write(0, 0, zeros)
      writer.write(0, 4_000_000, Buffer.from('end'))
      writer.write(0, 4_000_003, zeros)
      await writer.place(0)
      const { size, blocks } = statSync(join(folder, 'sparse'))
      expect(size).toBe(8_000_003)
      expect(blocks * 512).toBeLessThan(100_000)
      const content = readFileSync(join(folder, 'sparse'))
      expect([content.indexOf('end'), content.findIndex(byte => byte !== 0)]).toEqual([4_000_000, 4_000_000])
    }))

  test('leaves alone what has changed since the plan, unless it is forced', () =>
    withFolder(async folder => {
      for (const force of [false, true]) {
        writeFileSync(join(folder, 'file'), 'old')
        const file = planned(folder, 'file', [Buffer.from('new')])
        const writer = new FileWriter([file], force, new HeldFolders(folder))
        writer.write(0, 0, Buffer.from('new'))
        writeFileSync(join(folder, 'file'), 'somebody wrote this meanwhile')
        expect(await writer.place(0)).toBe(force ? 'placed' : 'changed-meanwhile')
        expect(readFileSync(join(folder, 'file'), 'utf8')).toBe(force ? 'new' : 'somebody wrote this meanwhile')
        expect(readdirSync(folder)).toEqual(['file'])
      }
    }))

  test('replaces what lies under the temporary name, and writes through no symlink there', () =>
    withFolder(async folder => {
      const file = planned(folder, 'file', [Buffer.from('new')])
      writeFileSync(join(folder, 'precious'), 'precious')
      symlinkSync('precious', join(folder, partName(file.entry.path, file.entry.chunks)))
      const writer = new FileWriter([file], false, new HeldFolders(folder))
      expect(await writer.resume(0, () => 3, PLAIN_CHUNKS)).toBeUndefined()
      writer.write(0, 0, Buffer.from('new'))
      await writer.place(0)
      expect([readFileSync(join(folder, 'precious'), 'utf8'), readFileSync(join(folder, 'file'), 'utf8')]).toEqual(['precious', 'new'])
      expect(lstatSync(join(folder, 'file')).isSymbolicLink()).toBe(false)
    }))

  test('gives up without a trace', () =>
    withFolder(async folder => {
      const writer = new FileWriter([planned(folder, 'a', chunksOf(2)), planned(folder, 'b', chunksOf(2))], false, new HeldFolders(folder))
      writer.write(0, 0, chunksOf(1)[0]!)
      writer.abandon(0)
      writer.abandon(1)
      expect(readdirSync(folder)).toEqual([])
      writer.close()
    }))

  test('tells where it can not write, and what to do', () =>
    withFolder(async folder => {
      const writer = new FileWriter([planned(folder, 'none/file', [Buffer.from('x')])], false, new HeldFolders(folder))
      expect(() => writer.write(0, 0, Buffer.from('x'))).toThrow(
        expect.objectContaining({ code: 'io', message: expect.stringContaining('none/file') as string }) as Error,
      )
      const full = writeError(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }), '/out/file')
      expect([full.code, full.message, full.hint]).toEqual([
        'quota',
        'No space is left for /out/file.',
        expect.stringContaining('keeps the files that are whole'),
      ])
    }))
})

describe('going on after an interruption', () => {
  const chunks = [...chunksOf(3), Buffer.alloc(CHUNK), ...chunksOf(1, 9)]

  test('keeps the chunks that are right, and writes the others, zeros too', () =>
    withFolder(async folder => {
      const file = planned(folder, 'file', chunks)
      const first = new FileWriter([file], false, new HeldFolders(folder))
      first.write(0, 0, chunks[0]!)
      first.write(0, 2 * CHUNK, seededNoise(99, CHUNK))
      first.write(0, 3 * CHUNK, seededNoise(98, CHUNK))
      first.close()
      const second = new FileWriter([file], false, new HeldFolders(folder))
      expect(await second.resume(0, () => CHUNK, PLAIN_CHUNKS)).toEqual([true, false, false, false, false])
      for (const i of [1, 2, 3, 4]) second.write(0, i * CHUNK, chunks[i]!)
      expect(await second.place(0)).toBe('placed')
      expect(readFileSync(join(folder, 'file')).equals(Buffer.concat(chunks))).toBe(true)
    }))

  test.each([
    ['nothing', () => undefined],
    ['one of another size', (path: string) => writeFileSync(path, 'short', { mode: 0o600 })],
    ['a folder', (path: string) => mkdirSync(path)],
    ['one that got its mode already', (path: string) => (writeFileSync(path, Buffer.concat(chunks)), chmodSync(path, 0))],
  ])('begins anew when it finds %s', (_, plant) =>
    withFolder(async folder => {
      const file = planned(folder, 'file', chunks)
      plant(join(folder, partName(file.entry.path, file.entry.chunks)))
      const writer = new FileWriter([file], false, new HeldFolders(folder))
      expect(await writer.resume(0, () => CHUNK, PLAIN_CHUNKS)).toBeUndefined()
    }),
  )
})

test('isStill tells whether what the plan saw is there', () =>
  withFolder(async folder => {
    const path = join(folder, 'x')
    const make: Record<LocalItem['type'], () => void> = {
      absent: () => undefined,
      file: () => writeFileSync(path, 'x'),
      directory: () => mkdirSync(path),
      symlink: () => symlinkSync('x', path),
      other: () => undefined,
    }
    const still = (seen: LocalItem['type'], now: LocalItem['type']): boolean => {
      make[seen]()
      const item = lookAt(path)
      if (seen !== now) {
        rmSync(path, { recursive: true, force: true })
        make[now]()
      }
      const result = isStill(path, item, new HeldFolders(folder))
      rmSync(path, { recursive: true, force: true })
      return result
    }
    expect([still('file', 'file'), still('symlink', 'symlink'), still('absent', 'absent')]).toEqual([true, true, true])
    // a file that is gone can't be lost
    expect([still('file', 'absent'), still('symlink', 'absent'), still('directory', 'absent')]).toEqual([true, true, true])
    expect([still('absent', 'file'), still('file', 'symlink'), still('symlink', 'file'), still('directory', 'file')]).toEqual([
      false,
      false,
      false,
      false,
    ])
    expect([still('directory', 'directory'), still('file', 'directory')]).toEqual([false, false])
  }))

describe('syncing', () => {
  const content = chunksOf(1)
  const answering = (code: string) =>
    intercepted({
      before: ({ name }) => {
        if (name === 'fsync') throw Object.assign(new Error(code), { code })
      },
    })

  test('a medium that can not sync files is told, and gets them all the same', () =>
    withFolder(async folder => {
      const writer = new FileWriter([planned(folder, 'file', content)], false, new HeldFolders(folder, answering('EINVAL')))
      writer.write(0, 0, content[0]!)
      expect([await writer.place(0), writer.isSynced]).toEqual(['placed', false])
    }))

  test('a file whose sync fails is not trusted by a later pull', () =>
    withFolder(async folder => {
      const file = planned(folder, 'file', content)
      const writer = new FileWriter([file], false, new HeldFolders(folder, answering('EIO')))
      writer.write(0, 0, content[0]!)
      await expect(writer.place(0)).rejects.toMatchObject({ code: 'io', hint: expect.stringContaining('Check the disk') as string })
      writer.close()
      expect(await new FileWriter([file], false, new HeldFolders(folder)).resume(0, () => CHUNK, PLAIN_CHUNKS)).toBeUndefined()
      expect(readdirSync(folder)).toEqual([])
    }))

  test('files are closed early where the system allows only a few', () =>
    withFolder(async folder => {
      const most = 5
      let open = 0
      const fileSystem = intercepted({
        before: ({ name }) => {
          if (name === 'open' && open >= most) throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' })
        },
        after: ({ name }) => void (open += name === 'open' ? 1 : name === 'close' ? -1 : 0),
      })
      const files = Array.from({ length: 20 }, (_, i) => planned(folder, `file-${i}`, [Buffer.of(i), Buffer.of(1)]))
      const writer = new FileWriter(files, false, new HeldFolders(folder, fileSystem))
      for (const offset of [1, 0]) for (let i = 0; i < files.length; i++) writer.write(i, offset, Buffer.of(offset === 1 ? 1 : i))
      for (let i = 0; i < files.length; i++) expect(await writer.place(i)).toBe('placed')
      for (let i = 0; i < files.length; i++) expect([...readFileSync(join(folder, `file-${i}`))]).toEqual([i, 1])
    }))
})
