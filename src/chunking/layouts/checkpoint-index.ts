import { ELEMENT_TYPES, type ElementType, itemBytes, UNKNOWN_TYPE } from '../../util/element-type.ts'
import { BYTES, type Field, FIXED32, fieldsIn, VARINT } from './protobuf.ts'
import { asCount, elementsOf, MAX_NAME_LENGTH, type ReadAt, refuse, refuseKind, type TensorSpan } from './span.ts'
import { readTable } from './table.ts'

/** DataType of TensorFlow's types.proto by its numbers, from 1: names in safetensors, or its own for other elements. */
const TYPES =
  'F32 F64 I32 U8 I16 I8 STRING C64 I64 BOOL QINT8 QUINT8 QINT32 BF16 QINT16 QUINT16 U16 C128 F16 RESOURCE VARIANT U32 U64 F8_E5M2 F8_E4M3'.split(
    ' ',
  )
const MAX_RANK = 254
const MAX_SHARDS = 100_000

/** What the index of a TensorFlow checkpoint says of a tensor (BundleEntryProto of tensor_bundle.proto). */
export interface CheckpointEntry {
  name: string
  /** Its name in safetensors, else in TensorFlow. */
  dtype: string
  /** Missing if its elements have no known width, or lie in slices, which are entries of their own. */
  type?: ElementType
  shape: number[]
  /** The number of the file that holds its elements, and their place in it. */
  shard: number
  offset: number
  length: number
  isSliced: boolean
}

export interface CheckpointIndex {
  /** The number of files with elements. */
  shards: number
  bigEndian: boolean
  entries: CheckpointEntry[]
}

/**
 * Reads the index of a checkpoint. Throws `unsupported` for a table of another kind. Time and memory: as `readTable`.
 */
export async function readCheckpoint(size: number, read: ReadAt): Promise<CheckpointIndex> {
  const [header, ...entries] = await readTable(size, read)
  if (header?.key !== '') refuseKind('a table that is no index of a checkpoint')
  return { ...readHeader(header.value), entries: entries.map(({ key, value }) => entryOf(key, value)) }
}

/** The tensors in one of the files of elements, as `index` says. None if it is the index of other files. */
export async function findCheckpointTensors(
  { shard, shards }: { shard: number; shards: number },
  index: Uint8Array,
): Promise<TensorSpan[]> {
  const checkpoint = await readCheckpoint(index.length, (offset, length) => Promise.resolve(index.subarray(offset, offset + length)))
  if (checkpoint.shards !== shards) return []
  return checkpoint.entries
    .filter(entry => entry.shard === shard && !entry.isSliced)
    .map(({ name, type = UNKNOWN_TYPE, shape, offset, length }) => {
      const element = checkpoint.bigEndian ? { width: type.width, kind: 'unknown' as const } : type
      return { name, offset, length, shape, ...element }
    })
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

function entryOf(name: string, bytes: Uint8Array): CheckpointEntry {
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
  if (type !== undefined && elementsOf(shape) * itemBytes(type) !== length) refuse('a shape and a length disagree')
  return { name, dtype, shape, shard, offset, length, isSliced, ...(type === undefined ? {} : { type }) }
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
