import { gzipSync } from 'node:zlib'
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
  ['R', 'RDX3\nX\n\0\0\0\x03', /is saved objects of R/],
  ['XGBoost', '{L\0\0\0\0\0\0\0\x07learner', /is a model of XGBoost/],
  ['XGBoost in JSON', '{"learner":{"attributes":{}', /is a model of XGBoost/],
  ['LightGBM', 'tree\nversion=v4\nnum_class=1', /is a model of LightGBM/],
  ['CatBoost', 'CBM1\x20\x01', /is a model of CatBoost/],
  ['TensorRT', 'ftrt\0\0', /is an engine of TensorRT/],
  ['SQLite', 'SQLite format 3\0', /is an SQLite database/],
  ['Zarr', '{"chunks":[10],"dtype":"<f4"', /is the description of a Zarr array/],
])('%s is named', async (_what, start, message) => {
  const error = await rejection(filesOf(Buffer.concat([Buffer.from(start, 'latin1'), Buffer.alloc(40)]), 'model.bin'))
  expect(error.code).toBe('unsupported')
  expect(error.message).toMatch(message)
  expect(error.hint).toBeTruthy()
})

test.each<[name: string, start: string, message: RegExp]>([
  // begins like ONNX
  ['net.mlmodel', '\x08\x06\x12\x85\x01\x0a', /is a model of Core ML/],
  ['net.mlpackage/Data/com.apple.CoreML/weights/weight.bin', '\x02\0\0\0\x02\0\0\0', /is the weights of a model of Core ML/],
  ['net.engine', '\0\0\0\0', /is an engine of TensorRT/],
  ['inference.pdiparams', '\0\0\0\0', /is an inference model of Paddle/],
  ['net.xml', '<?xml version="1.0"?>\n<net', /OpenVINO/],
  ['params/.zarray', '{\n    "chunks": [', /is the description of a Zarr array/],
  ['net.ubj', '{U\x07version', /is a model of XGBoost/],
])('%s is named after its name', async (name, start, message) => {
  const error = await rejection(filesOf(Buffer.concat([Buffer.from(start, 'latin1'), Buffer.alloc(40)]), name))
  expect([error.code, error.hint !== undefined]).toEqual(['unsupported', true])
  expect(error.message).toMatch(message)
})

test('what is compressed is named as well', async () => {
  const error = await rejection(filesOf(gzipSync(Buffer.from('X\n\0\0\0\x03\0\x04')), 'fit.rds'))
  expect(error.message).toBe('fit.rds is a saved object of R (.rds).')
})
