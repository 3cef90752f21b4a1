import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { beforeEach, describe, expect, it } from 'vitest'
import { readTar } from '../../src/archive/tar-reader.ts'
import { compressZstd } from '../../src/archive/zstd-writer.ts'
import { withFolder } from '../helpers/folders.ts'
import { seededNoise, seededRandom, seededText } from '../helpers/seeded.ts'
import { makeTree } from '../helpers/trees.ts'
import { archiveOf, collect, extractTo, inPieces, poolOf, python, shell } from './archives.ts'

/** A tar archive of entries as Python writes them, with whatever names they are given. */
function hostileTar(folder: string, entries: readonly object[]): string {
  writeFileSync(join(folder, 'entries.json'), JSON.stringify(entries))
  python(
    folder,
    `
import io, json, tarfile
with tarfile.open('evil.tar', 'w', format=tarfile.PAX_FORMAT) as tar:
    for entry in json.load(open('entries.json')):
        info = tarfile.TarInfo(entry['name'])
        info.type = {'file': tarfile.REGTYPE, 'dir': tarfile.DIRTYPE, 'link': tarfile.SYMTYPE, 'hard': tarfile.LNKTYPE,
                     'fifo': tarfile.FIFOTYPE, 'device': tarfile.CHRTYPE}[entry.get('type', 'file')]
        info.linkname = entry.get('to', '')
        info.mode = entry.get('mode', 0o644)
        data = b'evil'
        info.size = len(data) if info.type == tarfile.REGTYPE else 0
        tar.addfile(info, io.BytesIO(data))
`,
  )
  return join(folder, 'evil.tar')
}

/** The same as a zip file. */
function hostileZip(folder: string, entries: readonly { name: string; to?: string }[]): string {
  writeFileSync(join(folder, 'entries.json'), JSON.stringify(entries))
  python(
    folder,
    `
import json, warnings, zipfile
warnings.simplefilter('ignore')
with zipfile.ZipFile('evil.zip', 'w') as archive:
    for entry in json.load(open('entries.json')):
        info = zipfile.ZipInfo('x')
        info.filename = entry['name']
        info.create_system = 3
        info.external_attr = ((0o120777 if 'to' in entry else 0o100644) << 16)
        archive.writestr(info, entry.get('to', 'evil'))
`,
  )
  return join(folder, 'evil.zip')
}

/** Everything below `folder` but the archive and the destination. */
const outside = (folder: string): string =>
  shell(folder, "find . -not -path './out*' -not -name 'evil.*' -not -name entries.json -printf '%p %y %m %s\\n' | sort").toString()

describe('entries that lead out of the destination are refused, the others extracted', () => {
  const NAMES = ['../out-evil', 'ok/../../out-evil', '/tmp/colab-escape-evil', 'C:/evil', 'C:\\evil']

  it.each(['tar', 'zip'])('by their names, in %s', kind =>
    withFolder(async folder => {
      makeTree(folder, { 'beside.txt': 'kept' })
      const entries = [...NAMES.map(name => ({ name })), { name: 'ok/good.txt' }]
      const archive = kind === 'tar' ? hostileTar(folder, entries) : hostileZip(folder, entries)
      const before = outside(folder)
      const { result, warnings } = await extractTo(join(folder, 'out'), archive, { force: true })
      expect(result).toMatchObject({ files: 1, refused: NAMES.length })
      expect(warnings).toHaveLength(NAMES.length)
      expect(outside(folder)).toBe(before)
      expect(existsSync('/tmp/colab-escape-evil')).toBe(false)
      expect(readdirSync(join(folder, 'out'))).toEqual(['ok'])
    }),
  )

  it.each(['tar', 'zip'])('through symlinks of the archive, in %s', kind =>
    withFolder(async folder => {
      makeTree(folder, { 'target/kept.txt': 'kept' })
      const entries = [
        { name: 'away', type: 'link', to: '../target' },
        { name: 'away/kept.txt' },
        { name: 'away/new.txt' },
        { name: 'in', type: 'link', to: '.' },
        { name: 'in/x.txt' },
        { name: 'file', type: 'link', to: '../target/kept.txt' },
        { name: 'file' },
        { name: 'good.txt' },
      ]
      const before = outside(folder)
      const archive = kind === 'tar' ? hostileTar(folder, entries) : hostileZip(folder, entries)
      const { result, warnings } = await extractTo(join(folder, 'out'), archive, { force: true })
      expect(outside(folder)).toBe(before)
      expect(readFileSync(join(folder, 'target/kept.txt'), 'utf8')).toBe('kept')
      expect(warnings.filter(warning => warning.includes('go through the symlink'))).toHaveLength(3)
      // an entry of the same name replaces the symlink itself
      expect(readFileSync(join(folder, 'out/file'), 'utf8')).toBe('evil')
      expect(result).toMatchObject({ refused: 3, files: 2, outsideLinks: 2 })
    }),
  )

  it('by hard links', () =>
    withFolder(async folder => {
      makeTree(folder, { 'secret.txt': 'secret' })
      const archive = hostileTar(folder, [
        { name: 'a', type: 'hard', to: '../secret.txt' },
        { name: 'b', type: 'hard', to: join(folder, 'secret.txt') },
        { name: 'away', type: 'link', to: '..' },
        { name: 'c', type: 'hard', to: 'away/secret.txt' },
        { name: 'd', type: 'hard', to: 'missing' },
        { name: 'e', type: 'hard', to: 'missing/too' },
        { name: 'f', type: 'hard', to: '.' },
      ])
      const { result } = await extractTo(join(folder, 'out'), archive, { force: true })
      expect(result).toMatchObject({ refused: 6, files: 0, symlinks: 1 })
      expect(readdirSync(join(folder, 'out'))).toEqual(['away'])
      expect(statSync(join(folder, 'secret.txt')).nlink).toBe(1)
    }))

  it('and so are pipes, devices and set-user-id', () =>
    withFolder(async folder => {
      const archive = hostileTar(folder, [
        { name: 'pipe', type: 'fifo' },
        { name: 'null', type: 'device' },
        { name: 'root-shell', mode: 0o6755 },
      ])
      const { result, warnings } = await extractTo(join(folder, 'out'), archive)
      expect(result).toMatchObject({ refused: 2, files: 1 })
      expect(warnings).toEqual(['pipe', 'null'].map(name => `${name} was not extracted: it is neither a file, a folder nor a link`))
      expect(statSync(join(folder, 'out/root-shell')).mode & 0o7777).toBe(0o755)
    }))
})

