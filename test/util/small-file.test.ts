import { execFileSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { decodeText, readSmallFile, UnfitFile } from '../../src/util/small-file.ts'
import { withFolder } from '../helpers/folders.ts'

describe('a file that is read because of its name', () => {
  test('comes whole up to its limit, through a link too', () =>
    withFolder(async folder => {
      const path = join(folder, 'a')
      for (const length of [0, 1, 9, 10]) {
        writeFileSync(path, 'x'.repeat(length))
        expect(readSmallFile(path, { maxBytes: 10 }).toString()).toBe('x'.repeat(length))
      }
      symlinkSync('a', join(folder, 'link'))
      expect(readSmallFile(join(folder, 'link'), { maxBytes: 10 })).toHaveLength(10)
      expect(readSmallFile('/proc/self/stat', { maxBytes: 10_000 }).length).toBeGreaterThan(10)
    }))

  test.each<[string, (path: string) => void, RegExp]>([
    ['a larger file', path => writeFileSync(path, 'x'.repeat(11)), /larger than 10 bytes/],
    ['a larger file of /proc', path => symlinkSync('/proc/self/stat', path), /larger than 10 bytes/],
    ['a folder', path => mkdirSync(path), /a folder/],
    ['a fifo', path => execFileSync('mkfifo', [path]), /not a regular file/],
    ['an endless device', path => symlinkSync('/dev/zero', path), /not a regular file/],
    ['a terminal', path => symlinkSync('/dev/tty', path), /not a regular file|ENXIO/],
  ])('%s is unfit', (_, make, why) =>
    withFolder(async folder => {
      make(join(folder, 'a'))
      expect(() => readSmallFile(join(folder, 'a'), { maxBytes: 10 })).toThrow(why)
    }),
  )

  test('is unfit where strangers could have written it, if it must be own', () =>
    withFolder(async folder => {
      const path = join(folder, 'a')
      const read = () => readSmallFile(path, { maxBytes: 10, mustBeOwn: true })
      writeFileSync(path, 'x')
      expect(read().toString()).toBe('x')
      for (const mode of [0o620, 0o602]) {
        chmodSync(path, mode)
        expect(read).toThrow(new UnfitFile('other users can change it'))
      }
      chmodSync(path, 0o644)
      chownSync(path, 65534, 65534)
      expect(read).toThrow(new UnfitFile('it belongs to another user'))
      expect(readSmallFile(path, { maxBytes: 10 }).toString()).toBe('x')
    }))

  test("that is absent is the system's error", () => {
    expect(() => readSmallFile('/nowhere/at/all', { maxBytes: 1 })).toThrow(/ENOENT/)
  })
})

test('a text is UTF-8, or UTF-16 with a byte order mark, and nothing else', () => {
  const wide = Buffer.from('\ufeffé\r\n', 'utf16le')
  for (const bytes of [Buffer.from('é\r\n'), Buffer.from('\ufeffé\r\n'), wide, Buffer.from(wide).swap16()])
    expect(decodeText(bytes)).toBe('é\r\n')
  expect(decodeText(Buffer.from([0x61, 0xe9]))).toBe('a\udce9')
  expect([decodeText(Buffer.alloc(0)), decodeText(Buffer.from('\xff', 'latin1'))]).toEqual(['', '\udcff'])
  expect(() => decodeText(wide.subarray(2))).toThrow(UnfitFile)
})
