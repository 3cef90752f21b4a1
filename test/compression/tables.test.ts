import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeBlock, encodeBlock, type BlockRequest } from '../../src/compression/block.ts'
import { FILTER_FIELDS, FILTER_FIELDS_CR, joinFields, readFieldShape, splitFields } from '../../src/compression/fields.ts'
import { FILTER_CODED_FLOATS } from '../../src/compression/coded-floats.ts'
import { FILTER_NONE } from '../../src/compression/filters.ts'
import { findTable, type Table } from '../../src/compression/find-table.ts'
import { loadZstd } from '../../src/compression/load-zstd.ts'
import { javascriptFields } from '../../src/kernels/fields.ts'
import { equalBytes } from '../../src/util/bytes.ts'
import { seededNoise, seededRandom } from '../helpers/seeded.ts'
import { CODECS, csvLike, flipBit, floatLike, KIB, MIB, textLike } from './data.ts'

const rows = (count: number, row: (i: number) => string): Buffer => Buffer.from(Array.from({ length: count }, (_, i) => row(i)).join('\n'))

/** With carriage returns alone, as an old Mac has. */
const old = (text: Uint8Array): Buffer => Buffer.from(text.map(byte => (byte === 10 ? 13 : byte)))

describe('findTable', () => {
  it.each([
    ['commas', rows(40, i => `${i},a,b`), { separator: 44, columns: 3 }],
    ['tabs, with commas in the text', rows(40, i => `${i}\tone, two${','.repeat(i % 3)}\tx`), { separator: 9, columns: 3 }],
    ['semicolons', rows(40, i => `${i};0,${i};`), { separator: 44, columns: 2 }],
    ['commas within quotes', rows(40, i => `${i},"a${','.repeat(i % 4)}b",c`), { separator: 44, columns: 3 }],
    ['a row in twenty that is another', rows(40, i => (i % 20 === 7 ? 'total' : `${i},a,b`)), { separator: 44, columns: 3 }],
    ['Ctrl-A, as of Hive', rows(40, i => `${i}\x01a, b\x01${'c '.repeat(i % 3)}`), { separator: 1, columns: 3 }],
    ['line feeds within quotes', rows(40, i => `${i},a,b,"${i % 5 === 0 ? 'two\nlines' : 'one'}",c`), { separator: 44, columns: 5 }],
    ['rows that end sooner or later', rows(60, i => `${i},a,b,c,d${',e'.repeat(i % 5)}`), { separator: 44, columns: 64 }],
    ['UTF-16', Buffer.from(rows(40, i => `${i},a,b`).toString(), 'utf16le'), { separator: 44, columns: 3 }],
    ['UTF-16, big-endian', Buffer.from(rows(40, i => `${i};a,b`).toString(), 'utf16le').swap16(), { separator: 44, columns: 2 }],
    ['fields of one width', rows(40, i => `${i}${'x'.repeat(i % 3)}`.padStart(9) + `${i * i}`.padStart(9)), { separator: 0, columns: 1 }],
    ['spaces', rows(40, i => `${i} 0.5 0.25 `), { separator: 32, columns: 4 }],
    ['rows of an old Mac', old(rows(40, i => `${i},a,b`)), { separator: 44, rowEnd: 13, columns: 3 }],
    [
      'rows of an old Mac in UTF-16',
      Buffer.from(old(rows(40, i => `${i},a,b`)).toString(), 'utf16le'),
      { separator: 44, rowEnd: 13, columns: 3 },
    ],
    [
      'and with line feeds within quotes',
      old(rows(40, i => `${i},"a${i % 2 ? '~' : ''}b",c`)).map(byte => (byte === 126 ? 10 : byte)),
      { separator: 44, rowEnd: 13, columns: 3 },
    ],
    ['rows that end with both', rows(40, i => `${i},a,b\r`), { separator: 44, columns: 3 }],
    [
      'rows with a carriage return here and there',
      rows(40, i => `${i},a\r,b`.replace('\r', i % 3 ? '' : '\r')),
      { separator: 44, columns: 3 },
    ],
    [
      'a bar of progress',
      old(rows(60, i => `${i}%|${'#'.repeat(i % 9)}| ${i}/60 [00:${i},  9.5it/s]`)),
      { separator: 44, rowEnd: 13, columns: 2 },
    ],
  ])('finds %s', (_, bytes, table) => expect(findTable(bytes)).toEqual({ rowEnd: 10, ...table }))

  it.each([
    ['too few rows', rows(8, i => `${i},a,b`)],
    ['prose', textLike(1, 20 * KIB)],
    ['random bytes', seededNoise(2, 20 * KIB)],
    ['rows of another number of fields each', rows(60, i => 'a,'.repeat(1 + (i % 3)))],
    ['one comma in most rows', rows(60, i => (i % 12 === 3 ? 'f()' : 'f(a, b)')).map(byte => (byte === 32 ? 95 : byte))],
    ['zeros among the rows', rows(40, i => `${i},a,\0`)],
    ['nothing', new Uint8Array(0)],
    [
      'base64',
      Buffer.from(
        Buffer.from(seededNoise(3, 4 * KIB))
          .toString('base64')
          .replace(/.{76}/g, '$&\n'),
      ),
    ],
    ['sequences of letters', rows(80, i => Array.from({ length: 60 }, (_, k) => 'ACGT'[(i * i + k * k * 7 + i * k) % 4]).join(''))],
    ['code of one depth', rows(60, i => `${' '.repeat(i % 5 < 3 ? 4 : 8)}call${i}()`)],
    ['objects of different lists', rows(60, i => `{"id":${i},"a":[1${',2'.repeat(i % 7)}],"b":3}`)],
    ['prose of at least three spaces a line', rows(60, i => `a few ${'more '.repeat(i % 7)}words here`)],
    ['no line feed', new Uint8Array(20 * KIB).fill(44)],
  ])('finds none in %s', (_, bytes) => expect(findTable(bytes)).toBeUndefined())
})

