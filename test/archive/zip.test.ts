import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { ArchiveEntry } from '../../src/archive/entry.ts'
import { readZip } from '../../src/archive/zip-reader.ts'
import { loadZstd, zstdName } from '../../src/compression/load-zstd.ts'
import { withSandbox } from '../helpers/cli.ts'
import { withFolder } from '../helpers/folders.ts'
import { extraOf, numbers, UNIX_FILE, UNIX_LINK, zipOf, type ZipForm, type ZipPart } from '../helpers/zip.ts'
import { collect, extractTo, inPieces, listening, poolOf, python } from './archives.ts'
import { extract } from '../../src/archive/extract.ts'

const HELP = { zstd: (bytes: AsyncIterable<Uint8Array>) => bytes, onLonger: () => undefined }

async function entriesOf(bytes: Buffer): Promise<ArchiveEntry[]> {
  const entries: ArchiveEntry[] = []
  const range = (start: number, end: number): Promise<Uint8Array> => Promise.resolve(bytes.subarray(start, end))
  for await (const entry of readZip({ size: bytes.length, range }, HELP)) entries.push(entry)
  return entries
}

/** Paths and contents of a zip, or why an entry is not read. */
async function contentsOf(bytes: Buffer): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  const range = (start: number, end: number): Promise<Uint8Array> => Promise.resolve(bytes.subarray(start, end))
  for await (const { path, content, error } of readZip({ size: bytes.length, range }, HELP))
    found[path] = error?.message ?? (await collect(content).then(String, (thrown: Error) => thrown.message))
  return found
}

const THREE: ZipPart[] = [
  { name: 'a', content: 'first' },
  { name: 'b', content: 'second' },
  { name: 'c', content: 'third' },
]
const ALL = { a: 'first', b: 'second', c: 'third' }

describe('where the directory is', () => {
  const program = Buffer.from('#!/usr/bin/env python3\nPK\x05\x06 is not here')
  it.each<[string, ZipForm]>([
    ['an ordinary archive', {}],
    ['a program before it, offsets from the archive on', { prefix: program }],
    ['a program before it, offsets from the file on', { prefix: program, shift: true }],
    ['both with ZIP64', { prefix: program, wide: true }],
    ['zeros after it', { suffix: Buffer.alloc(10_240) }],
    ['a comment that holds an end record', { comment: Buffer.concat([zipOf([]), Buffer.from('x')]) }],
    ['its own signature after it', { between: numbers([4, 0x05054b50], [2, 1], [1, 7]) }],
    ['a count that is too low', { count: 1 }],
    ['entries in another order', { order: [2, 0, 1] }],
  ])('%s', async (_, form) => {
    expect(await contentsOf(zipOf(THREE, form))).toEqual(ALL)
  })

  it.each<[string, ZipForm, RegExp]>([
    ['a count that is too high', { count: 4 }, /only the first 3 entries/],
    ['a longer directory', { length: 200, offset: 0 }, /missing that every zip ends with/],
    ['other entries before it', { prefix: zipOf(THREE.slice(0, 1)) }, /several archives in a row/],
  ])('%s is no success', async (_, form, message) => {
    await expect(contentsOf(zipOf(THREE, form))).rejects.toThrow(message)
  })

  it('a part of an archive in several is called one', () =>
    withFolder(async folder => {
      const first = Buffer.concat([Buffer.from('PK\x07\x08'), zipOf(THREE).subarray(0, 100)])
      for (const [name, bytes] of Object.entries({ 'a.z01': first, 'a.zip': zipOf(THREE, { part: 1 }) })) {
        writeFileSync(join(folder, name), bytes)
        await expect(extractTo(join(folder, 'out'), join(folder, name))).rejects.toMatchObject({
          code: 'unsupported',
          message: 'This is one part of a zip archive in several.',
        })
      }
    }))
})

