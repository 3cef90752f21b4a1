import { describe, expect, test } from 'vitest'
import { findTensors } from '../../src/chunking/tensor-layout.ts'
import { reading } from '../chunking/layouts/writers.ts'
import { rejection } from '../helpers/failures.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { field, initializer, message, node, onnx, raw, tensor, varint } from './onnx-files.ts'
import { elementsOf, filesOf } from './tensor-files.ts'

const weights = seededBytes(8000, 1)
const listed = async (bytes: Uint8Array) => (await filesOf(bytes)).tensors.map(({ name, dtype, shape }) => [name, dtype, shape])
const numbers = (...values: (number | bigint)[]): Buffer => Buffer.concat(values.map(varint))

test('initializers, values of nodes, and the graphs inside of nodes and functions', async () => {
  const inner = message(initializer(tensor('inner', 6, [1], raw(Buffer.alloc(4)))))
  const model = Buffer.concat([
    onnx(
      node('folded', 'value', field(5, tensor('', 1, [2], raw(Buffer.alloc(8))))),
      node('filled', 'fill', field(5, tensor('', 7, [1], raw(Buffer.alloc(8))))),
      node('chosen', 'then_branch', field(6, inner)),
      initializer(tensor('w', 1, [50, 40], raw(weights))),
      field(15, message(field(1, tensor('thin', 1, [2], raw(Buffer.alloc(8)))), field(2, tensor('', 7, [2], raw(Buffer.alloc(16)))))),
    ),
    field(14, message(field(1, 'author'), field(2, 'somebody'))),
    field(25, field(7, node('inFunction', 'value', field(5, tensor('', 9, [3], raw(Buffer.alloc(3))))).subarray(2))),
  ])
  const file = await filesOf(model)
  expect(file.format).toBe('ONNX')
  expect([...file.metadata]).toEqual([
    ['author', 'somebody'],
    ['producer', 'maker 1.0'],
  ])
  expect(await listed(model)).toEqual([
    ['folded', 'F32', [2]],
    ['filled.fill', 'I64', [1]],
    ['inner', 'I32', [1]],
    ['w', 'F32', [50, 40]],
    ['thin.values', 'F32', [2]],
    ['thin.indices', 'I64', [2]],
    ['inFunction', 'BOOL', [3]],
  ])
  expect(await elementsOf(model, 'w')).toEqual(Buffer.from(weights))
  const spans = (await findTensors(model.length, reading(model).read))!
  expect(spans.map(({ name, width, kind, dtype }) => [name, width, kind, dtype])).toContainEqual(['w', 4, 'float', 'F32'])
  const { offset, length } = spans.find(({ name }) => name === 'w')!
  expect(model.subarray(offset, offset + length)).toEqual(Buffer.from(weights))
})

test.each<[what: string, dataType: number, content: Uint8Array, expected: Uint8Array]>([
  ['fp16 in int32_data', 10, field(5, numbers(0x3c00, 0xbc01)), Buffer.from('003c01bc', 'hex')],
  ['negative int8 in int32_data', 3, field(5, numbers(-1n, 5)), Buffer.from('ff05', 'hex')],
  ['int32, one field for each', 6, Buffer.concat([field(5, -2n), field(5, 7)]), Buffer.from('feffffff07000000', 'hex')],
  [
    'int64 beyond all floats',
    7,
    field(7, numbers(-(2n ** 62n) - 1n, 2n ** 62n + 3n)),
    Buffer.from('ffffffffffffffbf0300000000000040', 'hex'),
  ],
  ['uint64', 13, field(11, numbers(2n ** 64n - 1n, 1)), Buffer.from('ffffffffffffffff0100000000000000', 'hex')],
  ['uint32 in uint64_data', 12, field(11, numbers(2n ** 32n - 1n, 1)), Buffer.from('ffffffff01000000', 'hex')],
  ['floats', 1, field(4, Buffer.alloc(8, 7)), Buffer.alloc(8, 7)],
  [
    'floats in two pieces',
    1,
    Buffer.concat([field(4, Buffer.alloc(4, 1)), field(4, Buffer.alloc(4, 2))]),
    Buffer.from('0101010102020202', 'hex'),
  ],
  ['floats, one field for each', 1, Buffer.from([0x25, 1, 2, 3, 4, 0x25, 5, 6, 7, 8]), Buffer.from([1, 2, 3, 4, 5, 6, 7, 8])],
  ['complex doubles', 15, field(10, Buffer.alloc(32, 3)), Buffer.alloc(32, 3)],
])('elements in fields of their type: %s', async (_what, dataType, content, expected) => {
  const model = onnx(initializer(tensor('t', dataType, [2], content)))
  expect(await elementsOf(model, 't')).toEqual(expected)
})

