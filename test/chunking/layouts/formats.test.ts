import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { findTensors, type TensorSpan } from '../../../src/chunking/tensor-layout.ts'
import { seededBytes } from '../../helpers/seeded.ts'
import type { RecordField } from '../../../src/util/element-type.ts'
import { gguf, npy, npyHeader, rawSafetensors, reading, safetensors, type Entry, zip } from './writers.ts'

const KIB = 1024

async function find(bytes: Uint8Array): Promise<TensorSpan[] | undefined> {
  return findTensors(bytes.length, reading(bytes).read)
}

function fixture(name: string): Buffer {
  return readFileSync(new URL(`fixtures/${name}`, import.meta.url))
}

/** What a span says, its bytes among it. */
function told(file: Uint8Array, { offset, length, ...rest }: TensorSpan) {
  return { ...rest, data: Buffer.from(file.subarray(offset, offset + length)) }
}

function floats(length: number, seed = 1): Buffer {
  return Buffer.from(Float32Array.from({ length: length / 4 }, (_, i) => Math.sin(i * seed)).buffer)
}

describe('safetensors', () => {
  const entries: Entry[] = [
    { name: 'b', dtype: 'F32', shape: [4, 64], data: seededBytes(KIB, 1) },
    { name: 'a', dtype: 'BF16', shape: [2, 3], data: seededBytes(12, 2) },
    { name: '__proto__', dtype: 'I64', shape: [1], data: seededBytes(8, 3) },
    { name: 'none', dtype: 'F64', shape: [0, 7], data: seededBytes(0, 4) },
    { name: 'scalar', dtype: 'U8', shape: [], data: seededBytes(1, 5) },
    { name: 'newer', dtype: 'F4_X2', shape: [3], data: seededBytes(3, 6) },
  ]

  test('tensors with their names, types and shapes, in the order of their bytes', async () => {
    const file = safetensors(entries)
    const spans = await find(file)
    expect(spans?.map(span => told(file, span))).toEqual([
      { name: 'b', dtype: 'F32', kind: 'float', width: 4, shape: [4, 64], data: Buffer.from(entries[0]!.data) },
      { name: 'a', dtype: 'BF16', kind: 'float', width: 2, shape: [2, 3], data: Buffer.from(entries[1]!.data) },
      { name: '__proto__', dtype: 'I64', kind: 'int', width: 8, shape: [1], data: Buffer.from(entries[2]!.data) },
      { name: 'scalar', dtype: 'U8', kind: 'int', width: 1, shape: [], data: Buffer.from(entries[4]!.data) },
      { name: 'newer', dtype: 'F4_X2', kind: 'unknown', width: 1, shape: [3], data: Buffer.from(entries[5]!.data) },
    ])
  })

  test('a file without tensors has none', async () => {
    expect(await find(rawSafetensors('{}'))).toBeUndefined()
  })

  const entry = (dtype: string, shape: unknown, offsets: unknown) => ({ dtype, shape, data_offsets: offsets })
  test.each<[what: string, header: unknown]>([
    ['overlaps', { a: entry('U8', [4], [0, 4]), b: entry('U8', [4], [3, 7]) }],
    ['is longer than the file', { a: entry('U8', [101], [0, 101]) }],
    ['disagrees with its shape', { a: entry('F32', [2], [0, 4]) }],
    ['ends before it begins', { a: entry('U8', [0], [4, 0]) }],
    ['has half an offset', { a: entry('U8', [1], [0.5, 1.5]) }],
    ['has a negative offset', { a: entry('U8', [4], [-4, 0]) }],
    ['has an endless shape', { a: entry('U8', [2 ** 40, 2 ** 40], [0, 4]) }],
    ['has offsets beyond all numbers', { a: entry('U8', [4], [2 ** 53, 2 ** 53 + 4]) }],
    ['has texts for numbers', { a: entry('U8', ['4'], [0, 4]) }],
    ['has three offsets', { a: entry('U8', [4], [0, 4, 8]) }],
    ['is no object', { a: 'U8' }],
    ['is null', { a: null }],
    ['has no type', { a: { shape: [4], data_offsets: [0, 4] } }],
  ])('refuses a tensor that %s', async (_what, header) => {
    expect(await find(rawSafetensors(JSON.stringify(header), new Uint8Array(100)))).toBeUndefined()
  })

  test.each<[what: string, file: () => Buffer]>([
    ['is nested deep', () => rawSafetensors(`{"a":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`)],
    ['is nothing but brackets', () => rawSafetensors(`{"a":[${'[],'.repeat(500_000)}[]]}`)],
    ['is nothing but keys', () => rawSafetensors(`{${'"":0,'.repeat(600_000)}"a":0}`)],
    ['is no JSON', () => rawSafetensors('{"a":')],
    ['is not UTF-8', () => Buffer.concat([rawSafetensors('{"a":1}').subarray(0, 10), Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff)])],
    ['is longer than the file', () => safetensors(entries).subarray(0, 100)],
  ])('refuses a header that %s', async (_what, file) => {
    expect(await find(file())).toBeUndefined()
  })
})

