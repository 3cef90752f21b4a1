import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { wholeMicroseconds } from '../../../src/local/times.ts'
import { isSafePath, ManifestDecoder, type Entry } from '../../../src/repository/format/manifest.ts'
import { encodeEntry } from '../../helpers/encode.ts'
import { refusal } from '../../helpers/failures.ts'
import { decodedOrRefused, flipBit, hexOf } from '../../helpers/repository/arbitraries.ts'
import { anyEntries, chunksOf, fileEntry } from '../../helpers/repository/manifest-entries.ts'

function decode(bytes: Uint8Array, cuts: readonly number[] = []): Entry[] {
  const decoder = new ManifestDecoder('x')
  const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length]
  const entries = edges.slice(1).flatMap((edge, i) => decoder.push(bytes.subarray(edges[i], edge)))
  return [...entries, ...decoder.finish()]
}

/** For comparing: long buffers are compared much faster as texts. */
const pictureOf = (entries: readonly Entry[]): object[] =>
  entries.map(entry => (entry.type === 'file' ? { ...entry, chunks: entry.chunks.toString('hex') } : entry))

const encode = (entries: readonly Entry[]): Buffer => Buffer.from(entries.map(encodeEntry).join(''))
const rows = (...content: object[]): Buffer => Buffer.from(content.map(row => `${JSON.stringify(row)}\n`).join(''))

describe('a manifest', () => {
  test('comes back as it was written, in whatever pieces it arrives', () => {
    fc.assert(
      fc.property(anyEntries, fc.array(fc.nat(), { maxLength: 12 }), (entries, cuts) => {
        const bytes = encode(entries)
        const edges = cuts.map(cut => cut % (bytes.length + 1))
        expect(pictureOf(decode(bytes, edges))).toEqual(pictureOf(entries))
      }),
      { seed: 1, numRuns: 150 },
    )
  })

  test('comes back byte by byte too', () => {
    const entries: Entry[] = [
      { path: 'é', type: 'directory', mode: 0o755, mtime: -1000n },
      { path: 'é/後', type: 'symlink', mode: 0o777, mtime: 5000n, target: '\udc80' },
      fileEntry('é/\udcff😀', chunksOf(3), 7),
    ]
    const bytes = encode(entries)
    const everyByte = Array.from(bytes, (_, i) => i)
    expect(decode(bytes, everyByte)).toEqual(entries)
  })

  test('has rows as JSON.stringify makes them: equal entries are equal bytes, whoever writes them', () => {
    fc.assert(
      fc.property(anyEntries, entries => {
        for (const line of encode(entries).toString().trimEnd().split('\n'))
          if (line !== '') expect(JSON.stringify(JSON.parse(line))).toBe(line)
      }),
      { seed: 2, numRuns: 60 },
    )
  })

  test('gives entries as soon as the row after them is there, so that little is held', () => {
    const decoder = new ManifestDecoder('x')
    expect(decoder.push(encode([fileEntry('a')]))).toEqual([])
    expect(decoder.push(encode([fileEntry('b')]))).toEqual([fileEntry('a')])
    expect(decoder.finish()).toEqual([fileEntry('b')])
  })

  test.each([
    [0, 1],
    [1024, 1],
    [1025, 2],
    [2048, 2],
    [2049, 3],
  ])('of a file with %i chunks takes %i rows of at most 1,024', (chunks, count) => {
    const entry = fileEntry('big', chunksOf(chunks), chunks)
    const lines = encodeEntry(entry).trimEnd().split('\n')
    expect(lines.length).toBe(count)
    for (const [part, line] of lines.entries()) {
      const row = JSON.parse(line) as { part?: number; chunks: string[] }
      expect(row.part).toBe(part === 0 ? undefined : part)
      expect(row.chunks.length).toBeLessThanOrEqual(1024)
    }
    expect(pictureOf(decode(encode([entry])))).toEqual(pictureOf([entry]))
  })

  test('with any bit flipped is refused as damaged, or still keeps its promises', () => {
    const entries: Entry[] = [
      { path: 'd', type: 'directory', mode: 0o755, mtime: 0n },
      fileEntry('d/\udcff', chunksOf(2), 7),
      { path: 'l', type: 'symlink', mode: 0o777, mtime: 5000n, target: 'd' },
    ]
    const bytes = encode(entries)
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const got = decodedOrRefused(() => decode(flipBit(bytes, bit)))
      expect(got?.every(({ path }) => isSafePath(path)) ?? true).toBe(true)
    }
    for (let length = 0; length < bytes.length; length++) {
      if (bytes[length - 1] === 10 || length === 0) continue
      expect(refusal(() => decode(bytes.subarray(0, length))).message).toContain('last row is incomplete')
    }
  })

  test('of random rows is refused as damaged, nothing else', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.json(), fc.string()), { minLength: 1, maxLength: 4 }), lines => {
        refusal(() => decode(Buffer.from(`${lines.join('\n')}\n`)))
      }),
      { seed: 2, numRuns: 300 },
    )
  })
})

