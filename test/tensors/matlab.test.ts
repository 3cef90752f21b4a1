import { describe, expect, test } from 'vitest'
import { findTensors } from '../../src/chunking/tensor-layout.ts'
import { rejection } from '../helpers/failures.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { MatlabWriter } from './matlab-files.ts'
import { elementsOf, filesOf, sourceOf } from './tensor-files.ts'

const [DOUBLE, SINGLE, INT16, UINT8, UINT64, CHAR, SPARSE, CELL, OBJECT, FUNCTION] = [6, 7, 10, 9, 15, 4, 5, 1, 3, 16]
const [COMPLEX, LOGICAL] = [8, 2]
const little = new MatlabWriter()
const f64 = (...values: readonly number[]): Buffer => Buffer.from(Float64Array.from(values).buffer)
const f32 = (...values: readonly number[]): Buffer => Buffer.from(Float32Array.from(values).buffer)
/** Columns of [[1, 2, 3], [4, 5, 6]]. */
const COLUMNS = [1, 4, 2, 5, 3, 6]

const variables = (writer: MatlabWriter): Buffer[] => {
  const { bigEndian } = writer as unknown as { bigEndian: boolean }
  const ordered = (bytes: Buffer, width: 4 | 8): Buffer => (bigEndian ? Buffer.from(bytes)[width === 8 ? 'swap64' : 'swap32']() : bytes)
  return [
    writer.array(DOUBLE, 'd', [2, 3], [writer.element(9, ordered(f64(...COLUMNS), 8))]),
    // MATLAB stores small whole numbers in fewer bytes
    writer.array(DOUBLE, 'narrow', [2, 3], [writer.element(2, Buffer.from(COLUMNS))]),
    writer.array(DOUBLE, 'negative', [1, 3], [writer.element(3, writer.numbers(2, 0xffff, 0x8000, 7))]),
    writer.array(INT16, 'short', [1, 2], [writer.element(1, Buffer.from([0xfe, 3]))]),
    writer.array(SINGLE, 'c', [1, 2], [writer.element(7, ordered(f32(1, 2), 4)), writer.element(2, Buffer.from([3, 4]))], COMPLEX),
    writer.array(UINT8, 'b', [1, 3], [writer.element(2, Buffer.from([1, 0, 1]))], LOGICAL),
    writer.array(UINT64, 'long', [1, 1], [writer.element(13, writer.numbers(4, ...(bigEndian ? [1, 2] : [2, 1])))]),
    writer.array(DOUBLE, 'empty', [0, 3], [writer.element(9, Buffer.alloc(0))]),
    writer.struct('s', { w: writer.array(DOUBLE, '', [1, 1], [writer.element(9, ordered(f64(0.5), 8))]), text: text(writer, '') }),
    writer.array(
      CELL,
      'cell',
      [1, 2],
      [writer.array(UINT8, '', [1, 1], [writer.element(2, Buffer.from([9]))]), writer.element(14, Buffer.alloc(0))],
    ),
    writer.array(
      SPARSE,
      'thin',
      [3, 2],
      // room for three, of which one is not used
      [
        writer.element(5, writer.numbers(4, 0, 2, 0)),
        writer.element(5, writer.numbers(4, 0, 1, 2)),
        writer.element(9, ordered(f64(1.5, 2.5, 0), 8)),
      ],
    ),
    writer.array(
      SPARSE,
      'yes',
      [2, 1],
      [writer.element(5, writer.numbers(4, 1)), writer.element(5, writer.numbers(4, 0, 1)), writer.element(9, Buffer.from([1]))],
      LOGICAL,
    ),
    text(writer, 'text'),
  ]
}

function text(writer: MatlabWriter, name: string): Buffer {
  return writer.array(CHAR, name, [1, 2], [writer.element(16, Buffer.from('ab'))])
}