describe('npy', () => {
  const data = seededBytes(48, 1)
  test.each<[descr: string, shape: string, version: number, expected: Partial<TensorSpan>]>([
    [`'<f4'`, '(3, 4)', 1, { width: 4, kind: 'float', dtype: 'F32', shape: [3, 4] }],
    [`'<f8'`, '(6,)', 2, { width: 8, kind: 'float', dtype: 'F64', shape: [6] }],
    [`'<f2'`, '(2, 3, 4)', 3, { width: 2, kind: 'float', dtype: 'F16', shape: [2, 3, 4] }],
    [`'<c8'`, '(6,)', 1, { width: 4, kind: 'float', dtype: 'C64', shape: [6] }],
    [`'<i8'`, '(6,)', 1, { width: 8, kind: 'int', dtype: 'I64', shape: [6] }],
    [`'<u2'`, '(24,)', 1, { width: 2, kind: 'int', dtype: 'U16', shape: [24] }],
    [`'|b1'`, '(48,)', 1, { width: 1, kind: 'int', dtype: 'BOOL', shape: [48] }],
    [`'<M8[ns]'`, '(6,)', 1, { width: 8, kind: 'int', shape: [6] }],
    [`'>f4'`, '(12,)', 1, { width: 4, kind: 'unknown', shape: [12] }],
    [`'<U3'`, '(4,)', 1, { width: 4, kind: 'unknown', shape: [4] }],
    [`'|S16'`, '(3,)', 1, { width: 1, kind: 'unknown', shape: [3] }],
    [`'<f16'`, '(3,)', 1, { width: 1, kind: 'unknown', shape: [3] }],
    [
      `[('a', '<i4'), ('b', '<f8')]`,
      '(4,)',
      1,
      {
        width: 1,
        kind: 'unknown',
        shape: [4],
        record: [
          { width: 4, count: 1, kind: 'int' },
          { width: 8, count: 1, kind: 'float' },
        ],
      },
    ],
    [
      `[('a', '>f4', (2,)), ('b', [('c', '<U1'), ('d', '|S0'), ('e', '<c8')], 3), ('f', '|V4')]`,
      '(1,)',
      1,
      {
        width: 1,
        kind: 'unknown',
        shape: [1],
        record: [
          { width: 4, count: 2, kind: 'unknown' },
          ...[1, 2, 3].flatMap((): RecordField[] => [
            { width: 4, count: 1, kind: 'unknown' },
            { width: 4, count: 2, kind: 'float' },
          ]),
          { width: 1, count: 4, kind: 'unknown' },
        ],
      },
    ],
  ])('%s %s', async (descr, shape, version, expected) => {
    const file = npy(npyHeader(descr, shape), data, version)
    expect(await find(file)).toEqual([{ name: '', offset: file.length - 48, length: 48, ...expected }])
  })

  test('what numpy itself writes', async () => {
    const told = async (name: string) => (await find(fixture(name)))?.map(({ width, kind, shape }) => ({ width, kind, shape }))
    expect(await told('scalar.npy')).toEqual([{ width: 2, kind: 'float', shape: [] }])
    expect(await told('complex.npy')).toEqual([{ width: 4, kind: 'float', shape: [2, 3] }])
    expect(await told('big-endian.npy')).toEqual([{ width: 4, kind: 'unknown', shape: [4] }])
    expect(await told('text.npy')).toEqual([{ width: 4, kind: 'unknown', shape: [2] }])
    expect(await told('fields.npy')).toEqual([{ width: 1, kind: 'unknown', shape: [5] }])
    expect(await told('objects.npy')).toBeUndefined()
  })

  test.each<[descr: string, shape: string, length: number | undefined]>([
    [`[('a', '<i4'), (('title', 'b'), '|u1', (2, 2)), ('c', [('d', '<f8', 2)])]`, '(2L,)', 48],
    [`[(u'a', u'<i4'), ('', '|V4')]`, '(6,)', 48],
    [`[('a', '<i4'), ('b', [('c', '|O8')])]`, '(6,)', undefined],
    [`"|O4"`, '(6,)', undefined],
    [`'<f8'`, '(2L, 3L)', 48],
  ])('of type %s', async (descr, shape, length) => {
    const file = npy(npyHeader(descr, shape), data)
    expect((await find(file))?.map(span => span.length)).toEqual(length === undefined ? undefined : [length])
  })

  test('several arrays one behind the other, and what follows them', async () => {
    const first = npy(npyHeader(`'<f4'`, '(11,)'), data.subarray(4))
    const empty = npy(npyHeader(`'<f4'`, '(0,)'), Buffer.alloc(0), 2)
    const last = npy(npyHeader(`'>i2'`, '(24,)'), data)
    const spans = await find(Buffer.concat([first, empty, last, data]))
    const at = first.length + empty.length + last.length
    expect(spans?.map(({ offset, length, width }) => [offset, length, width])).toEqual([
      [first.length - 44, 44, 4],
      [at - 48, 48, 2],
    ])
    // the second may still be written
    expect(await find(Buffer.concat([first, last]).subarray(0, -1))).toBeUndefined()
  })

  test.each<[what: string, file: Buffer]>([
    ['is too short', npy(npyHeader(`'<f4'`, '(12,)'), data.subarray(1))],
    ['has another version', npy(npyHeader(`'<f4'`, '(12,)'), data, 4)],
    ['has no shape', npy(`{'descr': '<f4'}`, data)],
    ['has an absurd shape', npy(npyHeader(`'<f4'`, '(1,,12)'), data)],
    ['has an endless shape', npy(npyHeader(`'<f4'`, `(${'9'.repeat(40)},)`), data)],
    ['has an absurd type', npy(npyHeader(`'nonsense'`, '(12,)'), data)],
    ['ends in its header', npy(npyHeader(`'<f4'`, '(12,)'), data).subarray(0, 40)],
    ['ends in its magic', Buffer.from('\x93NUMPY\x01', 'latin1')],
  ])('refuses an array that %s', async (_what, file) => {
    expect(await find(file)).toBeUndefined()
  })
})

