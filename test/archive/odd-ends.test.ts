import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise } from '../helpers/seeded.ts'
import { paxRecord, tarEntry, tarOf } from '../helpers/tar.ts'
import { CODECS, extractTo, shell } from './archives.ts'

const A = tarEntry({ name: 'a', content: 'a' })
const B = tarEntry({ name: 'b', content: 'b' })
const HALF = Buffer.alloc(512)
const JUNK = Buffer.from('junk'.repeat(128))
const BAD = tarEntry({ name: 'bad', content: 'b', set: { 156: 0x30 } })
BAD[0]! ^= 1

describe('all is extracted from a tar', () => {
  test.each([
    ['with half an end mark', Buffer.concat([A, B, HALF]), false, [/half an end mark: .* bytes may be missing/], undefined],
    ['with half an end mark, in whole gzip', gzipSync(Buffer.concat([A, B, HALF])), true, [], /nothing is missing/],
    ['without an end mark', Buffer.concat([A, B]), false, [/may have been cut between two entries/], undefined],
    ['with bytes that are no tar after half an end mark', Buffer.concat([A, B, HALF, JUNK]), false, [/may have been cut/], undefined],
    ['without an end mark, in whole gzip', gzipSync(Buffer.concat([A, B])), true, [], /nothing is missing/],
    ['without an end mark, in two members of gzip', Buffer.concat([gzipSync(A), gzipSync(B)]), false, [/may have been cut/], undefined],
    ['with bytes after its end', Buffer.concat([tarOf(A, B), JUNK]), true, [], /has bytes after its end/],
    [
      'with many bytes after its end',
      Buffer.concat([tarOf(A, B), Buffer.alloc(10_240), JUNK]),
      false,
      [/with bytes that were not/],
      undefined,
    ],
    ['with zeros after its end', Buffer.concat([tarOf(A, B), Buffer.alloc(7168)]), true, [], undefined],
    ['with half a block after its end', Buffer.concat([tarOf(A, B), Buffer.alloc(700)]), false, [/no multiple of 512/], undefined],
    ['with half a block after its end, in gzip', gzipSync(Buffer.concat([tarOf(A, B), Buffer.alloc(700)])), true, [], undefined],
    ['with another tar after its end', Buffer.concat([tarOf(A, B), tarOf(A)]), false, [/with entries that were not read/], undefined],
    ['in gzip with another tar after its end', gzipSync(Buffer.concat([tarOf(A, B), tarOf(A)])), false, [/tar -xi/], undefined],
    ['in gzip with bytes after it', Buffer.concat([gzipSync(tarOf(A, B)), JUNK]), true, [], /has bytes after its end/],
    ['in gzip with zeros after it', Buffer.concat([gzipSync(tarOf(A, B)), Buffer.alloc(700)]), true, [], undefined],
    ['whose last entry lacks its padding', Buffer.concat([A, B]).subarray(0, 513 + 1024), false, [/no multiple of 512/], undefined],
    ['with a single block of zeros in its middle', tarOf(A, HALF, B), true, [], undefined],
  ] as const)('%s', (_, bytes, isComplete, warned, noted) =>
    withFolder(async folder => {
      const { result, warnings, notes } = await extractTo(folder, Buffer.from(bytes))
      expect(readdirSync(folder)).toEqual(['a', 'b'])
      expect(result.isComplete).toBe(isComplete)
      expect(warnings).toEqual(warned.map(text => expect.stringMatching(text) as string))
      expect(notes).toEqual(noted === undefined ? [] : [expect.stringMatching(noted)])
    }),
  )

  test('with a damaged header: what is behind it, too', () =>
    withFolder(async folder => {
      for (const bytes of [tarOf(A, BAD, B), tarOf(BAD, A, B), tarOf(A, HALF, BAD, B)]) {
        await expect(extractTo(folder, bytes)).rejects.toMatchObject({ code: 'corrupt' })
        expect(readdirSync(folder)).toEqual(['a', 'b'])
      }
    }))

  test('not if bytes are missing in its middle, though the content behind the gap looks like an end', () =>
    withFolder(async folder => {
      const content = Buffer.concat([Buffer.alloc(512, 'x'), Buffer.alloc(3072), Buffer.alloc(700, 'y')])
      const tar = tarOf(tarEntry({ name: 'a', content: Buffer.alloc(512, 'a') }), tarEntry({ name: 'b', content }), A)
      for (const missing of [100, 511, 512, 1024, 1100, 1536, 1600, 2048, 3000]) {
        const cut = Buffer.concat([tar.subarray(0, 512), tar.subarray(512 + missing)])
        const said = await extractTo(folder, cut, { force: true }).then(({ result, warnings }) => [result.isComplete, ...warnings], String)
        expect([said].flat().join(' '), String(missing)).toMatch(/^false .*bytes are missing in its middle$|is damaged: /)
      }
    }))

  test.each([
    ['a pax header', tarEntry({ name: 'x', type: 'x', content: paxRecord('path', 'long') })],
    ['a long name', tarEntry({ name: '././@LongLink', type: 'L', content: 'long' })],
    ['a long target', tarEntry({ name: '././@LongLink', type: 'K', content: 'long' })],
  ])('not if the entry after %s is missing', (_, header) =>
    withFolder(async folder => {
      for (const bytes of [tarOf(A, B, header), gzipSync(Buffer.concat([A, B, header]))])
        await expect(extractTo(folder, bytes)).rejects.toMatchObject({
          code: 'corrupt',
          message: expect.stringContaining('missing') as string,
        })
      expect(readdirSync(folder)).toEqual(['a', 'b'])
    }),
  )

  test('not the first of several volumes, which end within a file and with whole records', () =>
    withFolder(async folder => {
      const volume = Buffer.concat([A, tarEntry({ name: 'b', content: Buffer.alloc(30_000) })]).subarray(0, 20_480)
      await expect(extractTo(folder, volume)).rejects.toThrow(/first of several volumes, which tar -xM reads/)
      await expect(extractTo(folder, volume.subarray(1024))).rejects.not.toThrow(/volumes/)
      expect(readdirSync(folder)).toEqual(['a'])
    }))

  test('that has no entries', () =>
    withFolder(async folder => {
      for (const bytes of [Buffer.alloc(10_240), gzipSync(Buffer.alloc(1024))])
        expect((await extractTo(folder, bytes)).result).toMatchObject({ files: 0, isComplete: true })
    }))
})