describe('a zip that has lost its end', () => {
  const parts = (more: Partial<ZipPart> = {}): ZipPart[] => [
    { name: 'a', content: 'first '.repeat(100), attributes: 0o100755 * 2 ** 16, ...more },
    { name: 'd/', method: 0 },
    { name: 'd/b', content: Buffer.alloc(300_000, 'second PK\x03\x04 PK\x07\x08'), method: 0, ...more },
    { name: 'c', content: 'third', ...more },
  ]
  const whole = zipOf(parts())
  const end = whole.indexOf('PK\x01\x02')
  const extracted = async (bytes: Buffer): Promise<{ said: string; names: string[]; warnings: string[] }> =>
    withFolder(async folder => {
      const { reporter, warnings } = listening()
      const context = { pool: poolOf(), zstd: zstdName(), reporter, signal: new AbortController().signal }
      const source = { name: 'x.zip', bytes: inPieces(bytes, 10_007) }
      const said = await extract(context, { source, destination: folder, force: false }).then(() => 'done', String)
      const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
      if (names.includes('a')) expect(readFileSync(join(folder, 'a'), 'utf8')).toBe('first '.repeat(100))
      if (names.includes('d/b')) expect(statSync(join(folder, 'd/b')).size).toBe(300_000)
      return { said, names, warnings }
    })

  it.each<[string, Buffer, string[], RegExp]>([
    ['its end record', whole.subarray(0, -10), ['a', 'c', 'd', 'd/b'], /missing that every zip ends with$/],
    ['a part of its directory', whole.subarray(0, end + 60), ['a', 'c', 'd', 'd/b'], /. 3 of the entries .* no permissions/],
    ['its directory', whole.subarray(0, end), ['a', 'c', 'd', 'd/b'], /. 4 of the entries/],
    ['the end of its last entry', whole.subarray(0, end - 1), ['a', 'd', 'd/b'], /missing that/],
    ['all but a part of its first entry', whole.subarray(0, 40), [], /missing that/],
    ['lengths behind the content', zipOf(parts({ descriptor: 'signed' })).subarray(0, -80), ['a', 'c', 'd', 'd/b'], /missing that/],
    ['the same without a signature', zipOf(parts({ descriptor: 'plain' })).subarray(0, -80), ['a', 'c', 'd', 'd/b'], /missing that/],
    ['the last of them', zipOf(parts({ descriptor: 'signed' })).subarray(0, end + 40), ['a', 'd', 'd/b'], /missing that/],
    [
      'and a header in its middle',
      Buffer.concat([Buffer.from('PK\x03\x04'), Buffer.alloc(40), whole.subarray(0, end)]),
      ['a', 'c', 'd', 'd/b'],
      /in its middle/,
    ],
  ])('%s', async (_, bytes, expected, message) => {
    const { said, names, warnings } = await extracted(bytes)
    expect(said).toMatch(message)
    expect(names).toEqual(expected)
    for (const warning of warnings) expect(warning).toMatch(/^(a|c) was not extracted: it is cut off$/)
  })

  it('modes are kept where the directory has them, encrypted entries are told', async () => {
    const bytes = zipOf([...parts(), { name: 'secret', flags: 1, stored: Buffer.alloc(30) }])
    const { names, warnings } = await extracted(bytes.subarray(0, -4))
    expect(names).toEqual(['a', 'c', 'd', 'd/b'])
    expect(warnings).toEqual([expect.stringContaining('secret was not extracted: it is encrypted')])
    await withFolder(async folder => {
      await expect(extractTo(folder, bytes.subarray(0, -4))).rejects.toMatchObject({ code: 'corrupt' })
      expect(statSync(join(folder, 'a')).mode & 0o777).toBe(0o755)
    })
  })
})

