import { deflateSync } from 'node:zlib'
import { checkpointIndex } from '../../tensors/checkpoint-files.ts'
import { whisper } from '../../tensors/ggml-files.ts'
import { array as flaxArray, map as flaxMap } from '../../tensors/flax-files.ts'
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
} from '../../tensors/hdf5-files.ts'
import { MatlabWriter } from '../../tensors/matlab-files.ts'
import { field, initializer, message, node, onnx as onnxFile, raw, tensor, varint } from '../../tensors/onnx-files.ts'
import { table, tensor as tfliteTensor, tflite as tfliteFile } from '../../tensors/tflite-files.ts'
import type { Target } from '../target.ts'
import { holed, readAll, withHole } from './tensors.ts'

const bytes = new Uint8Array(16)

export const onnx: Target = {
  name: 'onnx',
  seeds() {
    const typed = tensor('typed', 7, [2], field(7, Buffer.concat([varint(-1), varint(300)])))
    const outside = tensor('outside', 1, [4], field(13, message(field(1, 'location'), field(2, 'w.bin'))), field(14, 1))
    const inner = message(initializer(tensor('inner', 4, [8], raw(bytes))))
    const sparse = field(15, message(field(1, tensor('thin', 1, [4], raw(bytes))), field(2, tensor('', 7, [2], raw(bytes)))))
    const models = [
      onnxFile(initializer(tensor('w', 1, [2, 2], raw(bytes))), initializer(typed)),
      onnxFile(node('v', 'value', field(5, tensor('', 10, [2], field(5, varint(0x3c00)), field(5, varint(1)))))),
      onnxFile(node('v', 'branch', field(6, inner)), sparse, initializer(outside)),
    ]
    return [...models.map(model => holed(model, model.length, 0)), holed(models[0]!, models[0]!.length - 4, 4100)]
  },
  run: input => readAll('model.onnx', withHole(input)),
}

export const hdf5: Target = {
  name: 'hdf5',
  seeds: () => [
    ...[false, true].map(isNew => {
      const writer = new Hdf5Writer({ isNew })
      const tiles = [0, 2].map(first => ({ start: [first], bytes: deflateSync(Buffer.from([1, 2, 3, 4])) }))
      const members = {
        kernel: writer.object(dataspace([2, 2]), datatype(F32), contiguous(writer.put(bytes), 16)),
        bias: writer.object(dataspace([1]), datatype(F32_BIG), compact(Buffer.alloc(4))),
        tiles: writer.object(dataspace([4]), datatype(I16), chunked(writer.chunks(tiles), [2], 2), filters([2, 2], [1])),
        none: writer.object(dataspace([2]), datatype(I16), fill(Buffer.from([1, 2])), contiguous(undefined, 0)),
      }
      const file = writer.file(writer.group({ layer: writer.group(members) }))
      return holed(file, file.length, 0)
    }),
    ...([3, 4, 5] as const).map(kind => {
      const writer = new Hdf5Writer({ isNew: true })
      const chunks = Array.from({ length: 11 }, (_, i) => Buffer.from([i, 1]))
      const listed = chunks.map((chunk, i) => ({ start: [i], bytes: chunk }))
      const index = { 3: () => writer.fixedArray(chunks), 4: () => writer.extensibleArray(chunks), 5: () => writer.chunkTree(listed, [1]) }[
        kind
      ]()
      const file = writer.file(
        writer.group({ x: writer.object(dataspace([11]), datatype(I16), indexed(kind, index, [1], 2), filters([3])) }),
      )
      return holed(file, file.length, 0)
    }),
  ],
  run: input => readAll('model.h5', withHole(input)),
}

export const tflite: Target = {
  name: 'tflite',
  seeds() {
    const inside = tfliteFile([tfliteTensor('w', 0, [2, 2], 1), tfliteTensor('i', 0, [4], 0)], [table(), table(bytes)])
    const behind = tfliteFile([tfliteTensor('w', 9, [16], 0)], [table(undefined, 300, 16)], bytes)
    return [inside, behind].map(file => holed(file, file.length, 0))
  },
  run: input => readAll('model.tflite', withHole(input)),
}

export const ggml: Target = {
  name: 'ggml',
  seeds() {
    const file = whisper([
      { name: 'w', type: 0, shape: [2, 2], data: bytes },
      { name: 'q', type: 2, shape: [32], data: new Uint8Array(18) },
    ])
    return [holed(file, file.length, 0)]
  },
  run: input => readAll('model.bin', withHole(input)),
}

export const flax: Target = {
  name: 'flax',
  seeds() {
    const file = flaxMap({ params: flaxMap({ w: flaxArray('float32', [2, 2], bytes), s: flaxArray('int8', [], bytes.subarray(0, 1)) }) })
    return [holed(file, file.length, 0)]
  },
  run: input => readAll('model.msgpack', withHole(input)),
}

export const matlab: Target = {
  name: 'matlab',
  seeds: () =>
    [false, true].map(bigEndian => {
      const writer = new MatlabWriter({ bigEndian })
      const numbers = writer.array(6, 'd', [2, 1], [writer.element(9, bytes)])
      const struct = writer.struct('s', { w: writer.array(6, '', [2, 1], [writer.element(2, Buffer.from([1, 2]))]) })
      const thin = [writer.numbers(4, 0), writer.numbers(4, 0, 1), bytes.subarray(0, 8)].map((data, i) =>
        writer.element([5, 5, 9][i]!, data),
      )
      const cell = writer.array(1, 'c', [1, 1], [writer.array(5, '', [2, 1], thin)])
      const file = writer.file(numbers, writer.compressed(struct), cell)
      return holed(file, file.length, 0)
    }),
  run: input => readAll('data.mat', withHole(input)),
}

export const checkpoint: Target = {
  name: 'checkpoint',
  seeds: () => [
    checkpointIndex([
      { name: 'layer/bias', dataType: 1, shape: [2], offset: 0, length: 8 },
      { name: 'layer/kernel', dataType: 3, shape: [2, 2], offset: 8, length: 16, shard: 1 },
    ]),
  ],
  run: input => readAll('ckpt.index', Buffer.from(input)),
}