it('a folder that turns into a symlink, and a file into a folder, lead nowhere', () =>
  withFolder(async folder => {
    makeTree(folder, { 'target/kept.txt': 'kept' })
    const archive = hostileTar(folder, [
      { name: 'd', type: 'dir' },
      { name: 'd', type: 'link', to: '../target' },
      { name: 'd/x.txt' },
      { name: 'f' },
      { name: 'f/x.txt' },
      { name: '.', type: 'dir', mode: 0 },
      { name: './', type: 'link', to: '../target' },
    ])
    const before = outside(folder)
    await extractTo(join(folder, 'out'), archive, { force: true })
    expect(outside(folder)).toBe(before)
    expect(readFileSync(join(folder, 'out/d/x.txt'), 'utf8')).toBe('evil')
    expect(readFileSync(join(folder, 'out/f/x.txt'), 'utf8')).toBe('evil')
  }))

it('the later of two entries of one name counts', () =>
  withFolder(async folder => {
    makeTree(folder, { a: 'first' })
    shell(folder, 'tar -cf two.tar a && echo -n second > a && tar -rf two.tar a')
    const { result } = await extractTo(join(folder, 'out'), join(folder, 'two.tar'))
    expect(result.occupied).toEqual([])
    expect(readFileSync(join(folder, 'out/a'), 'utf8')).toBe('second')
  }))

describe('decompression bombs', () => {
  it('in tar.zst are stopped on the way, even if nothing of it is written', () =>
    withFolder(async folder => {
      python(folder, `import tarfile; i = tarfile.TarInfo('../zeros'); i.size = 1_200_000_000; open('header', 'wb').write(i.tobuf())`)
      const packed = (plain: Buffer): Promise<Buffer> => collect(compressZstd(inPieces(plain, 2 ** 22), poolOf(), 'fast'))
      const zeros = await packed(Buffer.alloc(2 ** 22))
      const archive = Buffer.concat([await packed(readFileSync(join(folder, 'header'))), ...Array<Buffer>(300).fill(zeros)])
      const error = await extractTo(join(folder, 'out'), archive).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'denied', message: expect.stringContaining('more than 100 times its size') as string })
    }))

  it('in zip are stopped before they begin', () =>
    withFolder(async folder => {
      shell(folder, 'truncate -s 1100M zeros && zip -q1 - zeros > bomb.zip')
      const error = await extractTo(join(folder, 'out'), join(folder, 'bomb.zip')).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ code: 'denied', message: expect.stringContaining('more than 100 times its size') as string })
      expect(readdirSync(join(folder, 'out'))).toEqual([])
    }))

  it('small archives that shrank much are none', () =>
    withFolder(async folder => {
      shell(folder, 'truncate -s 30M zeros && tar -c zeros | zstd -q -1 > small')
      expect((await extractTo(join(folder, 'out'), join(folder, 'small'))).result.bytes).toBe(30 * 2 ** 20)
    }))
})