const EXPECTED: [name: string, dtype: string, shape: number[], elements: string][] = [
  ['d', 'F64', [2, 3], f64(1, 2, 3, 4, 5, 6).toString('hex')],
  ['narrow', 'F64', [2, 3], f64(1, 2, 3, 4, 5, 6).toString('hex')],
  ['negative', 'F64', [1, 3], f64(-1, -32768, 7).toString('hex')],
  ['short', 'I16', [1, 2], 'feff0300'],
  ['c', 'C64', [1, 2], f32(1, 3, 2, 4).toString('hex')],
  ['b', 'BOOL', [1, 3], '010001'],
  ['long', 'U64', [1, 1], '0200000001000000'],
  ['empty', 'F64', [0, 3], ''],
  ['s.w', 'F64', [1, 1], f64(0.5).toString('hex')],
  ['s.text', 'unknown', [1, 2], 'its elements are text'],
  ['cell.0', 'U8', [1, 1], '09'],
  ['cell.1', 'F64', [0, 0], ''],
  ['thin.ccol_indices', 'I32', [3], '000000000100000002000000'],
  ['thin.row_indices', 'I32', [2], '0000000002000000'],
  ['thin.values', 'F64', [2], f64(1.5, 2.5).toString('hex')],
  ['yes.ccol_indices', 'I32', [2], '0000000001000000'],
  ['yes.row_indices', 'I32', [1], '01000000'],
  ['yes.values', 'BOOL', [1], '01'],
  ['text', 'unknown', [1, 2], 'its elements are text'],
]

async function told(file: Buffer): Promise<typeof EXPECTED> {
  const found: typeof EXPECTED = []
  for (const { name, dtype, shape, unread } of (await filesOf(file, 'data.mat')).tensors)
    found.push([name, dtype, shape, unread ?? (await elementsOf(file, name)).toString('hex')])
  return found
}