const directory = (path: string) => ({ path, type: 'directory', mode: '755', mtime: '0' })
const file = (path: string, more: object = {}) => ({ path, type: 'file', mode: '644', mtime: '0', size: 1, chunks: [hexOf(1)], ...more })
const symlink = (path: string, target = 'x') => ({ path, type: 'symlink', mode: '777', mtime: '0', target })
const part = (path: string, number: number, count = 1) => ({
  path,
  part: number,
  chunks: Array.from({ length: count }, (_, i) => hexOf(i)),
})

describe('a manifest is refused', () => {
  test.each([
    ['rows out of order', [file('b'), file('a')]],
    ['a path twice', [file('a'), file('a')]],
    ['a folder twice', [directory('a'), directory('a')]],
    ['UTF-16 order', [file('😀'), file('\ue000')]],
    ['an absolute path', [file('/a')]],
    ['a path that leads upwards', [directory('..'), file('../a')]],
    ['a path that leads upwards later', [directory('a'), directory('a/..'), file('a/../b')]],
    ['the folder itself', [directory('.')]],
    ['an empty path', [file('')]],
    ['an empty part', [directory('a'), file('a//b')]],
    ['a path that ends in /', [directory('a/')]],
    ['NUL in a path', [file('a\0b')]],
    ['NUL in a target', [symlink('a', 'b\0c')]],
    ['an empty target', [symlink('a', '')]],
    ['an entry below a symlink', [symlink('a', '/etc'), file('a/b')]],
    ['an entry below a file', [file('a'), file('a/b')]],
    ['an entry below nothing', [file('a/b')]],
    ['an entry below a folder of another name', [directory('a'), directory('a/b'), file('a/bb/c')]],
    ['a part row at the beginning', [part('a', 1)]],
    ['a part row of another file', [file('a'), part('b', 1)]],
    ['part 0', [file('a'), part('a', 0)]],
    ['part 2 after the file', [file('a'), part('a', 2)]],
    ['part 1 twice', [file('a'), part('a', 1), part('a', 1)]],
    ['a part row of a folder', [directory('a'), part('a', 0)]],
    ['a part row of a symlink', [symlink('a'), part('a', 0)]],
    ['a part that is no number', [file('a'), { ...part('a', 1), part: null }]],
    ['1,025 chunks in a row', [file('a', { chunks: new Array<string>(1025).fill(hexOf(1)) })]],
    ['1,025 chunks in a part row', [file('a'), part('a', 1, 1025)]],
    ['an id that is too short', [file('a', { chunks: [hexOf(1).slice(1)] })]],
    ['an id in capitals', [file('a', { chunks: ['AB'.repeat(32)] })]],
    ['an id that is not hex', [file('a', { chunks: ['g'.repeat(64)] })]],
    ['chunks that are no list', [file('a', { chunks: hexOf(1) })]],
    ['no chunks', [file('a', { chunks: undefined })]],
    ['a negative size', [file('a', { size: -1 })]],
    ['a size beyond 2^53', [file('a', { size: 2 ** 53 })]],
    ['a mode with a 9', [file('a', { mode: '649' })]],
    ['a mode of five digits', [file('a', { mode: '10644' })]],
    ['a mode that is a number', [file('a', { mode: 420 })]],
    ['a time that is a number', [file('a', { mtime: 5 })]],
    ['a time with a fraction', [file('a', { mtime: '1.5' })]],
    ['a time that no system has', [file('a', { mtime: '9'.repeat(28) })]],
    ['an unknown type', [file('a', { type: 'device' })]],
    ['no type', [file('a', { type: undefined })]],
    ['a lone surrogate as text', [file('\udcff')]],
    ['base64 that is not canonical', [{ ...file(''), path: undefined, path64: '/x==' }]],
    ['base64 of a path that leads upwards', [{ ...file(''), path: undefined, path64: Buffer.from('../a').toString('base64') }]],
    ['base64 of NUL', [{ ...file(''), path: undefined, path64: Buffer.from([0xff, 0]).toString('base64') }]],
    ['base64 of nothing', [{ ...file(''), path: undefined, path64: '' }]],
    ['a row that is a list', [[1]]],
  ] as [string, object[]][])('for %s', (_, content) => void refusal(() => decode(rows(...content))))

  test('for bytes that are not UTF-8, rather than read with other names', () => {
    const bytes = rows(file('a?'))
    bytes[bytes.indexOf('?')] = 0xff
    expect(refusal(() => decode(bytes)).message).toContain('not UTF-8')
  })

  test('for a row of more than 4 MiB, in one piece or in many', () => {
    const long = rows(file('a', { more: 'x'.repeat(4 * 1024 * 1024) }), file('b'))
    expect(refusal(() => decode(long)).message).toContain('too long')
    const cuts = Array.from({ length: 4000 }, (_, i) => i * 1100)
    expect(refusal(() => decode(long, cuts)).message).toContain('too long')
  })

  test('for a row without end, without reading what came over and over', () => {
    const decoder = new ManifestDecoder('x')
    // were all of it copied at every piece, this would take minutes
    const piece = Buffer.alloc(16, 'x')
    refusal(() => {
      for (let i = 0; i < 300_000; i++) decoder.push(piece)
    })
  })
})

test('wholeMicroseconds rounds down, also before 1970', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), ns => {
      const whole = wholeMicroseconds(ns)
      expect(whole % 1000n).toBe(0n)
      expect(ns - whole >= 0n && ns - whole < 1000n).toBe(true)
    }),
    { seed: 3 },
  )
})
