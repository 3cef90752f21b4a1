import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MIN_TENSOR_BYTES } from '../../src/chunking/layouts/cuts.ts'
import { findTensors } from '../../src/chunking/tensor-layout.ts'
import { openElements } from '../../src/tensors/element-reader.ts'
import { readTensorFile } from '../../src/tensors/read-tensor-file.ts'
import type { Tensor } from '../../src/tensors/tensor.ts'
import { sha256Hex } from '../../src/util/hash.ts'
import { sourceOf } from '../tensors/tensor-files.ts'
import { run } from './tools.ts'

/** Debian's Python, which has Debian's torch and numpy. */
const PYTHON = process.env.MODELS_PYTHON ?? '/usr/bin/python3'

/** Of a tensor: type, shape, hash of its elements, or a part of the reason why it can't be read. */
type Told = Record<string, [dtype: string, shape: number[], sha: string | null] | string>
let truth: Record<string, Told | string> = {}
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'models-'))
  run(folder, PYTHON, join(import.meta.dirname, 'models_torch.py'), folder)
  truth = JSON.parse(readFileSync(join(folder, 'truth.json'), 'utf8')) as typeof truth
}, 120_000)
afterAll(() => rmSync(folder, { recursive: true }))

const source = (name: string): ReturnType<typeof sourceOf> => sourceOf(readFileSync(join(folder, name)))

async function told(name: string): Promise<Told> {
  const from = source(name)
  const { tensors } = await readTensorFile(name, from)
  const entries: [string, Told[string]][] = []
  for (const tensor of tensors) entries.push([tensor.name, tensor.unread ?? [tensor.dtype, tensor.shape, await hashOf(tensor)]])
  return Object.fromEntries(entries)

  async function hashOf(tensor: Tensor): Promise<string | null> {
    if (tensor.dtype === 'objects') return null
    const reader = await openElements(tensor.name, tensor, from)
    return sha256Hex(await reader.read(0, reader.count))
  }
}

/** Of a file that torch or numpy reads: what they read, tensor by tensor. Names in a list, where nothing differs. */
async function differences(name: string): Promise<string[]> {
  const expected = truth[name] as Told
  const got = await told(name)
  return [...new Set([...Object.keys(expected), ...Object.keys(got)])].filter(tensor => {
    const [want, have] = [expected[tensor], got[tensor]]
    if (typeof want === 'string') return typeof have !== 'string' || !have.includes(want)
    return JSON.stringify(want) !== JSON.stringify(have)
  })
}

describe('every tensor that torch and numpy read is read as they read it', () => {
  test('files of torch.save, with and without zip, of NumPy and of joblib, and pickles', async () => {
    const names = Object.keys(truth).filter(name => name !== 'bzip2.pt' && name !== 'frozen.pt')
    expect(names.length).toBeGreaterThan(30)
    expect(names.filter(name => name.endsWith('.legacy.pth')).length).toBeGreaterThan(10)
    for (const name of names) expect({ name, differs: await differences(name) }).toEqual({ name, differs: [] })
  })

  test('the weights of a frozen TorchScript are its constants', async () => {
    const { constants } = truth['frozen.pt'] as unknown as { constants: number }
    expect(constants).toBeGreaterThan(2)
    expect(Object.keys(await told('frozen.pt')).filter(name => name.startsWith('constants.'))).toHaveLength(constants)
  })

  test('what no version of ours unpacks is told, and is no damage', async () => {
    await expect(told('bzip2.pt')).rejects.toMatchObject({ code: 'unsupported', message: expect.stringMatching(/bzip2/) as string })
  })
})

test('files with and without zip are cut around the same tensors', async () => {
  const cut = async (name: string): Promise<object[]> => {
    const { size, read } = source(name)
    const large = ((await findTensors(size, read)) ?? []).filter(({ length }) => length >= MIN_TENSOR_BYTES)
    const described = large.map(async ({ name, dtype, width, shape, offset, length }) => {
      return { name, dtype, width, shape, elements: sha256Hex(await read(offset, length)) }
    })
    return (await Promise.all(described)).sort((a, b) => (a.name < b.name ? -1 : 1))
  }
  for (const name of ['tensors-2', 'checkpoint', 'module', 'long']) {
    const zipped = await cut(`${name}.pt`)
    expect(zipped.length).toBeGreaterThan(0)
    expect(await cut(`${name}.legacy.pth`)).toEqual(zipped)
  }
})