describe('a MAT-file of version 5', () => {
  test.each([
    ['little-endian', little],
    ['big-endian', new MatlabWriter({ bigEndian: true })],
  ])('%s, its variables compressed or not', async (_what, writer) => {
    expect(await told(writer.file(...variables(writer)))).toEqual(EXPECTED)
    expect(await told(writer.file(...variables(writer).map(variable => writer.compressed(variable))))).toEqual(EXPECTED)
  })

  test('its numbers are cut as they are stored, those of compressed variables are not', async () => {
    const bytes = seededBytes(80_000, 1)
    const large = little.array(DOUBLE, 'large', [100, 100], [little.element(9, bytes)])
    const struct = little.struct('s', { w: little.array(SINGLE, '', [10_000, 2], [little.element(7, bytes)]) })
    const file = little.file(little.compressed(variables(little)[0]!), large, struct, text(little, 't'))
    const spans = await findTensors(file.length, sourceOf(file).read)
    expect(spans?.map(({ name, length, dtype }) => [name, length, dtype])).toEqual([
      ['large', 80_000, 'F64'],
      ['s.w', 80_000, 'F32'],
    ])
    for (const { offset, length } of spans!) expect(file.subarray(offset, offset + length)).toEqual(Buffer.from(bytes))
  })

  test('a long variable with others in it is unpacked once, and found in it', async () => {
    const fields = Object.fromEntries(
      Array.from({ length: 50 }, (_, i) => [`f${i}`, little.array(UINT8, '', [1000, 10], [little.element(2, seededBytes(10_000, i))])]),
    )
    const file = little.file(little.compressed(little.struct('s', fields)))
    expect((await filesOf(file)).tensors.map(({ name }) => name)).toEqual(Array.from({ length: 50 }, (_, i) => `s.f${i}`))
    const columns = Buffer.from(seededBytes(10_000, 49))
    const rows = Buffer.from(columns.map((_, i) => columns[(i % 10) * 1000 + Math.floor(i / 10)]!))
    expect(await elementsOf(file, 's.f49')).toEqual(rows)
  })

  test('what is no array of numbers is told, and what only MATLAB understands is left out', async () => {
    const objects = [little.array(FUNCTION, 'f', [1, 1], []), little.array(17, 'o', [], [])]
    // an object states no shape
    const opaque = little.element(14, Buffer.concat([little.element(6, little.numbers(4, 17, 0)), little.element(1, Buffer.from('o'))]))
    const ints = little.array(UINT8, 'ci', [1, 1], [little.element(2, Buffer.from([1])), little.element(2, Buffer.from([1]))], COMPLEX)
    const workspace = little.compressed(little.array(UINT8, '', [1, 1], [little.element(2, Buffer.from([1]))]))
    const file = little.file(objects[0]!, opaque, ints, workspace)
    little.numbers(4, file.length - workspace.length, 0).copy(file, 116)
    expect((await filesOf(file)).tensors.map(({ name, unread }) => [name, unread])).toEqual([
      ['f', 'it is a function of MATLAB'],
      ['o', 'it is an object of MATLAB'],
      ['ci', 'its elements are complex integers'],
    ])
  })

  test('a damaged variable does not cost the others', async () => {
    const [first, second] = variables(little).map(variable => little.compressed(variable)) as [Buffer, Buffer]
    const file = little.file(Buffer.concat([first.subarray(0, -4), Buffer.alloc(4)]), second)
    expect((await filesOf(file)).tensors.map(({ name, isDamaged }) => [name, isDamaged])).toEqual([
      ['variable 0', true],
      ['narrow', undefined],
    ])
    expect(await elementsOf(file, 'narrow')).toEqual(f64(1, 2, 3, 4, 5, 6))
    // its checksum lies behind what is looked at first
    const long = little.compressed(little.array(UINT8, 'long', [1000, 1000], [little.element(2, seededBytes(1_000_000, 1))]))
    const cut = little.file(Buffer.concat([long.subarray(0, -4), Buffer.alloc(4)]))
    expect((await rejection(elementsOf(cut, 'long'))).message).toMatch(/cut short or damaged/)
  })

  const number = (kind: number, shape: readonly number[], ...parts: readonly Buffer[]): Buffer =>
    little.file(little.array(kind, 'x', shape, parts))
  let nested = little.array(UINT8, '', [1, 1], [little.element(2, Buffer.from([1]))])
  for (let i = 0; i < 40; i++) nested = little.array(CELL, i === 39 ? 'deep' : '', [1, 1], [nested])

  test.each<[what: string, code: string, file: Buffer]>([
    ['ends in its header', 'corrupt', number(DOUBLE, [1, 1]).subarray(0, 100)],
    ['is of another version', 'unsupported', Buffer.from(number(DOUBLE, [1, 1])).fill(3, 124, 126)],
    ['states no order of bytes', 'corrupt', Buffer.from(number(DOUBLE, [1, 1])).fill(3, 126, 128)],
    ['has a shape and a length that disagree', 'corrupt', number(DOUBLE, [3, 1], little.element(9, Buffer.alloc(16)))],
    ['has an endless shape', 'corrupt', number(DOUBLE, [0x7fffffff, 0x7fffffff, 0x7fffffff], little.element(9, Buffer.alloc(16)))],
    ['has a negative shape', 'corrupt', number(DOUBLE, [0xffffffff, 1], little.element(9, Buffer.alloc(16)))],
    ['has an array of unknown class', 'unsupported', number(99, [1, 1], little.element(9, Buffer.alloc(8)))],
    ['has numbers of unknown type', 'unsupported', number(DOUBLE, [1, 1], little.element(8, Buffer.alloc(8)))],
    ['has a billion cells', 'corrupt', number(CELL, [1e6, 1e3], little.element(14, Buffer.alloc(0)))],
    ['is nested too deep', 'unsupported', little.file(nested)],
    ['has fields without names', 'corrupt', number(2, [1, 1], little.element(5, little.numbers(4, 0)), little.element(1, Buffer.alloc(8)))],
    ['is cut short', 'corrupt', number(OBJECT, [1, 1]).subarray(0, -8)],
    ['is cut short in a variable', 'corrupt', number(DOUBLE, [4, 1], little.element(9, Buffer.alloc(32))).subarray(0, -8)],
  ])('a file that %s: %s', async (_what, code, file) => {
    expect((await rejection(filesOf(file))).code).toBe(code)
    expect(await findTensors(file.length, sourceOf(file).read)).toBeUndefined()
  })
})