describe('damaged tar', () => {
  let tar: Buffer
  beforeEach(() =>
    withFolder(async folder => {
      makeTree(join(folder, 'd'), { a: seededText(1, 3000), [`${'n'.repeat(150)}`]: seededNoise(2, 700), link: { link: 'a' } })
      const { bytes } = await archiveOf(join(folder, 'd'), 'tar.zst')
      tar = shell(folder, 'zstd -dc', bytes)
    }),
  )

  it('without its end mark is extracted, but may have been cut', () =>
    withFolder(async folder => {
      const end = tar.length - 1024
      expect(tar.subarray(end).every(byte => byte === 0)).toBe(true)
      const { result, warnings } = await extractTo(join(folder, 'out'), tar.subarray(0, end))
      expect(result).toMatchObject({ isComplete: false, refused: 0 })
      expect(warnings).toEqual([expect.stringContaining('may have been cut between two entries')])
    }))

  it('never makes the reader crash or hang, whatever bytes it holds', async () => {
    const random = seededRandom(7)
    for (let round = 0; round < 400; round++) {
      const damaged = Buffer.from(tar)
      for (let i = 0; i < 1 + (round % 3); i++) damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256)
      const names: string[] = []
      try {
        for await (const entry of readTar(inPieces(damaged, 1 + Math.floor(random() * 2000)))) {
          names.push(entry.path)
          if (round % 2 === 0) await collect(entry.content)
        }
      } catch (error) {
        expect(error).toBeInstanceOf(Error)
        expect(error).not.toBeInstanceOf(TypeError)
        expect(error).not.toBeInstanceOf(RangeError)
      }
      expect(names.length).toBeLessThanOrEqual(10)
    }
  })

  it('with a header of absurd length is refused before it is read', () =>
    withFolder(async folder => {
      python(
        folder,
        `
import tarfile
info = tarfile.TarInfo('x'); info.type = tarfile.XHDTYPE; info.size = 8 << 30
open('evil.tar', 'wb').write(info.tobuf(tarfile.GNU_FORMAT) + b'a' * 4096)
`,
      )
      await expect(extractTo(join(folder, 'out'), join(folder, 'evil.tar'))).rejects.toMatchObject({ code: 'corrupt' })
    }))
})

describe('sizes that can not be', () => {
  const FIELDS = {
    'negative, in binary': "b'\\xff' * 12",
    'endless, in binary': "b'\\x80' + b'\\xff' * 11",
    'negative, in octal': "b'-0000000001\\0'",
  }
  it.each(Object.entries(FIELDS))('%s, in a tar header', (_, field) =>
    withFolder(async folder => {
      python(
        folder,
        `
import tarfile
t = tarfile.TarInfo('x'); t.size = 4; h = bytearray(t.tobuf(tarfile.GNU_FORMAT))
h[124:136] = ${field}
h[148:156] = b' ' * 8; h[148:156] = b'%06o\\0 ' % sum(h)
open('evil.tar', 'wb').write(bytes(h) + b'data' + bytes(508 + 1024))
`,
      )
      await expect(extractTo(join(folder, 'out'), join(folder, 'evil.tar'))).rejects.toMatchObject({ code: 'corrupt' })
      expect(readdirSync(join(folder, 'out'))).toEqual([])
    }),
  )

  it.each(['-5', '99999999999999999999', '1e9'])('%s, in a pax header', size =>
    withFolder(async folder => {
      python(
        folder,
        `
import io, tarfile
t = tarfile.open('evil.tar', 'w', format=tarfile.PAX_FORMAT)
i = tarfile.TarInfo('x'); i.size = 4; i.pax_headers = {'size': '${size}'}
t.addfile(i, io.BytesIO(b'data')); t.close()
`,
      )
      await expect(extractTo(join(folder, 'out'), join(folder, 'evil.tar'))).rejects.toMatchObject({ code: 'corrupt' })
      expect(readdirSync(join(folder, 'out'))).toEqual([])
    }),
  )

  it('a long name, or a pax header, that is a bomb itself', () =>
    withFolder(async folder => {
      python(
        folder,
        `
import gzip, tarfile
for name, kind in (('name', tarfile.GNUTYPE_LONGNAME), ('pax', tarfile.XHDTYPE)):
    i = tarfile.TarInfo('x'); i.type = kind; i.size = 300_000_000
    with gzip.open(name, 'wb', 1) as g:
        g.write(i.tobuf(tarfile.GNU_FORMAT))
        for _ in range(30): g.write(b'a' * 10_000_000)
`,
      )
      for (const name of ['name', 'pax'])
        await expect(extractTo(join(folder, 'out'), join(folder, name))).rejects.toMatchObject({ code: 'corrupt' })
    }))

  it('in a zip', () =>
    withFolder(async folder => {
      python(
        folder,
        `
import struct, zipfile
with zipfile.ZipFile('x.zip', 'w', zipfile.ZIP_DEFLATED) as z: z.writestr('a', bytes(3_000_000))
b = bytearray(open('x.zip', 'rb').read()); at = b.index(b'PK\\1\\2') + 24
for size in (10, 2_999_999, 3_000_001, 0xfffffff0):
    b[at:at + 4] = struct.pack('<I', size)
    open(f'{size}.zip', 'wb').write(b)
`,
      )
      for (const [size, why] of [
        [10, 'it is longer than the 10 bytes that are stated'],
        [2_999_999, 'it is longer than the 2999999 bytes that are stated'],
        [3_000_001, 'it is 1 bytes shorter than stated'],
      ]) {
        const { result, warnings } = await extractTo(join(folder, 'out'), join(folder, `${size}.zip`))
        expect(result).toMatchObject({ files: 0, refused: 0, damaged: 1 })
        expect(warnings).toEqual([`a was not extracted: ${why}`])
      }
      await expect(extractTo(join(folder, 'out'), join(folder, `${0xfffffff0}.zip`))).rejects.toMatchObject({
        code: 'denied',
        message: expect.stringMatching(/more than 100 times/) as string,
      })
      expect(readdirSync(join(folder, 'out'))).toEqual([])
    }))
})

