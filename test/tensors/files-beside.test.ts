import { describe, expect, test } from 'vitest'
import { openElements } from '../../src/tensors/element-reader.ts'
import { withFilesBeside } from '../../src/tensors/files-beside.ts'
import { readTensorFile } from '../../src/tensors/read-tensor-file.ts'
import { AppError } from '../../src/util/errors.ts'
import { rejection } from '../helpers/failures.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { checkpointIndex, type Variable } from './checkpoint-files.ts'
import { field, initializer, message, onnx, tensor } from './onnx-files.ts'
import { filesOf, hashedSourceOf, sourceOf } from './tensor-files.ts'

const weights = seededBytes(4000, 1)
const files: Record<string, Uint8Array> = {
  'ckpt.data-00000-of-00002': Buffer.concat([Buffer.alloc(16), weights]),
  'ckpt.data-00001-of-00002': Buffer.from('0000803f', 'hex'),
  'part/w.bin': weights,
}

async function opened(name: string, model: Uint8Array) {
  const source = sourceOf(model)
  const asked: string[] = []
  const side = await withFilesBeside({ name, source, file: await readTensorFile(name, source) }, path => {
    asked.push(path)
    const bytes = files[path]
    return bytes ? Promise.resolve(sourceOf(bytes)) : Promise.reject(new AppError('not-found', `There is no file ${path}.`))
  })
  const read = async (tensorName: string): Promise<Buffer> => {
    const reader = await openElements(
      tensorName,
      side.file.tensors.find(tensor => tensor.name === tensorName)!,
      side.source,
    )
    return Buffer.from(await reader.read(0, reader.count))
  }
  return { side, asked, read }
}

const variables: Variable[] = [
  { name: 'layer/bias', dataType: 1, shape: [1], offset: 0, length: 4, shard: 1 },
  { name: 'layer/kernel', dataType: 1, shape: [10, 100], offset: 16, length: 4000 },
  { name: 'layer/names', dataType: 7, shape: [2], offset: 0, length: 9 },
]

describe('a TensorFlow checkpoint', () => {
  test('its index lists the variables, whose elements lie in the files beside it', async () => {
    const { side, asked, read } = await opened('runs/ckpt.index', checkpointIndex(variables, { shards: 2 }))
    expect(side.file.format).toBe('TensorFlow')
    expect(side.file.tensors.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['layer/bias', 'F32', [1]],
      ['layer/kernel', 'F32', [10, 100]],
      ['layer/names', 'STRING', [2]],
    ])
    expect(asked).toEqual(['ckpt.data-00001-of-00002', 'ckpt.data-00000-of-00002'])
    expect(await read('layer/kernel')).toEqual(Buffer.from(weights))
    expect(await read('layer/bias')).toEqual(Buffer.from('0000803f', 'hex'))
  })

  test('its index may be compressed', async () => {
    const { read } = await opened('ckpt.index', checkpointIndex(variables, { shards: 2, compression: 1 }))
    expect(await read('layer/bias')).toEqual(Buffer.from('0000803f', 'hex'))
  })

  test('big-endian elements are turned', async () => {
    const { read } = await opened('ckpt.index', checkpointIndex([variables[0]!], { shards: 2, bigEndian: 1 }))
    expect(await read('layer/bias')).toEqual(Buffer.from('3f800000', 'hex'))
  })

  test('without its files it is listed, and says which one is not there', async () => {
    const { side, read } = await opened('other.index', checkpointIndex(variables, { shards: 2 }))
    expect(side.file.tensors).toHaveLength(3)
    expect((await rejection(read('layer/bias'))).message).toMatch(/lie in other.data-00001-of-00002, which is not there/)
  })

  test.each<[what: string, code: string, index: Buffer]>([
    ['of another table', 'unsupported', checkpointIndex(variables, { first: 'a key' })],
    ['with blocks that are compressed otherwise', 'unsupported', checkpointIndex(variables, { compression: 2 })],
    ['whose lengths disagree', 'corrupt', checkpointIndex([{ ...variables[1]!, length: 3999 }])],
    ['with a trillion shards', 'corrupt', checkpointIndex(variables, { shards: 2 ** 40 })],
    ['whose block lies outside of it', 'corrupt', Buffer.concat([Buffer.from([0, 0, 0, 8]), checkpointIndex(variables).subarray(-48)])],
  ])('an index %s: %s', async (_what, code, index) => {
    expect((await rejection(filesOf(index))).code).toBe(code)
  })
})

describe('an ONNX model with external data', () => {
  const entries = (values: Record<string, string>): Buffer[] =>
    Object.entries(values).map(([key, value]) => field(13, message(field(1, key), field(2, value))))
  const model = (location: string, more: Record<string, string> = {}): Buffer =>
    onnx(initializer(tensor('w', 1, [1000], ...entries({ location, ...more }), field(14, 1))))

  test('is read from the file beside it', async () => {
    const { read, side } = await opened('model.onnx', model('part/w.bin', { offset: '0', length: '4000' }))
    expect(await read('w')).toEqual(Buffer.from(weights))
    expect(side.source.size).toBe(model('part/w.bin', { offset: '0', length: '4000' }).length + 4000)
  })

  test.each(['../w.bin', '/etc/passwd', 'part/../../w.bin', 'C:\\w.bin', 'c:w.bin', '', './w.bin'])('never from %s', async location => {
    const { asked, read } = await opened('model.onnx', model(location))
    expect(asked).toEqual([])
    expect((await rejection(read('w'))).code).toBe('unsupported')
  })

  test('a file that is too short for it', async () => {
    const { read } = await opened('model.onnx', model('part/w.bin', { offset: '4' }))
    expect((await rejection(read('w'))).message).toMatch(/part\/w.bin is too short for it/)
  })
})

test('hashes of the chunks of each file stay at their places', async () => {
  const index = checkpointIndex([variables[1]!])
  const source = hashedSourceOf(index, [])
  const beside = hashedSourceOf(Buffer.concat([Buffer.alloc(16), weights]), [16, 2016])
  const side = await withFilesBeside({ name: 'ckpt.index', source, file: await readTensorFile('ckpt.index', source) }, () =>
    Promise.resolve(beside),
  )
  const { offset, bytes } = side.file.tensors[0]!
  expect(side.source.chunksOf!(offset, bytes).map(chunk => [chunk.offset - offset, chunk.length])).toEqual([
    [0, 2000],
    [2000, 2000],
  ])
})
