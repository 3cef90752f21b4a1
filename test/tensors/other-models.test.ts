import { expect, test } from 'vitest'
import { findTensors } from '../../src/chunking/tensor-layout.ts'
import { reading } from '../chunking/layouts/writers.ts'
import { rejection } from '../helpers/failures.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { whisper } from './ggml-files.ts'
import { elementsOf, filesOf } from './tensor-files.ts'

const plain = seededBytes(6000, 1)
const tensors = [
  { name: 'encoder.weight', type: 0, shape: [30, 50], data: plain },
  { name: 'half', type: 1, shape: [4], data: Buffer.from('12345678') },
  { name: 'blocks', type: 2, shape: [2, 64], data: Buffer.alloc(72, 5) },
]

test('tensors of a ggml model of whisper.cpp', async () => {
  const model = whisper(tensors)
  const file = await filesOf(model)
  expect(file.format).toBe('ggml')
  expect(file.tensors.map(({ name, dtype, shape, bytes }) => [name, dtype, shape, bytes])).toEqual([
    ['encoder.weight', 'F32', [30, 50], 6000],
    ['half', 'F16', [4], 8],
    ['blocks', 'Q4_0', [2, 64], 72],
  ])
  expect(await elementsOf(model, 'encoder.weight')).toEqual(Buffer.from(plain))
  expect(await findTensors(model.length, reading(model).read)).toHaveLength(3)
})

test('cut short it is damaged; of another program, or with newer blocks, it is not understood', async () => {
  const model = whisper(tensors)
  expect((await rejection(filesOf(model.subarray(0, model.length - 1)))).code).toBe('corrupt')
  const other = await rejection(filesOf(Buffer.concat([Buffer.from('lmgg'), Buffer.alloc(200, 7)]), 'gpt.bin'))
  expect([other.code, other.message]).toEqual(['unsupported', "gpt.bin can't be read: a ggml model that is not one of whisper.cpp."])
  expect((await rejection(filesOf(whisper([{ ...tensors[0]!, type: 77 }])))).code).toBe('unsupported')
})

test.each<[what: string, start: string, message: RegExp]>([
  ['Parquet', 'PAR1\x15\x04', /is a Parquet table/],
  ['Arrow', 'ARROW1\0\0', /is an Arrow table/],
  ['ORT', '\x1c\0\0\0ORTM', /is a model of ONNX Runtime \(ORT format\)/],
  ['ggjt', 'tjgg\x03\0\0\0', /before GGUF \(ggjt\)/],
  ['ggla', 'algg\x01\0\0\0', /LoRA adapter of llama.cpp/],
  ['MXNet', '\x12\x01\0\0\0\0\0\0', /arrays of MXNet/],
  ['a pickle', '\x80\x04\x95', /is a pickle of Python that can't be read: a pickle with opcode 0/],
  ['what joblib compressed', 'x\x9c', /compressed \(zlib\)/],
  ['xz', '\xfd7zXZ\0', /compressed \(xz\)/],
])('%s is named', async (_what, start, message) => {
  const error = await rejection(filesOf(Buffer.concat([Buffer.from(start, 'latin1'), Buffer.alloc(40)]), 'model.bin'))
  expect(error.code).toBe('unsupported')
  expect(error.message).toMatch(message)
  expect(error.hint).toBeTruthy()
})
