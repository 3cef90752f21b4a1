import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { withFolder } from '../helpers/folders.ts'
import { npy, npyHeader, zip } from '../chunking/layouts/writers.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { tarEntry, tarOf } from '../helpers/tar.ts'
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

  test.each([
    ['a.csv.zst', 'zstd -qc'],
    ['a.csv.gz', 'gzip -nc'],
    ['a.csv.bz2', 'bzip2 -c'],
  ])('%s has no time in it: that of the archive counts', (name, command) =>
    withFolder(async folder => {
      writeFileSync(join(folder, name), shell(folder, command, TEXT))
      utimesSync(join(folder, name), 1, 1_500_000_000)
      const { result } = await extractTo(join(folder, 'out'), join(folder, name))
      expect(result).toMatchObject({ format: name.slice(6), files: 1 })
      expect(statSync(join(folder, 'out/a.csv')).mtimeMs).toBe(1.5e12)
      expect(readFileSync(join(folder, 'out/a.csv')).equals(TEXT)).toBe(true)
    }),
  )

  test('in bzip2: several streams, what follows them, and checksums', () =>
    withFolder(async folder => {
      const more = Buffer.concat([TEXT, seededNoise(1, 1_200_000), Buffer.alloc(3000)])
      const [one, two] = [TEXT, more].map(bytes => shell(folder, 'bzip2 -1c', bytes))
      const extracted = async (bytes: Buffer): Promise<{ isComplete: boolean; content: Buffer }> => {
        writeFileSync(join(folder, 'x.bz2'), bytes)
        const { result } = await extractTo(join(folder, 'out'), join(folder, 'x.bz2'), { force: true })
        return { isComplete: result.isComplete, content: readFileSync(join(folder, 'out/x')) }
      }
      const content = Buffer.concat([TEXT, more])
      expect(await extracted(Buffer.concat([one!, two!]))).toEqual({ isComplete: true, content })
      expect(await extracted(Buffer.concat([one!, two!, Buffer.alloc(100)]))).toEqual({ isComplete: true, content })
      expect(await extracted(Buffer.concat([one!, Buffer.from('junk')]))).toEqual({ isComplete: false, content: TEXT })
      expect((await extracted(shell(folder, 'bzip2 -c', Buffer.alloc(0)))).content.length).toBe(0)
      for (const at of [11, two!.length - 3, two!.length >> 1]) {
        const bad = Buffer.from(two!)
        bad[at]! ^= 4
        await expect(extracted(bad)).rejects.toMatchObject({ code: 'corrupt' })
      }
      await expect(extracted(two!.subarray(0, -100))).rejects.toMatchObject({ code: 'corrupt' })
      writeFileSync(join(folder, 'x.tbz2'), shell(folder, 'bzip2 -c', tarOf(tarEntry({ name: 'in a tar', content: TEXT }))))
      const { result } = await extractTo(join(folder, 'tar'), join(folder, 'x.tbz2'))
      expect(result).toMatchObject({ format: 'tar.bz2', files: 1, isComplete: true })
    }))

  test('but has the name of a tar is damaged', () =>
    withFolder(async folder => {
      writeFileSync(join(folder, 'x.tar.gz'), gzipSync(TEXT))
      await expect(extractTo(join(folder, 'out'), join(folder, 'x.tar.gz'))).rejects.toMatchObject({ code: 'corrupt' })
    }))
})