it('entries of a zip that share bytes are refused, in whatever order they stand', () =>
  withFolder(async folder => {
    python(
      folder,
      `
import struct, zipfile
with zipfile.ZipFile('x.zip', 'w', zipfile.ZIP_DEFLATED) as z:
    for name in 'abc': z.writestr(name, bytes(1_000_000))
data = open('x.zip', 'rb').read()
first = data.index(b'PK\\1\\2'); end = data.index(b'PK\\5\\6'); each = (end - first) // 3
a, b, c = (data[first + i * each:first + (i + 1) * each] for i in range(3))
def write(file, *entries):
    tail = bytearray(data[end:])
    tail[8:12] = struct.pack('<HH', len(entries), len(entries)); tail[12:16] = struct.pack('<I', each * len(entries))
    open(file, 'wb').write(data[:first] + b''.join(entries) + tail)
write('good.zip', c, a, b)
d = bytearray(b); d[46:47] = b'd'
write('last.zip', a, c, b, bytes(d))
write('first.zip', bytes(d), b, a)
wide = bytearray(a); wide[20:24] = struct.pack('<I', 100 + struct.unpack('<I', a[20:24])[0])
write('wide.zip', bytes(wide), b)
`,
    )
    expect((await extractTo(join(folder, 'out'), join(folder, 'good.zip'))).result.files).toBe(3)
    for (const name of ['last.zip', 'first.zip', 'wide.zip'])
      await expect(extractTo(join(folder, `out-${name}`), join(folder, name)), name).rejects.toMatchObject({
        code: 'corrupt',
        message: /entries share bytes/,
      })
  }))

describe('damaged zip', () => {
  it('with a wrong checksum is found, though it inflates', () =>
    withFolder(async folder => {
      python(
        folder,
        `import zipfile; z = zipfile.ZipFile('x.zip', 'w'); z.writestr('a.txt', 'hello world'); z.writestr('b.txt', 'b'); z.close()`,
      )
      const bytes = readFileSync(join(folder, 'x.zip'))
      bytes[bytes.indexOf('hello')]! ^= 0x20
      writeFileSync(join(folder, 'x.zip'), bytes)
      const { result, warnings } = await extractTo(join(folder, 'out'), join(folder, 'x.zip'))
      expect(result).toMatchObject({ files: 1, damaged: 1 })
      expect(warnings).toEqual(['a.txt was not extracted: its checksum is wrong'])
      expect(readdirSync(join(folder, 'out'))).toEqual(['b.txt'])
    }))
})

it('bytes after the end of a gzip file do no harm', () =>
  withFolder(async folder => {
    makeTree(folder, { 'a.txt': 'a' })
    const archive = Buffer.concat([gzipSync(shell(folder, 'tar -c a.txt')), Buffer.alloc(700)])
    expect((await extractTo(join(folder, 'out'), archive)).result.files).toBe(1)
  }))