describe('what the directory and the header of an entry say differently is told', () => {
  const part = { name: 'a', content: 'some text, some text' }
  const flip = (at: number, bit: number): Buffer => {
    const bytes = zipOf([part, { name: 'b', content: 'second' }])
    bytes[at]! ^= bit
    return bytes
  }
  const inCp437 = (bytes: Buffer): Buffer => {
    bytes[7] = 0
    return bytes
  }
  it.each<[string, Buffer, string[], ...RegExp[]]>([
    ['a name', zipOf([{ ...part, localName: 'evil' }]), ['a'], /^a may be .* calls it evil/],
    ['the name of a folder', zipOf([{ name: 'd/', method: 0, localName: 'f' }]), ['d'], /calls it f/],
    ['that of a symlink', zipOf([{ name: 'l', content: 'a', method: 0, attributes: UNIX_LINK, localName: 'm' }]), ['l'], /calls it m/],
    ['a flipped bit of the name', flip(30, 2), ['a', 'b'], /calls it c/],
    ['the method', flip(8, 8), ['a', 'b'], /another method/],
    ['whether it is encrypted', flip(6, 1), ['a', 'b'], /encrypted/],
    ['the checksum', flip(14, 4), ['a', 'b'], /another checksum/],
    ['the stored length', flip(18, 1), ['a', 'b'], /another length/],
    ['the length', flip(22, 1), ['a', 'b'], /another length/],
    ['not sizes in ZIP64 fields', zipOf([{ ...part, wide: true }]), ['a']],
    ['not sizes behind the content', zipOf([{ ...part, descriptor: 'plain' }]), ['a']],
    ['not slashes and backslashes', zipOf([{ ...part, name: 'd/a', localName: 'd\\a', host: 0 }]), ['d']],
    ['not another encoding', inCp437(zipOf([{ ...part, name: 'é', flags: 0x800, localName: Buffer.of(0x82), host: 0 }])), ['é']],
  ])('%s', (_, bytes, names, ...doubts) =>
    withFolder(async folder => {
      const { result, warnings } = await extractTo(join(folder, 'out'), bytes)
      expect(warnings).toEqual(doubts.map(doubt => expect.stringMatching(doubt) as string))
      expect(result).toMatchObject({ doubtful: doubts.length, refused: 0, damaged: 0 })
      expect(readdirSync(join(folder, 'out'))).toEqual(names)
    }),
  )
})

describe('what is longer than 32 bits can say, as macOS writes it', () => {
  it('sizes and offsets are found by where the next entry is', async () => {
    const long = 2 ** 32 + 70
    // the content of the long entry is not there: only what stands around it
    const bytes = zipOf([
      { name: 'long', method: 0, stored: Buffer.alloc(70), length: 70, storedLength: 70, descriptor: 'signed' },
      { name: 'small', content: 'small', headerAt: 30 + 4 + 70 + 16 },
    ])
    const cut = 34 + 70
    const size = bytes.length + 2 ** 32
    const range = (start: number, end: number): Promise<Uint8Array> => {
      const out = Buffer.alloc(end - start)
      bytes.copy(out, 0, Math.min(start, cut), Math.min(end, cut))
      const from = Math.max(0, start - 2 ** 32)
      if (end - 2 ** 32 > cut) bytes.copy(out, Math.max(from, cut) + 2 ** 32 - start, Math.max(from, cut), end - 2 ** 32)
      return Promise.resolve(out)
    }
    const found: [string, number, string][] = []
    for await (const { path, size: length, content } of readZip({ size, range, blockBytes: 4096 }, HELP))
      found.push([path, length, path === 'small' ? String(await collect(content)) : ''])
    expect(found).toEqual([
      ['long', long, ''],
      ['small', 5, 'small'],
    ])
  })
})

