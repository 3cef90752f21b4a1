import { cutTensors } from '../../../src/chunking/cut-tensors.ts'
import { Chunker } from '../../../src/chunking/chunker.ts'
import { tensorCuts } from '../../../src/chunking/layouts/cuts.ts'
import { findTensors } from '../../../src/chunking/tensor-layout.ts'
import { openElements } from '../../../src/tensors/element-reader.ts'
import { readTensorFile } from '../../../src/tensors/read-tensor-file.ts'
import type { ByteSource } from '../../../src/tensors/tensor.ts'
import { bf16, fp32, npz, pt, weights } from '../../helpers/tensors.ts'
import {
  gguf as ggufFile,
  npy as npyFile,
  npyHeader,
  rawSafetensors,
  safetensors as safetensorsFile,
  zip,
} from '../../chunking/layouts/writers.ts'
import { deflatedZip, legacyTorchFile, torchFile } from '../../tensors/tensor-files.ts'
import { array, fromBuffer, joblib, latin1, oldText, op, pickleOf, wrapper } from '../../tensors/pickle-files.ts'
import { promise, settled, Structure, type Target } from '../target.ts'
import { PLAIN_CHUNKS } from '../../../src/util/chunk-keys.ts'

const MAX_READ_PER_BYTE = 64
const SMALL = 1024 * 1024
const MAX_HOLE = 8192

/** Zeros stand between the two parts of a file, so that a short input can be a file with large tensors. */
export function withHole(input: Uint8Array): Uint8Array {
  const structure = new Structure(input)
  const [before, hole] = [structure.u16(), structure.u16() % MAX_HOLE]
  return Buffer.concat([structure.take(before), new Uint8Array(hole), structure.rest()])
}

export const holed = (bytes: Uint8Array, before: number, hole: number): Buffer => {
  const head = Buffer.alloc(4)
  head.writeUInt16LE(before, 0)
  head.writeUInt16LE(hole, 2)
  return Buffer.concat([head, bytes])
}

/** What every reader of tensors promises, whatever the format. */
export async function readAll(name: string, bytes: Uint8Array): Promise<void> {
  let read = 0
  const source: ByteSource = {
    size: bytes.length,
    read: (offset, length) => {
      promise(
        Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0,
        'reads lie in the file',
        offset,
        length,
      )
      const piece = bytes.subarray(offset, offset + length)
      read += piece.length
      return Promise.resolve(piece)
    },
  }
  const spans = await findTensors(source.size, source.read)
  promise(read <= MAX_READ_PER_BYTE * bytes.length + SMALL, 'tensors are found without reading the file again and again', read)
  let end = 0
  for (const { offset, length, width } of spans ?? []) {
    promise(offset >= end && length > 0 && offset + length <= bytes.length, 'tensors are in order and in the file', { offset, length, end })
    promise([1, 2, 4, 8].includes(width), 'an element has a width', width)
    end = offset + length
  }
  if (spans) await expectCuts(spans, bytes)
  const file = await settled(readTensorFile(name, source), ['corrupt', 'unsupported'])
  const names = file?.tensors.map(tensor => tensor.name) ?? []
  promise(new Set(names).size === names.length, 'the names of tensors differ')
  for (const tensor of file?.tensors.slice(0, 8) ?? []) {
    if (tensor.bytes > SMALL) continue
    const elements = await settled(openElements(tensor.name, tensor, source), ['corrupt', 'unsupported'])
    const got = elements && (await settled(elements.read(0, elements.count), ['corrupt']))
    if (got) promise(got.length === elements.count * elements.item, 'all elements are read', got.length, elements.count)
  }
}

let chunker: Chunker | undefined

async function expectCuts(spans: Parameters<typeof tensorCuts>[0], bytes: Uint8Array): Promise<void> {
  chunker ??= new Chunker(PLAIN_CHUNKS)
  chunker.reset()
  let at = 0
  const readOn = (buffer: Uint8Array): number => {
    const piece = bytes.subarray(at, at + buffer.length)
    buffer.set(piece)
    at += piece.length
    return piece.length
  }
  const pieces: Uint8Array[] = []
  for await (const { bytes: piece } of cutTensors(spans, bytes.length, readOn, chunker)) pieces.push(Uint8Array.from(piece))
  promise(Buffer.concat(pieces).equals(bytes), 'the chunks of a file are the file')
}

const small = fp32([weights(1, 'w', 12), weights(2, 'b', 3)])
const large = fp32([weights(1, 'layer.weight', 1100)])

/** The header alone is input; its length is right. */
export const safetensors: Target = {
  name: 'safetensors',
  isJson: true,
  seeds: () =>
    [safetensorsFile(small), safetensorsFile([...large, ...bf16([weights(3, 'half', 1100)])])].map(bytes =>
      bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))),
    ),
  run: input => readAll('model.safetensors', rawSafetensors(Buffer.from(input).toString('utf8'), new Uint8Array(9000))),
}

export const gguf: Target = {
  name: 'gguf',
  seeds: () =>
    [3, 2].flatMap(version => {
      const tensors = [{ name: 'token_embd.weight', type: 0, shape: [4, 3], data: new Uint8Array(48) }]
      return [
        ggufFile(tensors, { version }),
        ggufFile([...tensors, { name: 'q', type: 2, shape: [32], data: new Uint8Array(18) }], { version }),
      ].map(bytes => holed(bytes, bytes.length, 32))
    }),
  run: input => readAll('model.gguf', withHole(input)),
}