describe.each(CODECS)('blocks of tables (%s)', codec => {
  const zstd = loadZstd(codec)
  const request = (plain: Uint8Array): BlockRequest => ({ level: 'balanced', kind: 'general', table: findTable(plain) })

  it('take far less than without', async () => {
    const plain = csvLike(3, MIB)
    const block = encodeBlock(plain, request(plain), await zstd)
    expect(block.filter).toBe(FILTER_FIELDS)
    expect(equalBytes(decodeBlock(block, block.bytes, await zstd), plain)).toBe(true)
    const without = encodeBlock(plain, { level: 'balanced', kind: 'general' }, await zstd)
    expect(block.bytes.length).toBeLessThan(0.7 * without.bytes.length)
  })

  it('of an old Mac take no more', async () => {
    const plain = csvLike(3, MIB)
    const sizes = [plain, old(plain)].map(async text => {
      const block = encodeBlock(text, request(text), await zstd)
      expect(block.filter).toBe(text === plain ? FILTER_FIELDS : FILTER_FIELDS_CR)
      expect(equalBytes(decodeBlock(block, block.bytes, await zstd), text)).toBe(true)
      return block.bytes.length
    })
    const [size, sizeOld] = await Promise.all(sizes)
    expect(sizeOld).toBeLessThan(1.01 * size!)
  })

  it('and of tensors leave each other alone when they are decoded', async () => {
    const table = csvLike(3, MIB)
    const tensor = floatLike(4, MIB)
    const blocks = [
      encodeBlock(table, request(table), await zstd),
      encodeBlock(tensor, { level: 'balanced', kind: 'tensor', element: { width: 4, kind: 'float', dtype: 'F32' } }, await zstd),
    ]
    expect(blocks.map(({ filter }) => filter)).toEqual([FILTER_FIELDS, FILTER_CODED_FLOATS])
    const codec = await zstd
    const decoded = [...blocks, ...blocks].map(block => decodeBlock(block, block.bytes, codec))
    for (const [i, plain] of [table, tensor, table, tensor].entries()) expect(equalBytes(decoded[i]!, plain)).toBe(true)
  })

  it('come back whatever they begin and end with', async () => {
    const whole = csvLike(4, 60 * KIB)
    for (const [start, end] of [
      [0, 60 * KIB - 17],
      [13, 60 * KIB],
      [51, 59_999],
    ] as const) {
      const plain = whole.subarray(start, end)
      const block = encodeBlock(plain, request(plain), await zstd)
      expect(block.filter).toBe(FILTER_FIELDS)
      expect(equalBytes(decodeBlock(block, block.bytes, await zstd), plain)).toBe(true)
    }
  })

  it('stay whole where that is as small', async () => {
    const random = seededRandom(5)
    const usual = Array.from({ length: 40 }, () => `${random()},${random()},${random()}`)
    const plain = rows(2000, () => usual[Math.floor(random() * usual.length)]!)
    expect(findTable(plain)).toBeDefined()
    expect(encodeBlock(plain, request(plain), await zstd).filter).toBe(FILTER_NONE)
  })

  it('come back whatever they hold, and whatever table they are said to be', async () => {
    const codec = await zstd
    const cell = fc.oneof(fc.stringMatching(/^[0-9.]{0,9}$/), fc.stringMatching(/^[a-z",;]{0,40}$/), fc.constantFrom('', '\r', '"'))
    const row = fc.array(cell, { maxLength: 90 }).map(cells => cells.join(','))
    const table = fc.record<Table>({
      separator: fc.constantFrom(...Buffer.from(',;\t')),
      rowEnd: fc.constantFrom(10, 13),
      columns: fc.integer({ min: 2, max: 200 }),
    })
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 30 }), fc.integer({ min: 1, max: 400 }), table, (rows, times, table) => {
        const plain = Buffer.from(`${rows.join('\n')}\n`.repeat(times)).subarray(0, 300 * KIB)
        const block = encodeBlock(plain, { level: 'fast', kind: 'general', table }, codec)
        expect(equalBytes(decodeBlock(block, block.bytes, codec), plain)).toBe(true)
      }),
      { numRuns: 60 },
    )
  })

  it('stay whole where only their beginning is a table', async () => {
    const plain = Buffer.concat([csvLike(8, 20 * KIB), textLike(9, 2 * MIB).map(byte => (byte === 10 ? 32 : byte))])
    const block = encodeBlock(plain, request(plain), await zstd)
    expect(block.filter).toBe(FILTER_NONE)
    expect(equalBytes(decodeBlock(block, block.bytes, await zstd), plain)).toBe(true)
  })

  it('are refused as damaged, or come out as long as they should, whatever bit is flipped', async () => {
    const plain = csvLike(6, 20 * KIB)
    const block = encodeBlock(plain, request(plain), await zstd)
    const random = seededRandom(7)
    for (let run = 0; run < 300; run++) {
      const damaged = flipBit(block.bytes, Math.floor(random() * 8 * block.bytes.length))
      try {
        expect(decodeBlock(block, damaged, await zstd).length).toBe(plain.length)
      } catch (error) {
        expect(error).toMatchObject({ code: 'corrupt' })
      }
    }
  })
})