describe('names', () => {
  const latin = (text: string): Buffer => Buffer.from(text, 'latin1')
  const pathsOf = async (parts: readonly ZipPart[]): Promise<string[]> => (await entriesOf(zipOf(parts))).map(({ path }) => path)

  it('keep the bytes that are no UTF-8, flagged or made on Unix', async () => {
    const names = ['caf\xe8', 'caf\xe9'].map(name => ({ name: latin(name), content: name }))
    const kept = ['caf\udce8', 'caf\udce9']
    expect(await pathsOf(names)).toEqual(kept)
    expect(await pathsOf(names.map(part => ({ ...part, flags: 0x800 })))).toEqual(kept)
    expect(await pathsOf(names.map(part => ({ ...part, host: 0, flags: 0x800 })))).toEqual(kept)
  })

  it('of DOS are in its code page, or in one that their bytes leave no doubt about', async () => {
    const dos = (hex: string): ZipPart => ({ name: Buffer.from(hex, 'hex'), host: 0 })
    expect(await pathsOf([dos('636166822e747874')])).toEqual(['café.txt'])
    // a backslash is the second byte of 表 and of ソ
    expect(await pathsOf([dos('83658358836795 5c2e747874'.replaceAll(' ', '')), dos('835c815b83582e63')])).toEqual([
      'テスト表.txt',
      'ソース.c',
    ])
    expect(await pathsOf([dos('b2e2cad42e747874')])).toEqual(['测试.txt'])
    expect(await pathsOf([dos('84aeaae3aca5ade22e747874')])).toEqual(['Документ.txt'])
  })

  it('of the Unicode field count if they were made for the name', async () => {
    const raw = latin('caf\x82')
    const field = (of: Buffer): Buffer => extraOf(0x7075, Buffer.concat([numbers([1, 1], [4, crc32(of)]), Buffer.from('Café')]))
    expect(await pathsOf([{ name: raw, host: 0, extra: field(raw) }])).toEqual(['Café'])
    expect(await pathsOf([{ name: raw, host: 0, extra: field(latin('stale')) }])).toEqual(['café'])
  })

  it('of Windows have backslashes between folders, where there is no slash', async () => {
    const windows = [0, 11].map(host => ({ name: `a\\b${host}`, host }))
    expect(await pathsOf([...windows, { name: 'd/a\\b', host: 0 }, { name: 'a\\c', host: 3 }])).toEqual(['a/b0', 'a/b11', 'd/a\\b', 'a\\c'])
  })

  it('never become one', async () => {
    const parts = [
      { name: 'é', content: 'one' },
      { name: Buffer.from([0x82]), host: 0, content: 'two' },
      { name: 'd/x', content: 'three' },
      { name: 'd\\x', host: 0, content: 'four' },
      { name: './d//x', content: 'five' },
      { name: 'd/x', content: 'six' },
    ]
    const entries = await entriesOf(zipOf(parts))
    const merged = "its name can't be told from that of another entry"
    expect(entries.map(({ error }) => error?.message)).toEqual([undefined, merged, undefined, merged, merged, undefined])
  })
})

describe('types, modes and times', () => {
  it('folders of DOS need no slash, and folders may state a size', async () => {
    const entries = await entriesOf(
      zipOf([
        { name: 'dos', host: 0, method: 0, attributes: 0x10 },
        { name: 'foundation/', method: 0, length: 68 },
        { name: 'encrypted/', method: 97, flags: 1 },
        { name: 'file', host: 0, attributes: 0x10, content: 'x' },
      ]),
    )
    expect(entries.map(({ type, error }) => [type, error])).toEqual([
      ...['directory', 'directory', 'directory', 'file'].map(type => [type, undefined]),
    ])
  })

  it('modes are those of Unix, or of the attribute for read-only', async () => {
    const modes = await entriesOf(
      zipOf([
        { name: 'none', attributes: 0o100000 * 2 ** 16 },
        { name: 'set-uid', attributes: 0o104755 * 2 ** 16 },
        { name: 'read-only', host: 0, attributes: 0x21 },
        { name: 'ordinary', host: 11, attributes: 0x20 },
        { name: 'pkzip', host: 0, attributes: 0o100640 * 2 ** 16 },
        { name: 'contrary', host: 0, attributes: 0o100640 * 2 ** 16 + 1 },
        { name: 'link', attributes: UNIX_LINK, method: 0, content: 'caf\xe9' },
      ]),
    )
    expect(modes.map(({ mode }) => mode)).toEqual([0, 0o4755, 0o444, undefined, 0o640, 0o444, 0o777])
    expect(modes.at(-1)).toMatchObject({ type: 'symlink', target: 'café' })
  })

  it('times are found in all fields that tell them', async () => {
    const s = (text: string): bigint => BigInt(Date.parse(text)) * 1_000_000n
    const seconds = (text: string): number => (Date.parse(text) / 1000 + 2 ** 32) % 2 ** 32
    const ut = (text: string): Buffer => extraOf(0x5455, numbers([1, 1], [4, seconds(text)]))
    const old = extraOf(0x5855, numbers([4, 5], [4, seconds('2001-02-03T04:05:06Z')]))
    const ticks = extraOf(0x000a, numbers([4, 0], [2, 1], [2, 24], [8, 116_444_736_000_000_000 + 1_234_567 * 1e7 + 16], [8, 0], [8, 0]))
    const date = (year: number, month = 5, day = 6): number => ((year - 1980) << 9) | (month << 5) | day
    const local = (...time: [number, number, number]): bigint => BigInt(new Date(...time).getTime()) * 1_000_000n
    const times = await entriesOf(
      zipOf([
        { name: '1', extra: ut('1969-05-06T00:00:00Z'), date: date(1980) },
        { name: '2', extra: ut('2100-05-06T00:00:00Z'), date: date(2100) },
        { name: '3', extra: ut('2020-05-06T00:00:00Z'), date: date(2000) },
        { name: '4', localExtra: ut('2020-05-06T00:00:00Z') },
        { name: '5', extra: old },
        { name: '6', extra: ticks },
        { name: '7', date: date(2107) },
        { name: '8', date: 0 },
        { name: '9', date: date(2000, 13) },
        { name: '10', extra: Buffer.concat([numbers([2, 1], [2, 500]), ut('2020-05-06T00:00:00Z')]), date: date(2001) },
      ]),
    )
    expect(times.map(({ mtime }) => mtime)).toEqual([
      s('1969-05-06T00:00:00Z'),
      s('2100-05-06T00:00:00Z'),
      s('2020-05-06T00:00:00Z'),
      s('2020-05-06T00:00:00Z'),
      s('2001-02-03T04:05:06Z'),
      1_234_567_000_001_600n,
      local(2107, 4, 6),
      undefined,
      undefined,
      local(2001, 4, 6),
    ])
  })
})

