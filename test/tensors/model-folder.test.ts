import { expect, test } from 'vitest'
import { compareTensors, type TensorSide } from '../../src/tensors/compare-tensors.ts'
import { openElements } from '../../src/tensors/element-reader.ts'
import { openModelFolder, openShardIndex } from '../../src/tensors/model-folder.ts'
import { AppError } from '../../src/util/errors.ts'
import { npy, npyHeader, safetensors } from '../chunking/layouts/writers.ts'
import { rejection } from '../helpers/failures.ts'
import { pt, weights, fp32 } from '../helpers/tensors.ts'
import { checkpointIndex } from './checkpoint-files.ts'
import { deflatedZip, hashedSourceOf } from './tensor-files.ts'

type Files = Record<string, Uint8Array | string>

function folderOf(files: Files): Parameters<typeof openModelFolder>[0] {
  const open = (file: string) => {
    const bytes = files[file]
    if (bytes === undefined) return Promise.reject(new AppError('not-found', `${file} is not there`))
    return Promise.resolve({ name: file, source: hashedSourceOf(Buffer.from(bytes), []) })
  }
  return { name: 'folder', files: Object.keys(files), open }
}

const parts = fp32([weights(1, 'a', 300), weights(2, 'b', 200), weights(3, 'c', 100), weights(4, 'd', 50)])
const first = safetensors(parts.slice(0, 2))
const second = safetensors(parts.slice(2))
const INDEX = 'model.safetensors.index.json'
const [ONE, TWO] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const
const index = JSON.stringify({ metadata: { total_size: 1 }, weight_map: { a: ONE, b: ONE, c: TWO, d: TWO } })

async function elements({ source, file }: TensorSide): Promise<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const tensor of file.tensors) {
    const reader = tensor.unread === undefined ? await openElements(tensor.name, tensor, source) : undefined
    found[tensor.name] = reader === undefined ? tensor.unread! : Buffer.from(await reader.read(0, reader.count)).toString('hex')
  }
  return found
}

const expected = Object.fromEntries(parts.map(({ name, data }) => [name, Buffer.from(data).toString('hex')]))

test('a model in shards is one model: by its index, by its folder, and without an index', async () => {
  const files = { [INDEX]: index, [ONE]: first, [TWO]: second, 'config.json': '{}' }
  expect(await elements(await openShardIndex(folderOf(files), INDEX))).toEqual(expected)
  expect(await elements(await openModelFolder(folderOf(files)))).toEqual(expected)
  expect(await elements(await openModelFolder(folderOf({ [TWO]: second, [ONE]: first })))).toEqual(expected)
  const old = { 'pytorch_model.bin.index.json': index.replaceAll('.safetensors', '.bin') }
  const torch = { 'model-00001-of-00002.bin': pt(parts.slice(0, 2)), 'model-00002-of-00002.bin': pt(parts.slice(2)) }
  expect(await elements(await openModelFolder(folderOf({ ...old, ...torch })))).toEqual(expected)
  // of two forms of one model
  expect((await openModelFolder(folderOf({ ...old, ...torch, ...files }))).file.format).toBe('safetensors')
})

test('two models in shards are compared, whatever their files', async () => {
  const sharded = await openModelFolder(folderOf({ [INDEX]: index, [ONE]: first, [TWO]: second }))
  const other = safetensors([...parts.slice(0, 3), { ...parts[3]!, data: Buffer.alloc(200) }])
  const whole = await openModelFolder(folderOf({ 'model.safetensors': other, 'optimizer.pt': pt(parts) }))
  const kinds: string[] = []
  for await (const { kind, name } of compareTensors(sharded, whole)) kinds.push(`${name} ${kind}`)
  expect(kinds).toEqual(['a identical', 'b identical', 'c identical', 'd changed'])
})

test('arrays of archives lie where they lay', async () => {
  const array = (value: number) => npy(npyHeader("'|u1'", '(3,)'), Buffer.alloc(3, value))
  const shard = (value: number) => deflatedZip([{ name: `${value}.npy`, data: array(value) }])
  const side = await openModelFolder(folderOf({ 'm-00001-of-00002.npz': shard(1), 'm-00002-of-00002.npz': shard(2) }))
  expect(await elements(side)).toEqual({ 1: '010101', 2: '020202' })
})

test('a TensorFlow checkpoint right in a folder is one model, beside files of any other kind', async () => {
  const index = checkpointIndex([{ name: 'kernel', dataType: 1, shape: [2], offset: 4, length: 8 }])
  const checkpoint = { 'ckpt-5.index': index, 'ckpt-5.data-00000-of-00001': Buffer.from('....12345678'), checkpoint: 'x' }
  expect(await elements(await openModelFolder(folderOf(checkpoint)))).toEqual({ kernel: Buffer.from('12345678').toString('hex') })
  expect((await openModelFolder(folderOf({ ...checkpoint, 'model.pt': pt(parts) }))).file.format).toBe('PyTorch')
  expect((await rejection(openModelFolder(folderOf({ ...checkpoint, 'ckpt-6.index': index })))).code).toBe('usage')
})

test('missing shards are named, and so are the tensors in them', async () => {
  const side = await openModelFolder(folderOf({ [INDEX]: index, [TWO]: second }))
  expect(side.shards).toEqual({ found: 1, missing: [ONE] })
  expect(await elements(side)).toMatchObject({ a: `its shard ${ONE} is missing`, c: expected.c })
  expect((await openModelFolder(folderOf({ [ONE]: first }))).shards).toEqual({ found: 1, missing: [TWO] })
  expect((await rejection(openModelFolder(folderOf({ [INDEX]: index })))).code).toBe('not-found')
  const moved = await openModelFolder(folderOf({ [INDEX]: index, [ONE]: first, [TWO]: safetensors(parts.slice(3)) }))
  expect((await elements(moved)).c).toBe(`its shard ${TWO} does not hold it`)
})

test.each(['../secret.safetensors', '/etc/passwd', '..', 'sub/../../x.bin', 'C:\\x.bin', '..\\x.bin', '', 'a\0b'])(
  'an index can not lead out of its folder: %j',
  async name => {
    let asked = 0
    const folder = folderOf({ [INDEX]: JSON.stringify({ weight_map: { a: ONE, b: name } }), [ONE]: first })
    const counting = { ...folder, open: (file: string) => (asked++, folder.open(file)) }
    expect((await rejection(openModelFolder(counting))).code).toBe('denied')
    expect(asked).toBe(1)
  },
)

test('a folder with several models, or none, and an index of another kind are refused', async () => {
  const several = await rejection(openModelFolder(folderOf({ 'a.pt': pt(parts), 'b.pt': pt(parts) })))
  expect([several.code, several.list]).toEqual(['usage', ['a.pt', 'b.pt']])
  expect((await rejection(openModelFolder(folderOf({ 'notes.txt': 'x' })))).code).toBe('usage')
  for (const [text, code] of [
    ['{}', 'unsupported'],
    ['[', 'corrupt'],
    ['{"weight_map":{"a":1}}', 'corrupt'],
  ] as const)
    expect((await rejection(openShardIndex(folderOf({ [INDEX]: text }), INDEX))).code).toBe(code)
})
