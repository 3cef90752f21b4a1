import { expect, test } from 'vitest'
import { findTensors } from '../../src/chunking/tensor-layout.ts'
import { reading } from '../chunking/layouts/writers.ts'
import { rejection } from '../helpers/failures.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { array, map, text, whole } from './flax-files.ts'
import { elementsOf, filesOf } from './tensor-files.ts'

const kernel = seededBytes(50 * 200 * 4, 1)
const scale = seededBytes(2 * 300, 2)
const model = map({
  params: map({
    Dense_0: map({ kernel: array('float32', [50, 200], kernel), bias: array('bfloat16', [300], scale) }),
    none: array('int64', [0, 3], Buffer.alloc(0)),
    scalar: array('float32', [], kernel.subarray(0, 4)),
    odd: array('void24', [2], Buffer.alloc(6)),
  }),
  step: whole(1000),
  list: Buffer.from([0x92, 0xc0, 0xcb, 0, 0, 0, 0, 0, 0, 0, 0]),
  note: text('x'.repeat(100)),
  moments: Buffer.concat([Buffer.from([0x91]), array('uint8', [3], Buffer.from([1, 2, 3]))]),
})

test('arrays in nested maps and lists, by their keys', async () => {
  const { format, tensors } = await filesOf(model)
  expect(format).toBe('Flax')
  expect(tensors.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
    ['params.Dense_0.kernel', 'F32', [50, 200]],
    ['params.Dense_0.bias', 'BF16', [300]],
    ['params.none', 'I64', [0, 3]],
    ['params.scalar', 'F32', []],
    ['params.odd', 'void24', [2]],
    ['moments.0', 'U8', [3]],
  ])
  expect(await elementsOf(model, 'params.Dense_0.kernel')).toEqual(Buffer.from(kernel))
  expect(await elementsOf(model, 'moments.0')).toEqual(Buffer.from([1, 2, 3]))
  const span = (await findTensors(model.length, reading(model).read))!.find(({ name }) => name === 'params.Dense_0.kernel')!
  expect(span).toMatchObject({ width: 4, kind: 'float' })
  expect(model.subarray(span.offset, span.offset + span.length).equals(kernel)).toBe(true)
})

test.each<[what: string, file: Buffer]>([
  ['cut short', model.subarray(0, 20_000)],
  ['with a shape that is not true', map({ w: array('float32', [7], scale) })],
  ['without its last element', map({ w: array('float32', [1], kernel.subarray(0, 4)) }).subarray(0, -1)],
])('%s it is damaged, if its name says what it is', async (_what, file) => {
  expect((await rejection(filesOf(file, 'flax_model.msgpack'))).code).toBe('corrupt')
  expect(await findTensors(file.length, reading(file).read)).toBeUndefined()
})

test('other files in MessagePack are of another kind', async () => {
  expect((await rejection(filesOf(map({ a: whole(1), b: map({ c: text('d') }) }), 'cache.bin'))).code).toBe('unsupported')
  const deep = Buffer.concat([...Array.from({ length: 200 }, () => Buffer.from([0x81, 0xa1, 0x61])), whole(1)])
  expect((await rejection(filesOf(deep, 'deep.bin'))).code).toBe('unsupported')
})