describe('an entry that can not be read', () => {
  it.each<[string, ZipPart, RegExp]>([
    ['encrypted', { name: 'x', flags: 1 }, /^it is encrypted: use 7z x/],
    ['encrypted with AES', { name: 'x', method: 99 }, /^it is encrypted/],
    ['LZMA', { name: 'x', method: 14 }, /compressed with LZMA, .* 7z x/],
    ['XZ', { name: 'x', method: 95 }, /compressed with XZ, .* 7z x/],
    ['PPMd', { name: 'x', method: 98 }, /compressed with PPMd, .* 7z x/],
    ['an unknown method', { name: 'x', method: 77 }, /compressed with method 77, which is not read here$/],
    ['a patch', { name: 'x', flags: 32 }, /only changes of another file/],
    ['a wrong checksum', { name: 'x', content: 'x', crc: 1 }, /^its checksum is wrong$/],
    ['too short', { name: 'x', content: 'x', length: 3 }, /^it is 2 bytes shorter/],
    ['too long', { name: 'x', content: 'xxx', length: 1, method: 0 }, /^it is longer than the 1 bytes/],
    ['bad deflate', { name: 'x', stored: Buffer.from('no deflate'), length: 9 }, /^its compressed bytes are wrong/],
    ['cut deflate', { name: 'x', content: 'x'.repeat(500), storedLength: 3 }, /^it is cut off/],
    ['bad Deflate64', { name: 'x', method: 9, stored: Buffer.from('no deflate'), length: 9 }, /^its compressed bytes are wrong/],
    ['bad bzip2', { name: 'x', method: 12, stored: Buffer.from('BZh9 no bzip2, no bzip2'), length: 9 }, /^its compressed bytes are wrong/],
    ['no header', { name: 'x', content: 'x', headerAt: 3 }, /^there is no entry where the directory says/],
    ['out of the file', { name: 'x', content: 'x', headerAt: 0xffffff0 }, /^it lies outside of the file/],
    ['a target that is too long', { name: 'x', attributes: UNIX_LINK, content: 'x'.repeat(70_000) }, /impossibly long/],
  ])('%s: the others are', async (_, part, why) => {
    const found = await contentsOf(zipOf([THREE[0]!, part, THREE[1]!]))
    expect(found).toEqual({ a: 'first', x: expect.stringMatching(why) as string, b: 'second' })
  })

  it('is counted, and the exit code says whether it is damaged or only not read here', () =>
    withSandbox(async sandbox => {
      const refused = { name: 'refused', flags: 1 }
      const damaged = { name: 'damaged', content: 'x', crc: 1 }
      for (const [name, parts, code] of [
        ['partly', [refused, ...THREE], 3],
        ['damaged', [damaged, refused, ...THREE], 7],
      ] as const) {
        writeFileSync(join(sandbox.path, `${name}.zip`), zipOf(parts))
        const run = await sandbox.run(['extract', `${name}.zip`, name])
        expect(run.code).toBe(code)
        expect(run.stderr).toContain('refused was not extracted: it is encrypted')
        expect(readdirSync(sandbox.in(name))).toEqual(['a', 'b', 'c'])
      }
    }))
})