describe.each(CODECS)('what can be decoded of a cut archive is extracted (%s)', zstd => {
  const files = Array.from({ length: 40 }, (_, i) => tarEntry({ name: `f${10 + i}`, content: seededNoise(i, 50_000) }))
  const tar = tarOf(...files)

  test.each([
    ['gzip', 'gzip'],
    ['one frame of zstd', 'zstd -q'],
    ['one small frame of zstd', `zstd -q --stream-size=${tar.length}`],
  ])('%s', (_, command) =>
    withFolder(async folder => {
      const stored = shell(folder, command, tar)
      const out = join(folder, 'out')
      const cut = stored.subarray(0, Math.floor(stored.length * 0.95))
      await expect(extractTo(out, cut, { zstd })).rejects.toMatchObject({
        code: 'corrupt',
        message: expect.stringContaining('cut off') as string,
      })
      // zstd has blocks of 128 kB, and the portable codec decodes whole ones
      expect(readdirSync(out).length).toBeGreaterThan(33)
    }),
  )
})

describe('one of several parts of an archive', () => {
  const whole = gzipSync(tarOf(A, tarEntry({ name: 'n', content: seededNoise(1, 3000) })))
  test.each([
    [
      ['x.tar.gz.aa', 'x.tar.gz.ab', 'x.tar.gz.ac'],
      1,
      /^x.tar.gz.ab is one of 3 parts .* x.tar.gz.aa to x.tar.gz.ac\.$/,
      'cat x.tar.gz.?? > x.tar.gz',
    ],
    [['x.zip.001', 'x.zip.003'], 0, /one of 2 parts .*A part before x.zip.003 is missing/, 'cat x.zip.??? > x.zip'],
    [['x.7z.001', 'x.7z.002'], 0, /one of 2 parts/, '7z x x.7z.001'],
    [['x.tgz.part-09', 'x.tgz.part-10'], 0, /one of 2 parts[^A]*$/, 'cat x.tgz.part-?? > x.tgz'],
    [
      [...[...'abcdefghijklmnopqrstuvwxyz'].map(letter => `x.tar.gz.a${letter}`), 'x.tar.gz.ba'],
      0,
      /one of 27 parts[^A]*$/,
      'cat x.tar.gz.?? > x.tar.gz',
    ],
  ])('%j', (names, which, message, command) =>
    withFolder(async folder => {
      for (const [i, name] of names.entries()) writeFileSync(join(folder, name), whole.subarray(i * 1200, (i + 1) * 1200))
      const part = {
        code: 'unsupported',
        message: expect.stringMatching(message) as string,
        hint: expect.stringContaining(command) as string,
      }
      await expect(extractTo(join(folder, 'out'), join(folder, names[which]!))).rejects.toMatchObject(part)
      expect(readdirSync(join(folder, 'out'))).toEqual([])
    }),
  )

  test('but not one that lies alone, or beside whole archives', () =>
    withFolder(async folder => {
      writeFileSync(join(folder, 'x.tar.gz.01'), whole)
      expect((await extractTo(join(folder, 'out'), join(folder, 'x.tar.gz.01'))).result.files).toBe(2)
      writeFileSync(join(folder, 'x.tar.gz.02'), whole)
      expect((await extractTo(join(folder, 'out'), join(folder, 'x.tar.gz.01'))).result.unchanged).toBe(2)
      for (const name of ['y.tar.gz', 'y.tar.lz', 'y.tar.xz', 'y.tar.zst', 'y.tar.lzo'])
        writeFileSync(join(folder, name), name.endsWith('gz') ? whole : name)
      expect((await extractTo(join(folder, 'out'), join(folder, 'y.tar.gz'))).result.unchanged).toBe(2)
    }))
})
