import type * as fs from 'node:fs'
import { closeSync, openSync, writeFileSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { readAt, readAtSync, readInto, readIntoSync } from '../../src/local/read-at.ts'
import { withFolder } from '../helpers/folders.ts'

const MOST = 7
const CONTENT = Buffer.from('a file on a mount that returns seven bytes at a time')

const calls = vi.hoisted(() => ({ count: 0 }))

// the only reads that come out short by themselves are those of FUSE and network mounts
vi.mock('node:fs', async original => {
  const real = await original<typeof fs>()
  const readSync = (fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number => {
    calls.count++
    return real.readSync(fd, buffer, offset, Math.min(MOST, length), position)
  }
  return { ...real, readSync }
})

/** Reads of `file`, at most seven bytes each. */
function shortReads(file: FileHandle): Pick<FileHandle, 'read'> {
  const read = (buffer: Uint8Array, offset: number, length: number, position: number): ReturnType<FileHandle['read']> => {
    calls.count++
    return file.read(buffer, offset, Math.min(MOST, length), position)
  }
  return { read } as Pick<FileHandle, 'read'>
}

interface Way {
  at: (offset: number, length: number) => Promise<Buffer>
  into: (buffer: Uint8Array, offset: number) => Promise<number>
}

const withWay: Record<string, (path: string, use: (way: Way) => Promise<void>) => Promise<void>> = {
  async promises(path, use) {
    const file = await open(path)
    const short = shortReads(file)
    await use({ at: (offset, length) => readAt(short, offset, length), into: (buffer, offset) => readInto(short, buffer, offset) })
    await file.close()
  },
  async 'file descriptors'(path, use) {
    const fd = openSync(path, 'r')
    const at = (offset: number, length: number): Promise<Buffer> => Promise.resolve(readAtSync(fd, offset, length))
    await use({ at, into: (buffer, offset) => Promise.resolve(readIntoSync(fd, buffer, offset)) })
    closeSync(fd)
  },
}

describe.each(Object.keys(withWay))('reading by %s where each read is short', name => {
  const withFile = (use: (way: Way) => Promise<void>): Promise<void> =>
    withFolder(async folder => {
      const path = join(folder, 'file')
      writeFileSync(path, CONTENT)
      await withWay[name]!(path, use)
    })

  test('gives all bytes that were asked for', () =>
    withFile(async ({ at, into }) => {
      calls.count = 0
      expect((await at(2, 30)).toString()).toBe(CONTENT.toString('utf8', 2, 32))
      expect(calls.count).toBe(5)
      const buffer = Buffer.alloc(20, '.')
      expect(await into(buffer.subarray(1, 19), 3)).toBe(18)
      expect(buffer.toString()).toBe(`.${CONTENT.toString('utf8', 3, 21)}.`)
    }))

  test('gives fewer where the file ends, and none behind it', () =>
    withFile(async ({ at, into }) => {
      expect((await at(CONTENT.length - 10, 1000)).toString()).toBe('es at a time'.slice(-10))
      expect((await at(CONTENT.length + 5, 10)).length).toBe(0)
      expect(await into(Buffer.alloc(100), 0)).toBe(CONTENT.length)
    }))

  test('asks for nothing where nothing is wanted', () =>
    withFile(async ({ at, into }) => {
      calls.count = 0
      expect((await at(5, 0)).length).toBe(0)
      expect(await into(new Uint8Array(0), 5)).toBe(0)
      expect(calls.count).toBe(0)
    }))
})