describe('GGUF', () => {
  const tensors = [
    { name: 'plain', shape: [16, 16], type: 0, data: seededBytes(KIB, 1) },
    { name: 'quantised', shape: [64], type: 2, data: seededBytes(36, 2) },
    { name: 'brain', shape: [8, 10], type: 30, data: seededBytes(160, 3) },
    { name: 'last', shape: [32], type: 8, data: seededBytes(34, 4) },
  ]

  test.each([2, 3])('version %i', async version => {
    const file = gguf(tensors, { version, alignment: 64 })
    const spans = await find(file)
    expect(spans?.map(({ name, width, kind, dtype, shape }) => ({ name, width, kind, dtype, shape }))).toEqual([
      { name: 'plain', width: 4, kind: 'float', dtype: 'F32', shape: [16, 16] },
      { name: 'quantised', width: 1, kind: 'unknown', dtype: 'Q4_0', shape: [64] },
      { name: 'brain', width: 2, kind: 'float', dtype: 'BF16', shape: [8, 10] },
      { name: 'last', width: 1, kind: 'unknown', dtype: 'Q8_0', shape: [32] },
    ])
    for (const [i, { data }] of tensors.entries()) {
      const { offset, length } = spans![i]!
      expect(offset % 64).toBe(0)
      expect(length).toBeGreaterThanOrEqual(data.length)
      expect(Buffer.compare(file.subarray(offset, offset + data.length), data)).toBe(0)
    }
  })

  test('a header of several MiB', async () => {
    const file = gguf(tensors, { vocabulary: 200_000 })
    const spans = await find(file)
    expect(spans).toHaveLength(4)
    expect(Buffer.compare(file.subarray(spans![0]!.offset, spans![0]!.offset + KIB), tensors[0]!.data)).toBe(0)
  })

  test.each<[what: string, change: (file: Buffer) => void]>([
    ['another version', file => file.writeUInt32LE(1, 4)],
    ['10^9 tensors', file => file.writeBigUInt64LE(1_000_000_000n, 8)],
    ['more values than numbers go', file => file.writeBigUInt64LE(2n ** 63n, 16)],
    ['10^9 values', file => file.writeBigUInt64LE(1_000_000_000n, 16)],
    ['a key without end', file => file.writeBigUInt64LE(2n ** 40n, 24)],
    ['an alignment of 0', file => file.writeUInt32LE(0, file.indexOf('general.alignment') + 'general.alignment'.length + 4)],
    ['a vocabulary without end', file => file.writeBigUInt64LE(2n ** 50n, file.indexOf('tokens') + 'tokens'.length + 8)],
    ['scores without end', file => file.writeBigUInt64LE(2n ** 52n, file.indexOf('scores') + 'scores'.length + 8)],
  ])('refuses %s', async (_what, change) => {
    const file = gguf(tensors)
    change(file)
    expect(await find(file)).toBeUndefined()
  })
})

