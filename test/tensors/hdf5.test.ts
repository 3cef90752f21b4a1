import { deflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { findTensors } from '../../src/chunking/tensor-layout.ts'
import { reading, zip } from '../chunking/layouts/writers.ts'
import { rejection } from '../helpers/failures.ts'
import { seededBytes } from '../helpers/seeded.ts'
import {
  chunked,
  compact,
  contiguous,
  dataspace,
  datatype,
  F32,
  F32_BIG,
  fill,
  filters,
  Hdf5Writer,
  I16,
  indexed,
  type Message,
  TEXT,
  u,
} from './hdf5-files.ts'
import { elementsOf, filesOf } from './tensor-files.ts'

const weights = seededBytes(8000, 1)
const listed = async (bytes: Uint8Array) => (await filesOf(bytes)).tensors.map(({ name, dtype, shape }) => [name, dtype, shape])
const spansOf = async (bytes: Uint8Array) => findTensors(bytes.length, reading(bytes).read)

/** Fletcher's checksum of big-endian words, word by word. */
function checksumOf(bytes: Buffer): Buffer {
  let [low, high] = [0, 0]
  for (let at = 0; at < bytes.length; at += 2) {
    low = (low + bytes.readUInt16BE(at)) % 0xffff
    high = (high + low) % 0xffff
  }
  return u(high * 0x10000 + low, 4)
}

/** A file with one dataset, `x`. */
function single(describe: (writer: Hdf5Writer) => Message[], options = {}): Buffer {
  const writer = new Hdf5Writer(options)
  return writer.file(writer.group({ x: writer.object(...describe(writer)) }))
}

describe.each([false, true])('written by new programs: %s', isNew => {
  const model = (): Buffer => {
    const writer = new Hdf5Writer({ isNew })
    const kernel = writer.object(dataspace([50, 40]), datatype(F32), contiguous(writer.put(weights), 8000))
    const bias = writer.object(dataspace([2]), datatype(F32_BIG), compact(Buffer.from('3f80000040000000', 'hex')))
    const label = writer.object(dataspace([]), datatype(TEXT), contiguous(writer.put(Buffer.from('hello')), 5))
    const layer = writer.group({ kernel, bias, again: kernel })
    return writer.file(writer.group({ layer, label, self: layer }))
  }

  test('datasets in groups, by their paths', async () => {
    const file = model()
    expect((await filesOf(file)).format).toBe('HDF5')
    expect(await listed(file)).toEqual([
      ['layer/kernel', 'F32', [50, 40]],
      ['layer/bias', 'F32', [2]],
      ['layer/again', 'F32', [50, 40]],
      ['label', 'texts', []],
    ])
    expect((await filesOf(file)).tensors[2]!.sharedWith).toBe('layer/kernel')
    expect(await elementsOf(file, 'layer/kernel')).toEqual(Buffer.from(weights))
    expect(await elementsOf(file, 'layer/bias')).toEqual(Buffer.from('0000803f00000040', 'hex'))
  })

  test('are cut around their elements, in a .keras too', async () => {
    const file = model()
    const bare = (await spansOf(file))!
    expect(bare.map(({ name, width, kind }) => [name, width, kind])).toContainEqual(['layer/kernel', 4, 'float'])
    const archive = zip([
      { name: 'config.json', data: Buffer.from('{}') },
      { name: 'model.weights.h5', data: file },
    ])
    const span = (await spansOf(archive))!.find(({ name }) => name === 'layer/kernel')!
    expect(archive.subarray(span.offset, span.offset + span.length)).toEqual(Buffer.from(weights))
    expect(await elementsOf(archive, 'layer/kernel')).toEqual(Buffer.from(weights))
  })
})

describe('chunks', () => {
  // an array of 3 x 5 numbers in chunks of 2 x 4
  const whole = Int16Array.from({ length: 15 }, (_, i) => 100 * i)
  const tile = (row: number, column: number): Buffer =>
    Buffer.from(Int16Array.from({ length: 8 }, (_, i) => whole[(row + Math.floor(i / 4)) * 5 + column + (i % 4)] ?? 0).buffer)
  const shuffled = (bytes: Buffer): Buffer => Buffer.concat([bytes.filter((_, i) => i % 2 === 0), bytes.filter((_, i) => i % 2 === 1)])
  const starts = [
    [0, 0],
    [0, 4],
    [2, 0],
    [2, 4],
  ]
  const array = (store: (bytes: Buffer) => Uint8Array, ...more: Message[]): Buffer =>
    single(writer => {
      const tree = writer.chunks(starts.map(start => ({ start, bytes: store(tile(start[0]!, start[1]!)) })))
      return [dataspace([3, 5]), datatype(I16), chunked(tree, [2, 4], 2), ...more]
    })

  test.each<[what: string, file: Buffer]>([
    ['as they are', array(bytes => bytes)],
    ['deflated', array(bytes => deflateSync(bytes), filters([1, 6]))],
    ['shuffled and deflated', array(bytes => deflateSync(shuffled(bytes)), filters([2, 2], [1, 6]))],
    ['with a checksum', array(bytes => Buffer.concat([bytes, checksumOf(bytes)]), filters([3]))],
    ['with a checksum whose halves are swapped', array(bytes => Buffer.concat([bytes, checksumOf(bytes).swap16()]), filters([3]))],
    ['in LZF: literals', array(bytes => Buffer.concat([Buffer.from([15]), bytes]), filters([32000]))],
  ])('%s', async (_what, file) => {
    expect(await elementsOf(file, 'x')).toEqual(Buffer.from(whole.buffer))
  })

  test('that repeat in LZF', async () => {
    const file = single(writer => {
      // two bytes, then 8 and 10 bytes from two bytes before
      const tree = writer.chunks([{ start: [0], bytes: Buffer.from([1, 7, 8, 0xc0, 1, 0xe0, 1, 1]) }])
      return [dataspace([10]), datatype(I16), chunked(tree, [10], 2), filters([32000])]
    })
    expect(await elementsOf(file, 'x')).toEqual(Buffer.alloc(20, Buffer.from([7, 8])))
  })

  test.each([3, 4, 5] as const)('in index %i, in pages too', async kind => {
    const missing = [2, 7]
    const numbers = Int16Array.from({ length: 11 }, (_, i) => (missing.includes(i) ? 0 : 100 + i))
    const chunks = Array.from({ length: 11 }, (_, i) =>
      missing.includes(i) ? undefined : deflateSync(Buffer.from(numbers.slice(i, i + 1).buffer)),
    )
    const listed = chunks.flatMap((bytes, i) => (bytes === undefined ? [] : [{ start: [i], bytes }]))
    const file = single(
      writer => {
        const index = {
          3: () => writer.fixedArray(chunks),
          4: () => writer.extensibleArray(chunks),
          5: () => writer.chunkTree(listed, [1]),
        }
        return [dataspace([11]), datatype(I16), indexed(kind, index[kind](), [1], 2), filters([1, 6])]
      },
      { isNew: true },
    )
    expect(await elementsOf(file, 'x')).toEqual(Buffer.from(numbers.buffer))
  })

  test('that were not written have the fill value', async () => {
    const one = single(writer => [
      dataspace([4]),
      datatype(I16),
      fill(Buffer.from([9, 1])),
      chunked(writer.chunks([{ start: [2], bytes: Buffer.from([1, 0, 2, 0]) }]), [2], 2),
    ])
    expect(await elementsOf(one, 'x')).toEqual(Buffer.from([9, 1, 9, 1, 1, 0, 2, 0]))
    const none = single(() => [dataspace([2]), datatype(I16), contiguous(undefined, 4)])
    expect(await elementsOf(none, 'x')).toEqual(Buffer.alloc(4))
  })

  test('without filters are cut one by one', async () => {
    const bytes = seededBytes(8192, 1)
    const file = single(writer => {
      const tree = writer.chunks([
        { start: [0], bytes },
        { start: [2048], bytes },
      ])
      return [dataspace([4096]), datatype(F32), chunked(tree, [2048], 4)]
    })
    expect((await spansOf(file))!.map(({ name, length, width }) => [name, length, width])).toEqual([
      ['x', 8192, 4],
      ['x', 8192, 4],
    ])
  })

  test.each<[what: string, code: string, file: Buffer]>([
    ['of another filter', 'unsupported', array(bytes => bytes, filters([4]))],
    ['of another length', 'corrupt', array(bytes => bytes.subarray(1))],
    ['with another checksum', 'corrupt', array(bytes => Buffer.concat([bytes, u(1, 4)]), filters([3]))],
    ['that are no deflate stream', 'corrupt', array(bytes => bytes, filters([1]))],
    ['that unpack to more', 'corrupt', array(() => deflateSync(Buffer.alloc(1 << 20)), filters([1]))],
  ])('%s: %s', async (_what, code, file) => {
    expect(await listed(file)).toEqual([['x', 'I16', [3, 5]]])
    expect((await rejection(elementsOf(file, 'x'))).code).toBe(code)
  })
})

test.each([512, 4096])('behind %i bytes of another program', async length => {
  const file = single(writer => [dataspace([2000]), datatype(F32), contiguous(writer.put(weights), 8000)])
  const block = Buffer.alloc(length)
  block.write('MATLAB 7.3 MAT-file, Platform: GLNXA64')
  const behind = Buffer.concat([block, file])
  expect(await elementsOf(behind, 'x')).toEqual(Buffer.from(weights))
  const span = (await spansOf(behind))!.find(({ name }) => name === 'x')!
  expect(behind.subarray(span.offset, span.offset + span.length)).toEqual(Buffer.from(weights))
  expect(await elementsOf(Buffer.concat([Buffer.alloc(length, 1), file]), 'x')).toEqual(Buffer.from(weights))
})

test('what leads out of the file is named', async () => {
  const writer = new Hdf5Writer({ isNew: true })
  const target = Buffer.from('\0../other.h5\0/x\0')
  const file = writer.file(writer.object([6, Buffer.concat([Buffer.from([1, 8, 64, 3]), Buffer.from('out'), u(target.length, 2), target])]))
  expect(await filesOf(file)).toMatchObject({ tensors: [], unlisted: ['out is a link to the file "../other.h5"'] })
})

test.each<[what: string, file: Buffer]>([
  ['elements that are fewer than the shape says', single(writer => [dataspace([3]), datatype(F32), contiguous(writer.put(weights), 8)])],
  ['elements outside of the file', single(() => [dataspace([3]), datatype(F32), contiguous(2 ** 40, 12)])],
  ['a shape beyond all numbers', single(() => [dataspace([2 ** 40, 2 ** 40]), datatype(F32), contiguous(0, 12)])],
  ['a type of an unknown version', single(() => [dataspace([3]), datatype(Buffer.alloc(20)), contiguous(0, 12)])],
  ['a group without its names', new Hdf5Writer().file(96)],
])('%s: damage', async (_what, file) => {
  expect((await rejection(filesOf(file).then(async () => elementsOf(file, 'x')))).code).toBe('corrupt')
})

test('blocks that continue each other in a circle end', async () => {
  const writer = new Hdf5Writer()
  const at = writer.put(
    Buffer.concat([Buffer.from([1, 0]), u(1, 2), u(1, 4), u(24, 4), u(0, 4), u(16, 2), u(16, 2), u(0, 4), u(96 + 16, 8), u(24, 8)]),
  )
  expect((await rejection(filesOf(writer.file(at)))).message).toMatch(/again and again/)
})
