import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { MIN_TENSOR_BYTES } from '../../src/chunking/layouts/cuts.ts'
import { findTensors } from '../../src/chunking/tensor-layout.ts'
import { openElements } from '../../src/tensors/element-reader.ts'
import { readTensorFile } from '../../src/tensors/read-tensor-file.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { sourceOf } from '../tensors/tensor-files.ts'
import { run } from './tools.ts'

/** Debian's Python, which has Debian's h5py and onnx. */
const PYTHON = process.env.MODELS_PYTHON ?? '/usr/bin/python3'

type Told = Record<string, [dtype: string, shape: number[], sha: string]>
let truth: Record<string, Told> = {}
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'models-'))
  run(folder, PYTHON, join(import.meta.dirname, 'models_onnx_hdf5.py'), folder)
  truth = JSON.parse(readFileSync(join(folder, 'truth.json'), 'utf8')) as typeof truth
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true }))

test.each([
  ['default.h5', 20],
  ['earliest.h5', 20],
  ['latest.h5', 20],
  ['tracked.h5', 20],
  ['indexes.h5', 70],
  ['trees.h5', 69],
  ['matlab.mat', 4],
  ['behind.h5', 0],
  ['model.onnx', 20],
])('every tensor of %s is read as its library reads it', async (name, least) => {
  const source = sourceOf(readFileSync(join(folder, name)))
  const got: [string, Told[string]][] = []
  for (const tensor of (await readTensorFile(name, source)).tensors) {
    const reader = await openElements(tensor.name, tensor, source)
    got.push([tensor.name, [tensor.dtype, tensor.shape, sha256Hex(await reader.read(0, reader.count))]])
  }
  expect(Object.keys(truth[name]!).length).toBeGreaterThan(least)
  expect(Object.fromEntries(got)).toEqual(truth[name])
})

test.each(['default.h5', 'model.onnx'])('%s is cut around the elements of large tensors', async name => {
  const bytes = readFileSync(join(folder, name))
  const { read } = sourceOf(bytes)
  const spans = (await findTensors(bytes.length, read))!
  const large = spans.filter(({ length, shape }) => length >= MIN_TENSOR_BYTES && shape !== undefined)
  expect(large.length).toBeGreaterThan(2)
  const shas = new Set(Object.values(truth[name]!).map(([, , sha]) => sha))
  for (const { offset, length, kind } of large)
    if (kind === 'float') expect(shas).toContain(sha256Hex(bytes.subarray(offset, offset + length)))
})
