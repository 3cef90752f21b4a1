import { crc32, deflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { readTensorFile } from '../../src/tensors/read-tensor-file.ts'
import { withCheckedMembers } from '../../src/tensors/shared-members.ts'
import { planSafetensors } from '../../src/tensors/write-safetensors.ts'
import { npy, npyHeader, zip } from '../chunking/layouts/writers.ts'
import { rejection } from '../helpers/failures.ts'
import { seededBytes } from '../helpers/seeded.ts'
import { chunked, contiguous, dataspace, datatype, F32, filters, Hdf5Writer, I16 } from './hdf5-files.ts'
import { deflatedZip, elementsOf, filesOf, sourceOf, torchFile, writtenBy } from './tensor-files.ts'

/** What `pull --tensor '*'` makes of a file: the names that are written, and those left out, with the reason. */
async function pulled(bytes: Uint8Array): Promise<{ names: string[]; damaged: [string, string][]; written: Buffer }> {
  const source = sourceOf(bytes)
  const file = await readTensorFile('model', source)
  const plan = planSafetensors(file, await withCheckedMembers(file.tensors, source))
  const { written, failed } = await writtenBy(plan, source)
  const names = (await filesOf(written)).tensors.map(({ name }) => name)
  return { names, damaged: [...plan.skipped, ...failed].map(({ tensor, why }) => [tensor.name, why]), written }
}

/** The archive with the checksums of its stored members, which `zip` leaves out. */
function withChecksums(archive: Buffer, members: readonly { data: Uint8Array }[]): Buffer {
  let at = archive.length
  for (const { data } of [...members].reverse()) {
    at = archive.lastIndexOf('PK\x01\x02', at - 1, 'latin1')
    archive.writeUInt32LE(crc32(data), at + 16)
  }
  return archive
}

/** With one bit of these bytes flipped. */
function flipped(file: Buffer, part: Uint8Array, at = 100): Buffer {
  const copy = Buffer.from(file)
  copy[file.indexOf(part) + at]! ^= 1
  return copy
}

const parts = [1, 2, 3].map(seed => seededBytes(4000, seed))
const arrays = parts.map((data, i) => ({ name: `${'abc'[i]}.npy`, data: npy(npyHeader("'<f4'", '(1000,)'), data) }))

describe('one damaged tensor is left out and named, the others are written', () => {
  test('a chunk of HDF5', async () => {
    const writer = new Hdf5Writer()
    const dataset = (bytes: Uint8Array): number =>
      writer.object(dataspace([2000]), datatype(I16), chunked(writer.chunks([{ start: [0], bytes }]), [2000], 2), filters([1, 6]))
    const packed = parts.map(part => deflateSync(part))
    const root = writer.group({ a: dataset(packed[0]!), b: dataset(packed[1]!.subarray(0, 900)), c: dataset(packed[2]!) })
    const { names, damaged, written } = await pulled(writer.file(root))
    expect(names).toEqual(['a', 'c'])
    expect(damaged).toEqual([['b', 'a deflated chunk is damaged']])
    expect(await elementsOf(written, 'c')).toEqual(Buffer.from(parts[2]!))
  })

  test('the header of a dataset of HDF5', async () => {
    const writer = new Hdf5Writer({ isNew: true })
    const [a, b] = parts.map(part => writer.object(dataspace([1000]), datatype(F32), contiguous(writer.put(part), 4000)))
    const file = writer.file(writer.group({ a: a!, b: b! }))
    file.writeUInt8(0, b)
    expect(await pulled(file)).toMatchObject({ names: ['a'], damaged: [['b', 'it has no OHDR where one is stated']] })
  })

  test('a deflated array, the first and the last one too', async () => {
    const archive = deflatedZip(arrays)
    for (const [i, { name }] of arrays.entries()) {
      const copy = Buffer.from(archive)
      copy[copy.indexOf(name) + name.length + 300]! ^= 0x10
      const { names, damaged } = await pulled(copy)
      expect(names).toEqual(['a', 'b', 'c'].filter(other => other !== 'abc'[i]))
      expect(damaged.map(([tensor]) => tensor)).toEqual(['abc'[i]])
    }
  })

  test('the header of an array', async () => {
    const archive = zip(arrays)
    archive.write('(100x,)', archive.indexOf('(1000,)'))
    expect(await pulled(archive)).toMatchObject({ names: ['b', 'c'], damaged: [['a', expect.any(String)]] })
  })

  test('a storage of PyTorch that is missing', async () => {
    const view = { storageClass: 'FloatStorage', elements: 1000, offset: 0, shape: [1000], strides: [1] }
    const file = torchFile(
      [
        { ...view, name: 'a', key: '0' },
        { ...view, name: 'b', key: '1' },
      ],
      { 0: parts[0]! },
    )
    expect(await pulled(file)).toMatchObject({ names: ['a'], damaged: [['b', 'storage 1 is missing']] })
  })

  test('but not where what was written can not be taken back', async () => {
    const archive = flipped(withChecksums(zip(arrays), arrays), parts[0]!)
    const source = sourceOf(archive)
    const file = await filesOf(archive)
    const plan = planSafetensors(file, file.tensors)
    expect((await rejection(writtenBy(plan, source, false))).code).toBe('corrupt')
  })
})

describe('stored members are compared with their checksums', () => {
  const expected = ['it is not what its checksum says']

  test.each([0, 1, 2])('of .npz: array %i', async i => {
    const archive = withChecksums(zip(arrays), arrays)
    expect((await pulled(archive)).damaged).toEqual([])
    expect((await pulled(flipped(archive, parts[i]!))).damaged).toEqual([['abc'[i], ...expected]])
  })

  test('of .pt: of a tensor that fills its storage, a transposed one too', async () => {
    const view = { storageClass: 'FloatStorage', elements: 1000, offset: 0 }
    const members = parts.map((data, i) => ({ name: String(i), data }))
    const pickle = { data: Buffer.alloc(0) }
    const file = torchFile(
      [
        { ...view, name: 'a', key: '0', shape: [1000], strides: [1] },
        { ...view, name: 'b', key: '1', shape: [10, 100], strides: [1, 10] },
        { ...view, name: 'part', key: '2', shape: [3], strides: [1] },
      ],
      Object.fromEntries(members.map(({ name, data }) => [name, data])),
    )
    const archive = withChecksums(file, [pickle, ...members])
    // `data.pkl` keeps no checksum, as PyTorch can leave it out
    expect((await pulled(archive)).names).toEqual(['a', 'b', 'part'])
    expect((await pulled(flipped(archive, parts[0]!))).damaged).toEqual([['a', ...expected]])
    expect((await pulled(flipped(archive, parts[1]!))).damaged).toEqual([['b', ...expected]])
  })

  test('of a storage that several views share: all of them are named, if they are half of it or more', async () => {
    const view = { storageClass: 'FloatStorage', elements: 40_000, shape: [10_000], strides: [1] }
    const storages = [160_000, 4000].map((length, i) => seededBytes(length, i))
    const views = (count: number) => [
      ...Array.from({ length: count }, (_, i) => ({ ...view, name: `v${i}`, key: '0', offset: i * 10_000 })),
      { ...view, name: 'whole', key: '1', offset: 0, elements: 1000, shape: [1000] },
    ]
    const archive = (count: number): Buffer => {
      const file = torchFile(views(count), { 0: storages[0]!, 1: storages[1]! })
      return withChecksums(file, [{ data: Buffer.alloc(0) }, ...storages.map(data => ({ data }))])
    }
    expect((await pulled(archive(2))).names).toEqual(['v0', 'v1', 'whole'])
    const why = '"model/data/0", which it lies in, is not what its checksum says'
    const changed = await pulled(flipped(archive(2), storages[0]!, 150_000))
    expect(changed).toMatchObject({ names: ['whole'], damaged: ['v0', 'v1'].map(name => [name, why]) })
    // a small view of it is read alone
    expect((await pulled(flipped(archive(1), storages[0]!, 150_000))).damaged).toEqual([])
  })

  test('of the file of HDF5 in a model of Keras', async () => {
    const writer = new Hdf5Writer()
    const large = [4, 5].map(seed => seededBytes(80_000, seed))
    const datasets = large.map(part => writer.object(dataspace([20_000]), datatype(F32), contiguous(writer.put(part), 80_000)))
    const members = [{ name: 'model.weights.h5', data: writer.file(writer.group({ a: datasets[0]!, b: datasets[1]! })) }]
    const archive = withChecksums(zip(members), members)
    expect((await pulled(archive)).names).toEqual(['a', 'b'])
    const source = sourceOf(flipped(archive, large[1]!))
    const checked = await withCheckedMembers((await readTensorFile('model', source)).tensors, source)
    expect(checked.map(({ name, isDamaged }) => [name, isDamaged])).toEqual([
      ['a', true],
      ['b', true],
    ])
  })

  test('of a large array: each piece counts', async () => {
    const data = seededBytes(20 << 20, 9)
    const members = [{ name: 'x.npy', data: npy(npyHeader("'<f4'", `(${5 << 20},)`), data) }, arrays[0]!]
    const archive = withChecksums(zip(members), members)
    expect((await pulled(archive)).names).toEqual(['x', 'a'])
    expect((await pulled(flipped(archive, data.subarray(0, 64), 12 << 20))).damaged).toEqual([['x', ...expected]])
  })
})

test('if all tensors of a file are damaged, the file is', async () => {
  const archive = zip(arrays.slice(0, 1))
  archive.write('(100x,)', archive.indexOf('(1000,)'))
  expect(await rejection(filesOf(archive))).toMatchObject({
    code: 'corrupt',
    message: expect.stringMatching(/^model is damaged/) as string,
  })
})