describe('methods', () => {
  const plain = Buffer.from('so many words, so many words\n'.repeat(5000))

  it('deflate of nothing may be nothing', async () => {
    expect(await contentsOf(zipOf([{ name: 'x', method: 8, content: '', stored: Buffer.alloc(0) }, THREE[0]!]))).toEqual({
      x: '',
      a: 'first',
    })
  })

  it('zstd, by its present and its former number', () =>
    withFolder(async folder => {
      const zstd = await loadZstd(zstdName())
      const stored = Buffer.from(zstd.compress(plain, zstd.levels.balanced))
      const parts = [93, 20].map(method => ({ name: String(method), method, content: plain, stored }))
      const { result } = await extractTo(
        join(folder, 'out'),
        zipOf([...parts, { ...parts[0]!, name: 'x', stored: Buffer.from('no zstd') }]),
      )
      expect(result).toMatchObject({ files: 2, damaged: 1 })
      for (const { name } of parts) expect(readFileSync(join(folder, 'out', name)).equals(plain)).toBe(true)
    }))

  it('bzip2, whose bytes may be wrong anywhere', () =>
    withFolder(async folder => {
      python(
        folder,
        `
import bz2, random, zipfile
r = random.Random(1)
data = [b'', b'a', b'a' * 300, b'abab' * 4000, r.randbytes(15000), b'a' * 10000 + r.randbytes(100)]
with zipfile.ZipFile('x.zip', 'w', zipfile.ZIP_BZIP2, compresslevel=1) as z:
    for i, d in enumerate(data): z.writestr(str(i), d)
open('two', 'wb').write(bz2.compress(b'first ') + bz2.compress(b'second'))
`,
      )
      const bytes = readFileSync(join(folder, 'x.zip'))
      const found = await contentsOf(bytes)
      expect(Object.values(found).map(({ length }) => length)).toEqual([0, 1, 300, 16_000, expect.any(Number), expect.any(Number)])
      expect(Object.values(found).join()).not.toMatch(/wrong|cut off|stated/)
      const two = { name: 'two', method: 12, content: 'first second', stored: readFileSync(join(folder, 'two')) }
      expect(await contentsOf(zipOf([two]))).toEqual({ two: 'first second' })
      for (let at = 40; at < 600; at += 50) {
        const damaged = Buffer.from(bytes)
        damaged[at]! ^= 1 << (at % 8)
        await contentsOf(damaged)
      }
    }))
})

it('a zip behind a program is found by its end, but only in a file', () =>
  withFolder(async folder => {
    mkdirSync(join(folder, 'out'))
    const bytes = zipOf([{ name: 'x', content: 'x', attributes: UNIX_FILE }], { prefix: Buffer.from('MZ a program') })
    writeFileSync(join(folder, 'setup.exe'), bytes)
    expect((await extractTo(join(folder, 'out'), join(folder, 'setup.exe'))).result).toMatchObject({ format: 'zip', files: 1 })
    expect(statSync(join(folder, 'out/x')).mode & 0o777).toBe(0o644)
    await expect(extractTo(join(folder, 'out'), bytes)).rejects.toMatchObject({ code: 'unsupported' })
  }))

it('many small entries do not keep an interrupt waiting', () =>
  withFolder(async folder => {
    const count = 4000
    const [archive, out] = [join(folder, 'x.zip'), join(folder, 'out')]
    writeFileSync(archive, zipOf(Array.from({ length: count }, (_, i) => ({ name: String(i), content: 'x' }))))
    const interrupt = new AbortController()
    const timer = setInterval(() => existsSync(join(out, '0')) && interrupt.abort(), 1)
    await expect(extractTo(out, archive, { signal: interrupt.signal })).rejects.toMatchObject({ code: 'interrupted' })
    clearInterval(timer)
    expect(readdirSync(out).length).toBeLessThan(count)
  }))