describe('splitFields', () => {
  it('leaves out columns and places that hold nothing, on either kernel', () => {
    const plain = Buffer.from('1,22\n3,4')
    const filtered = splitFields(plain, { separator: 44, rowEnd: 10, positions: [5, 4, 3] })
    expect([...filtered.parameters]).toEqual([44, 2, 2, 3])
    expect(filtered.streams.map(String)).toEqual(['13', ',,', '24', '2', '\n'].map(text => String([...Buffer.from(text)])))
    expect(splitFields(plain, { separator: 44, rowEnd: 10, positions: [5, 4, 3] }, javascriptFields())).toEqual(filtered)
    expect(String(Buffer.from(joinFields(filtered)))).toBe(String(plain))
  })

  it.each([
    [[]],
    [[44]],
    [[44, 0]],
    [[44, 1]],
    [[44, 1, 0]],
    [[44, 2, 1]],
    [[10, 1, 1]],
    [[34, 1, 1]],
    [[44, 2, 100, 29]],
    [[44, 1, 1, 1]],
  ])('never made the parameters %j', parameters =>
    expect(() => readFieldShape(FILTER_FIELDS, Uint8Array.from(parameters))).toThrow(expect.objectContaining({ code: 'corrupt' })),
  )

  it('never made a table whose fields end like its rows', () => {
    expect(() => readFieldShape(FILTER_FIELDS_CR, Uint8Array.of(13, 1, 1))).toThrow(expect.objectContaining({ code: 'corrupt' }))
    expect(readFieldShape(FILTER_FIELDS_CR, Uint8Array.of(10, 1, 1))).toEqual({ separator: 10, rowEnd: 13, positions: [1] })
  })

  it('never made streams that end too early, or too many', () => {
    const streams = [Buffer.from('1,'), Buffer.from('2\n'), Buffer.from('\n')]
    for (const positions of [
      [1, 1],
      [1, 1, 1],
    ]) {
      const parameters = Uint8Array.of(44, positions.length, ...positions)
      expect(() => joinFields({ filter: FILTER_FIELDS, parameters, streams })).toThrow(expect.objectContaining({ code: 'corrupt' }))
    }
  })
})
