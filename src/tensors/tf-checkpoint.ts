import { BYTES, type Field, FIXED32, fieldsIn, VARINT } from '../chunking/layouts/protobuf.ts'
import { asCount, elementsOf, MAX_NAME_LENGTH, refuse, refuseKind } from '../chunking/layouts/span.ts'
import { readTable } from '../chunking/layouts/table.ts'
import { ELEMENT_TYPES, itemBytes } from '../util/element-type.ts'
import type { ByteSource, Tensor, TensorFile } from './tensor.ts'

/** DataType of TensorFlow's types.proto by its numbers, from 1: names in safetensors, or its own for other elements. */
const TYPES =
  'F32 F64 I32 U8 I16 I8 STRING C64 I64 BOOL QINT8 QUINT8 QINT32 BF16 QINT16 QUINT16 U16 C128 F16 RESOURCE VARIANT U32 U64 F8_E5M2 F8_E4M3'.split(
    ' ',
  )
const MAX_RANK = 254
const MAX_SHARDS = 100_000

/** True if a file with this start may be such an index: an entry with an empty key, and the number of shards in it. */
export function mayCheckpointIndex(start: Uint8Array): boolean {
  return start[0] === 0 && start[1] === 0 && start[3] === 8
}

/**
 * The tensors that the index of a TensorFlow checkpoint lists (BundleEntryProto of tensor_bundle.proto). Their elements
 * lie in files beside it.
 */
export async function readCheckpointIndex({ size, read }: ByteSource): Promise<TensorFile> {
  const [header, ...entries] = await readTable(size, read)
  if (header?.key !== '') refuseKind('a table that is no index of a checkpoint')
  const { shards, bigEndian } = readHeader(header.value)
  return { format: 'TensorFlow', metadata: new Map(), tensors: entries.map(({ key, value }) => tensorOf(key, value, shards, bigEndian)) }
}

function readHeader(bytes: Uint8Array): { shards: number; bigEndian: boolean } {
  const header = { shards: 0, bigEndian: false }
  for (const { number, wire, value } of fieldsIn(bytes)) {
    if (wire !== VARINT) continue
    if (number === 1) header.shards = value
    if (number === 2) header.bigEndian = value === 1
  }
  return header.shards <= MAX_SHARDS ? header : refuse('it has too many shards')
}

function tensorOf(name: string, bytes: Uint8Array, shards: number, bigEndian: boolean): Tensor {
  if (name.length > MAX_NAME_LENGTH) refuse('a name is absurdly long')
  const numbers = new Map<number, number>()
  let shape: number[] = []
  let isSliced = false
  for (const field of fieldsIn(bytes)) {
    if (field.wire === VARINT) numbers.set(field.number, field.value)
    else if (field.number === 2 && field.wire === BYTES) shape = readShape(inside(bytes, field))
    else if (field.number === 7) isSliced = true
    else if (field.wire !== FIXED32) refuse('an entry is absurd')
  }
  const [number = 0, shard = 0, offset = 0, length = 0] = [1, 3, 4, 5].map(field => asCount(numbers.get(field) ?? 0))
  const dtype = TYPES[number - 1] ?? `TensorFlow type ${number}`
  const type = isSliced ? undefined : ELEMENT_TYPES.get(dtype)
  const count = elementsOf(shape)
  if (type !== undefined && count * itemBytes(type) !== length) refuse('a shape and a length disagree')
  const tensor: Tensor = { name, dtype, shape, count, bytes: length, offset, ...(type === undefined ? {} : { type }) }
  if (isSliced) return { ...tensor, unread: 'it is stored in slices' }
  const file = dataName(shard, shards)
  return {
    ...tensor,
    ...(bigEndian && type !== undefined && type.width > 1 ? { bigEndian } : {}),
    outside: { file, offset },
    unread: `its elements lie in the file ${file} beside the index`,
  }
}

/** The end of the name of a file with elements. It begins with the prefix of the checkpoint. */
function dataName(shard: number, shards: number): string {
  const [number, of] = [shard, shards].map(value => String(value).padStart(5, '0'))
  return `.data-${number}-of-${of}`
}

/** TensorShapeProto: a message for each dimension. */
function readShape(bytes: Uint8Array): number[] {
  const shape: number[] = []
  for (const field of fieldsIn(bytes)) {
    if (field.number !== 2 || field.wire !== BYTES) continue
    if (shape.length === MAX_RANK) refuse('a shape is absurd')
    const size = [...fieldsIn(inside(bytes, field))].find(({ number, wire }) => number === 1 && wire === VARINT)
    shape.push(asCount(size?.value ?? 0))
  }
  return shape
}

function inside(bytes: Uint8Array, { offset, length }: Field): Uint8Array {
  return bytes.subarray(offset, offset + length)
}
