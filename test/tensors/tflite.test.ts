import { expect, test } from 'vitest'
import { findTensors } from '../../src/chunking/tensor-layout.ts'
import { reading } from '../chunking/layouts/writers.ts'
import { rejection } from '../helpers/failures.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { elementsOf, filesOf } from './tensor-files.ts'
import { table, tensor, tflite } from './tflite-files.ts'

const weights = seededBytes(8000, 1)
const spansOf = async (bytes: Uint8Array) => findTensors(bytes.length, reading(bytes).read)

test('tensors with elements, but no activations; some share their elements', async () => {
  const model = tflite(
    [
      tensor('input', 0, [1, 28], 0),
      tensor('kernel', 0, [50, 40], 1),
      tensor('again', 0, [40, 50], 1),
      tensor('half', 1, [2], 2),
      tensor('nibbles', 17, [8], 2),
      tensor('thin', 9, [100], 2, undefined, 0, [table()]),
    ],
    [table(), table(weights), table(Buffer.from([1, 2, 3, 4]))],
  )
  const file = await filesOf(model)
  expect([file.format, [...file.metadata]]).toEqual(['TensorFlow Lite', [['description', 'made by hand']]])
  expect(file.tensors.map(({ name, dtype, shape, sharedWith }) => [name, dtype, shape, sharedWith])).toEqual([
    ['kernel', 'F32', [50, 40], undefined],
    ['again', 'F32', [40, 50], 'kernel'],
    ['half', 'F16', [2], undefined],
    ['nibbles', 'INT4', [8], 'half'],
    ['thin', 'sparse I8', [100], 'half'],
  ])
  expect(await elementsOf(model, 'kernel')).toEqual(Buffer.from(weights))
  expect((await spansOf(model))!.map(({ length, width }) => [length, width])).toContainEqual([8000, 4])
})

test('elements behind the tables, as in models beyond 2 GB', async () => {
  const describe = (offset: number): Buffer =>
    tflite([tensor('kernel', 0, [50, 40], 1)], [table(), table(undefined, offset, 8000)], weights)
  const offset = describe(0).length - 8000
  const model = describe(offset)
  expect(await elementsOf(model, 'kernel')).toEqual(Buffer.from(weights))
  const [span] = (await spansOf(model))!
  expect(span).toMatchObject({ name: 'kernel', offset, length: 8000, width: 4, kind: 'float' })
})

test.each<[what: string, model: Buffer]>([
  ['a buffer that is not there', tflite([tensor('w', 0, [1], 7)], [table()])],
  ['a buffer outside of the file', tflite([tensor('w', 0, [1], 0)], [table(undefined, 2 ** 30, 4)])],
  ['fewer elements than its shape says', tflite([tensor('w', 0, [2], 0)], [table(Buffer.alloc(4))])],
  ['a negative count', tflite([tensor('w', 0, [-1], 0)], [table(Buffer.alloc(4))])],
  ['a root outside of the file', Buffer.concat([Buffer.from([0xff, 0xff, 0, 0]), Buffer.from('TFL3')])],
])('%s is damage', async (_what, model) => {
  expect((await rejection(filesOf(model))).code).toBe('corrupt')
  expect(await spansOf(model)).toBeUndefined()
})

test('the same tensor listed a million times is refused', async () => {
  const model = tflite([tensor('w', 0, [1], 0)], [table(Buffer.alloc(4))])
  const big = Buffer.concat([model, Buffer.alloc(4_000_000)])
  // the list of graphs: each offset leads to the same graph
  const at = model.length
  const root = model.readUInt32LE(0)
  const graphs = root + 8 + 8 * 2
  const graph = graphs + model.readUInt32LE(graphs) + 4
  const target = graph + model.readUInt32LE(graph)
  big.writeUInt32LE(at - graphs, graphs)
  big.writeUInt32LE(900_000, at)
  for (let i = 0, place = at + 4; i < 900_000; i++, place += 4) big.writeInt32LE(target - place, place)
  expect((await rejection(filesOf(big))).code).toBe('corrupt')
})
