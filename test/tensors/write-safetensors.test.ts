import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readTensorFile } from '../../src/tensors/read-tensor-file.ts'
import { planSafetensors } from '../../src/tensors/write-safetensors.ts'
import { npy, npyHeader, safetensors } from '../chunking/layouts/writers.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { elementsOf, filesOf, sourceOf, torchFile, writtenBy } from './tensor-files.ts'

async function planned(bytes: Uint8Array, ...names: string[]) {
  const source = sourceOf(bytes)
  const file = await readTensorFile('model', source)
  const plan = planSafetensors(
    file,
    file.tensors.filter(({ name }) => names.includes(name)),
  )
  return { source, plan }
}

/** A new file of the tensors of these names. */
async function taken(bytes: Uint8Array, ...names: string[]): Promise<Buffer> {
  const { source, plan } = await planned(bytes, ...names)
  const { written } = await writtenBy(plan, source)
  expect(written.length).toBe(plan.bytes)
  return written
}

test('bytes, types, shapes and texts are kept; elements are aligned, and no byte lies between tensors', async () => {
  const model = safetensors([
    { name: 'odd', dtype: 'U8', shape: [3], data: seededBytes(3, 1) },
    { name: 'left out', dtype: 'F32', shape: [5], data: seededBytes(20, 2) },
    { name: 'large "ü"', dtype: 'BF16', shape: [3, 3 * 1024 * 1024], data: seededBytes(18 * 1024 * 1024, 3) },
    { name: 'wide', dtype: 'F64', shape: [], data: seededBytes(8, 4) },
    { name: 'newer', dtype: 'F4', shape: [4], data: seededBytes(2, 5) },
    { name: 'none', dtype: 'F32', shape: [0, 2], data: Buffer.alloc(0) },
  ])
  const names = ['odd', 'large "ü"', 'wide', 'newer', 'none']
  const written = await taken(model, ...names)
  const [before, after] = [await filesOf(model), await filesOf(written)]
  expect([...after.metadata]).toEqual([...before.metadata])
  expect(after.tensors.map(({ name }) => name).sort()).toEqual([...names].sort())
  let end = 8 + Number(written.readBigUInt64LE())
  expect(end % 8).toBe(0)
  for (const { name, dtype, shape, offset, bytes, type } of after.tensors) {
    expect(before.tensors.find(tensor => tensor.name === name)).toMatchObject({ dtype, shape })
    expect(offset).toBe(end)
    expect(offset % (type?.width ?? 1)).toBe(0)
    expect((await elementsOf(written, name)).equals(await elementsOf(model, name)), name).toBe(true)
    end += bytes
  }
  expect(end).toBe(written.length)
})

test('views of PyTorch become tensors of their own, and say that they come from there', async () => {
  const floats = (...values: number[]): Buffer => Buffer.from(Float32Array.from(values).buffer)
  const view = { storageClass: 'FloatStorage', key: '0', elements: 6, offset: 0 }
  const model = torchFile(
    [
      { ...view, name: 'weight', shape: [2, 3], strides: [3, 1] },
      { ...view, name: 'transposed', shape: [3, 2], strides: [1, 3] },
      { ...view, name: 'complex', storageClass: 'ComplexDoubleStorage', key: '1', elements: 1, shape: [1], strides: [1] },
    ],
    { 0: floats(1, 2, 3, 4, 5, 6), 1: Buffer.alloc(16) },
  )
  const written = await taken(model, 'weight', 'transposed')
  expect([...(await filesOf(written)).metadata]).toEqual([['format', 'pt']])
  expect(await elementsOf(written, 'transposed')).toEqual(floats(1, 4, 2, 5, 3, 6))
  await expect(taken(model, 'complex')).rejects.toMatchObject({ code: 'unsupported', list: ['complex: safetensors has no C128'] })
  // with others it is left out
  const { plan } = await planned(model, 'complex', 'weight')
  expect(plan.skipped.map(({ tensor, why }) => [tensor.name, why])).toEqual([['complex', 'safetensors has no C128']])
  expect((await filesOf(await taken(model, 'complex', 'weight'))).tensors.map(({ name }) => name)).toEqual(['weight'])
})

test('a tensor of GGUF keeps its shape as NumPy tells it', async () => {
  const model = readFileSync(new URL('../chunking/layouts/fixtures/two.gguf', import.meta.url))
  const { tensors } = await filesOf(await taken(model, 'a', 'b'))
  expect(tensors.map(({ name, dtype, shape }) => [name, dtype, shape]).sort()).toEqual([
    ['a', 'F32', [2, 3]],
    ['b', 'F16', [2, 3, 5]],
  ])
})

test('what are no numbers is refused', async () => {
  await expect(taken(npy(npyHeader("'<U2'", '(2,)'), Buffer.alloc(16)), 'array')).rejects.toMatchObject({
    list: ['array: safetensors has no <U2'],
  })
})
