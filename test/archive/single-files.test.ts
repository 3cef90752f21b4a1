import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { withFolder } from '../helpers/folders.ts'
import { npy, npyHeader, zip } from '../chunking/layouts/writers.ts'
import { extractTo, shell } from './archives.ts'

const TEXT = Buffer.from('a,b\n1,2\n'.repeat(1000))

/** The name that gzip has in its header. */
function named(name: string): Buffer {
  const bytes = gzipSync(TEXT)
  const header = Buffer.from(bytes.subarray(0, 10))
  header[3] = 8
  header.writeUInt32LE(1_600_000_000, 4)
  return Buffer.concat([header, Buffer.from(`${name}\0`, 'latin1'), bytes.subarray(10)])
}

describe('a compressed file that holds no archive', () => {
  test.each([
    ['data.csv.gz', named('older name.csv'), 'data.csv', TEXT],
    ['data.csv.zst', undefined, 'data.csv', TEXT],
    ['download', named('caf\xe9.csv'), 'caf\udce9.csv', TEXT],
    ['download', named('../../etc/passwd'), 'passwd', TEXT],
    ['zeros.gz', gzipSync(Buffer.alloc(10_240)), 'zeros', Buffer.alloc(10_240)],
    ['empty.gz', gzipSync(''), 'empty', Buffer.alloc(0)],
    ['a.npz.gz', gzipSync(zip([{ name: 'a.npy', data: npy(npyHeader("'<f8'", '(1,)'), Buffer.alloc(8)) }])), 'a.npz', undefined],
    ['disk.img.gz', gzipSync(Buffer.concat([Buffer.alloc(5000), TEXT])), 'disk.img', Buffer.concat([Buffer.alloc(5000), TEXT])],
  ])('%s becomes one file', (name, bytes, expected, content) =>
    withFolder(async folder => {
      const path = join(folder, name)
      writeFileSync(path, bytes ?? shell(folder, 'zstd -q', TEXT))
      const out = join(folder, 'out')
      const { result, notes } = await extractTo(out, path)
      expect(result).toMatchObject({ format: name.endsWith('.zst') ? 'zst' : 'gz', files: 1, isComplete: true })
      expect(notes).toEqual([`${name} holds no archive but a single file: ${expected}`])
      const there = readdirSync(out, { encoding: 'buffer' })
      expect(there.map(file => file.toString('latin1'))).toEqual([expected.replace('\udce9', '\xe9')])
      const file = Buffer.concat([Buffer.from(`${out}/`), there[0]!])
      if (content !== undefined) expect(readFileSync(file).equals(content)).toBe(true)
      if (bytes?.[3] === 8) expect(statSync(file).mtimeMs).toBe(1.6e12)
      expect((await extractTo(out, path)).result).toMatchObject({ files: 0, unchanged: 1 })
    }),
  )

  test('whose name nothing tells is refused, and one that is in the way is kept', () =>
    withFolder(async folder => {
      const named = { code: 'unsupported', hint: expect.stringContaining('gzip -dc > NAME') as string }
      await expect(extractTo(join(folder, 'out'), gzipSync(TEXT))).rejects.toMatchObject(named)
      writeFileSync(join(folder, 'x.gz'), gzipSync(TEXT))
      writeFileSync(join(folder, 'x'), Buffer.concat([TEXT, Buffer.from('more')]))
      expect((await extractTo(folder, join(folder, 'x.gz'))).result.occupied).toEqual([join(folder, 'x')])
    }))

  test('with a wrong checksum leaves nothing; with bytes after it, it is extracted', () =>
    withFolder(async folder => {
      const bytes = gzipSync(TEXT)
      writeFileSync(join(folder, 'x.gz'), Buffer.concat([bytes, Buffer.from('junk')]))
      const { result, warnings } = await extractTo(join(folder, 'out'), join(folder, 'x.gz'))
      expect(result).toMatchObject({ files: 1, isComplete: false })
      expect(warnings).toEqual(['x.gz ends with bytes that are not compressed: they were not read'])
      bytes[bytes.length - 6]! ^= 1
      writeFileSync(join(folder, 'x.gz'), bytes)
      await expect(extractTo(join(folder, 'bad'), join(folder, 'x.gz'))).rejects.toMatchObject({ code: 'corrupt' })
      expect(readdirSync(join(folder, 'bad'))).toEqual([])
    }))

  test('but has the name of a tar is damaged', () =>
    withFolder(async folder => {
      writeFileSync(join(folder, 'x.tar.gz'), gzipSync(TEXT))
      await expect(extractTo(join(folder, 'out'), join(folder, 'x.tar.gz'))).rejects.toMatchObject({ code: 'corrupt' })
    }))
})