export const npy: Target = {
  name: 'npy',
  seeds: () => [
    npyFile(npyHeader("'<f4'", '(3, 2)'), new Uint8Array(24)),
    npyFile(npyHeader("'>i2'", '(5,)'), new Uint8Array(10)),
    npyFile(npyHeader("'|b1'", '()'), new Uint8Array(1), 2),
    npyFile(npyHeader("'<U7'", '(2,)'), new Uint8Array(56)),
    npyFile(npyHeader("[('a', '<f4')]", '(2,)'), new Uint8Array(8), 3),
    npyFile("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }", new Uint8Array(48)),
  ],
  run: input => readAll('array.npy', input),
}

const STORAGES = { 0: new Uint8Array(4400), 1: Buffer.alloc(4400, 'elements'), 2: new Uint8Array(16) }
const view = (key: string, shape: number[], strides: number[], storageClass = 'FloatStorage') => ({
  name: `layer.${key}`,
  storageClass,
  key,
  elements: key === '2' ? 4 : 1100,
  offset: 0,
  shape,
  strides,
})

/** The pickle of an archive of torch.save with three storages. */
export const torch: Target = {
  name: 'torch',
  seeds: () =>
    [
      torchFile([view('0', [1100], [1])], STORAGES),
      torchFile([view('0', [11, 100], [100, 1]), view('1', [100, 11], [1, 100]), view('2', [], [], 'HalfStorage')], STORAGES),
      torchFile([view('2', [2, 2], [0, 1]), view('2', [4], [1])], STORAGES),
      pt(large),
    ].map(pickleIn),
  run(input) {
    const storages = Object.entries(STORAGES).map(([key, data]) => ({ name: `model/data/${key}`, data }))
    return readAll('model.pt', zip([{ name: 'model/data.pkl', data: input }, ...storages]))
  },
}

/** A file of torch.save without zip: its pickles are input, and two storages follow. */
export const torchLegacy: Target = {
  name: 'torch-legacy',
  seeds() {
    const view = { name: 'w', storageClass: 'FloatStorage', elements: 1100, offset: 0, shape: [11, 100], strides: [1, 11] }
    return [
      legacyTorchFile([{ ...view, key: '0' }], {}),
      legacyTorchFile(
        [
          { ...view, key: '0' },
          { ...view, key: '1' },
        ],
        {},
      ),
    ]
  },
  run: input => readAll('model.pth', Buffer.concat([input, storage(1100), storage(1100)])),
}

/** Pickles with arrays of NumPy, and files of joblib. */
export const pickle: Target = {
  name: 'pickle',
  seeds() {
    const data = new Uint8Array(24)
    const noted = { type: '<f4', shape: [2, 3], data }
    const objects = array({ ...noted, type: '|O8' }, op(']N\x85a'))
    const nested = [wrapper({ ...noted, type: '|O8' }, true, 63), op('\x80\x05'), objects, op('.')]
    const files = [
      op("(dp0\nVw\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(I0\nS'b\\x41'\nF2.5\nL12L\nI01\ntRsg1\n(icopy_reg\nC\ns."),
      pickleOf({ a: array(noted), b: array(noted, latin1(data)), c: array({ ...noted, fortran: true }, oldText(data)) }),
      pickleOf({ a: fromBuffer(noted, 'F'), b: fromBuffer(noted, 'K', [1, 0]), c: objects }),
      pickleOf({ a: joblib(noted), b: joblib({ ...noted, type: '>i4' }, false), c: Buffer.concat(nested) }),
    ]
    const large = pickleOf({ a: wrapper({ ...noted, shape: [11, 100] }, false) })
    return [...files.map(file => holed(file, file.length, 0)), holed(large, large.length - 2, 4400)]
  },
  run: input => readAll('model.joblib', withHole(input)),
}

function storage(elements: number): Buffer {
  const bytes = Buffer.alloc(8 + 4 * elements)
  bytes.writeUInt32LE(elements)
  return bytes
}

function pickleIn(archive: Buffer): Buffer {
  const start = archive.indexOf('\x80\x02', 0, 'latin1')
  return archive.subarray(start, archive.indexOf('u.', start) + 2)
}

/** Archives of torch.save and numpy.savez as they are. */
export const zipTensors: Target = {
  name: 'zip-tensors',
  seeds() {
    const arrays = npz(small)
    const deflated = deflatedZip([{ name: 'a.npy', data: npyFile(npyHeader("'<f4'", '(3, 2)'), new Uint8Array(24)) }])
    const model = torchFile([view('2', [4], [1])], { 2: STORAGES[2] }, [{ name: 'model/byteorder', data: Buffer.from('big') }])
    const wide = zip([{ name: 'a.npy', data: npyFile(npyHeader("'<f4'", '(2,)'), new Uint8Array(8)) }], { wide: true, comment: 'c' })
    return [arrays, deflated, model, wide].map(bytes => holed(bytes, bytes.length, 0)).concat(zippedWithHole())
  },
  run: input => readAll('model.pt', withHole(input)),
}

/** An archive whose only array is 5,000 zeros in the hole. */
function zippedWithHole(): Buffer {
  const array = npyFile(npyHeader("'<f4'", '(1250,)'), new Uint8Array(5000))
  const archive = zip([{ name: 'a.npy', data: array }])
  const at = archive.indexOf(Buffer.alloc(5000))
  return holed(Buffer.concat([archive.subarray(0, at), archive.subarray(at + 5000)]), at, 5000)
}