describe('zip', () => {
  const weights = npy(npyHeader(`'<f4'`, '(32, 33)'), floats(32 * 33 * 4))
  const ids = npy(npyHeader(`'<i8'`, '(600,)'), seededBytes(4800, 2))
  const members = [
    { name: 'weights.npy', data: weights },
    { name: 'deflated.npy', data: weights, method: 8 },
    { name: 'encrypted.npy', data: weights, flags: 1 },
    { name: 'notes.txt', data: seededBytes(5000, 3) },
    { name: 'sub/ids.npy', data: ids, padding: 17 },
    { name: 'fake.npy', data: seededBytes(5000, 4) },
    { name: 'tiny.npy', data: npy(npyHeader(`'<f4'`, '(2,)'), seededBytes(8, 5)) },
  ]

  test.each([
    ['plain', zip(members)],
    ['with a comment', zip(members, { comment: 'made by hand, PK\x05\x06 and all' })],
    [
      'ZIP64',
      zip(
        members.map(member => ({ ...member, wide: true })),
        { wide: true },
      ),
    ],
  ])('arrays among stored members: %s', async (_what, file) => {
    const spans = await find(file)
    expect(spans?.map(span => told(file, span))).toEqual([
      { name: 'weights', width: 4, kind: 'float', dtype: 'F32', shape: [32, 33], data: weights.subarray(-32 * 33 * 4) },
      { name: 'sub/ids', width: 8, kind: 'int', dtype: 'I64', shape: [600], data: ids.subarray(-4800) },
    ])
  })

  test('what numpy itself writes', async () => {
    const spans = await find(fixture('arrays.npz'))
    expect(spans?.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['weights', 'F32', [33, 32]],
      ['ids', 'I64', [600]],
    ])
  })

  test('HDF5 in a .keras, if it looks like numbers', async () => {
    const magic = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1')
    const model = Buffer.concat([magic, floats(60_000)])
    const file = zip([
      { name: 'metadata.json', data: Buffer.from('{}') },
      { name: 'model.weights.h5', data: model },
      { name: 'noise.h5', data: Buffer.concat([magic, seededBytes(60_000, 1)]) },
    ])
    const spans = await find(file)
    expect(spans?.map(span => told(file, span))).toEqual([{ name: 'model.weights.h5', width: 4, kind: 'unknown', data: model }])
    expect(await find(model)).toEqual([{ name: '', offset: 0, length: model.length, width: 4, kind: 'unknown' }])
  })

  test('no tensors in archives of other things', async () => {
    expect(await find(zip([{ name: 'photo.jpg', data: seededBytes(9000, 1) }]))).toBeUndefined()
  })

  const end = (file: Buffer) => file.lastIndexOf('PK\x05\x06')
  const central = (file: Buffer) => file.indexOf('PK\x01\x02')
  test.each<[what: string, change: (file: Buffer) => void]>([
    ['no end', file => file.fill(0, end(file))],
    ['more members than there are', file => file.writeUInt16LE(members.length + 1, end(file) + 10)],
    ['a directory outside of the file', file => file.writeUInt32LE(file.length, end(file) + 16)],
    ['a directory that is none', file => file.writeUInt32LE(3, end(file) + 16)],
    ['a member outside of the file', file => file.writeUInt32LE(file.length - 10, central(file) + 42)],
    ['a member that is none', file => file.writeUInt32LE(1, central(file) + 42)],
    ['a stored member of another size', file => file.writeUInt32LE(5001, central(file) + 20)],
    ['a name beyond the directory', file => file.writeUInt16LE(0xffff, central(file) + 28)],
    ['a size that is nowhere', file => file.fill(0xff, central(file) + 20, central(file) + 28)],
    [
      'two members at one place',
      file => file.writeUInt32LE(0, file.indexOf('PK\x01\x02', file.indexOf('sub/ids.npy', central(file)) - 46) + 42),
    ],
  ])('refuses %s', async (_what, change) => {
    const file = zip(members)
    change(file)
    expect(await find(file)).toBeUndefined()
  })
})

test('other files have no tensors', async () => {
  for (const file of [Buffer.alloc(0), Buffer.from('PK'), Buffer.from('id,name\n1,x\n'), Buffer.alloc(100_000), seededBytes(100_000, 1)]) {
    const { read, asked } = reading(file)
    expect(await findTensors(file.length, read)).toBeUndefined()
    expect(asked()).toBeLessThanOrEqual(16)
  }
})

test('what the reader throws is passed on', async () => {
  await expect(findTensors(100, () => Promise.reject(new Error('the disk is gone')))).rejects.toThrow('the disk is gone')
})

test('a file that shrinks while it is read has no tensors', async () => {
  const file = safetensors([{ name: 'a', dtype: 'U8', shape: [8], data: seededBytes(8, 1) }])
  expect(await findTensors(file.length, async (offset, length) => file.subarray(offset, Math.min(offset + length, 40)))).toBeUndefined()
})