test('types without whole bytes, texts and newer ones are listed', async () => {
  const model = onnx(
    initializer(tensor('four', 22, [4], raw(Buffer.alloc(2)))),
    initializer(tensor('texts', 8, [2], field(6, 'a'), field(6, 'b'))),
    initializer(tensor('newer', 99, [2], raw(Buffer.alloc(5)))),
    initializer(tensor('packed shape', 1, [], field(1, numbers(1, 2)), raw(Buffer.alloc(8)))),
  )
  expect(await listed(model)).toEqual([
    ['four', 'INT4', [4]],
    ['texts', 'STRING', [2]],
    ['newer', 'ONNX type 99', [2]],
    ['packed shape', 'F32', [1, 2]],
  ])
})

describe('elements that are not in the file', () => {
  const entry = (key: string, value: string): Buffer => field(13, message(field(1, key), field(2, value)))

  test('in a file beside it', async () => {
    const model = onnx(initializer(tensor('w', 1, [2], entry('location', '../secret'), entry('offset', '0'), field(14, 1))))
    expect(await listed(model)).toEqual([['w', 'F32', [2]]])
    const refused = await rejection(elementsOf(model, 'w'))
    expect([refused.code, refused.message]).toEqual(['unsupported', 'w can\'t be read: its elements lie in another file, "../secret".'])
  })

  test('nowhere', async () => {
    const model = onnx(initializer(tensor('w', 1, [2])))
    expect((await rejection(elementsOf(model, 'w'))).message).toBe("w can't be read: it has no elements.")
  })
})

test.each<[what: string, model: Buffer]>([
  ['a length that is not that of its shape', onnx(initializer(tensor('w', 1, [3], raw(Buffer.alloc(8)))))],
  ['a shape beyond all numbers', onnx(initializer(tensor('w', 1, [2 ** 40, 2 ** 40], raw(Buffer.alloc(8)))))],
  ['a negative count', onnx(initializer(Buffer.concat([field(1, -1n), tensor('w', 1, [1], raw(Buffer.alloc(4)))])))],
  ['a tensor that is longer than the graph', onnx(Buffer.from([0x2a, 100]))],
  ['graphs in graphs', onnx(Array.from({ length: 100 }).reduce<Buffer>(graph => node('x', 'g', field(6, graph)), Buffer.alloc(0)))],
])('%s is damage', async (_what, model) => {
  expect((await rejection(filesOf(model))).code).toBe('corrupt')
  expect(await findTensors(model.length, reading(model).read)).toBeUndefined()
})

test('a file that only begins like a model is no damaged one', async () => {
  for (const bytes of [Buffer.concat([Buffer.from([8, 7, 0x12]), seededBytes(500, 1)]), Buffer.from([8, 7, 0x12, 0])])
    expect((await rejection(filesOf(bytes, 'any.bin'))).code).toBe('unsupported')
  expect((await rejection(filesOf(Buffer.from([8, 7, 0x12, 0]), 'cut.onnx'))).code).toBe('corrupt')
})

test('elements are not read to find them', async () => {
  const model = onnx(...Array.from({ length: 20 }, (_, i) => initializer(tensor(`w${i}`, 1, [50_000], raw(Buffer.alloc(200_000))))))
  const { read, asked } = reading(model)
  expect(await findTensors(model.length, read)).toHaveLength(20)
  expect(asked()).toBeLessThan(60_000)
})
