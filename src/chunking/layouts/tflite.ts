import { ELEMENT_TYPES, type ElementType, itemBytes, UNKNOWN_TYPE } from '../../util/element-type.ts'
import { FlatTable, type Vector } from './flatbuffer.ts'
import { PagedBytes } from './paged-bytes.ts'
import { asCount, elementsOf, MAX_NAME_LENGTH, MAX_TENSORS, type ReadAt, refuse, type TensorSpan } from './span.ts'

/** A tensor whose elements lie in the file. */
interface TfliteTensor {
  name: string
  dtype: string
  shape: number[]
  /** Missing for elements that are no numbers of whole bytes, and where most are left out. */
  type?: ElementType
  offset: number
  length: number
}

export interface TfliteModel {
  description: string
  tensors: TfliteTensor[]
}

const MAX_RANK = 64
const MAX_TEXT_LENGTH = 4096

/** TensorType of schema.fbs by its numbers: names in safetensors, or its own for elements that are no whole bytes. */
const TYPES = 'F32 F16 I32 U8 I64 STRING BOOL I16 C64 I8 F64 C128 U64 RESOURCE VARIANT U32 U16 INT4 BF16'.split(' ')

/** The fields of the tables, by their numbers in schema.fbs. */
const MODEL = { subgraphs: 2, description: 3, buffers: 4 }
const SUBGRAPH = { tensors: 0 }
const TENSOR = { shape: 0, type: 1, buffer: 2, name: 3, sparsity: 6 }
const BUFFER = { data: 0, offset: 1, size: 2 }

/** The tensors of a TensorFlow Lite model. Several may share their elements. */
export async function findTfliteTensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  const { tensors } = await readTflite(size, read)
  const byPlace = new Map(tensors.map(tensor => [tensor.offset, tensor]))
  return [...byPlace.values()].map(({ name, shape, offset, length, type = UNKNOWN_TYPE }) => ({ name, shape, offset, length, ...type }))
}

/**
 * The tensors of a TensorFlow Lite model whose elements lie in the file: weights, no activations. Time and memory:
 * linear in the length of the tables, of which at most 32 MiB are read.
 */
export async function readTflite(size: number, read: ReadAt): Promise<TfliteModel> {
  const file = new PagedBytes(size, read)
  const model = await FlatTable.follow(file, 0)
  const buffers: Vector[] = []
  for await (const buffer of model.tables(MODEL.buffers)) {
    if (buffers.length === MAX_TENSORS) refuse('it has too many buffers')
    buffers.push(await placeOf(buffer))
  }
  const tensors: TfliteTensor[] = []
  for await (const graph of model.tables(MODEL.subgraphs)) {
    for await (const tensor of graph.tables(SUBGRAPH.tensors)) {
      const place = buffers[await tensor.uint(TENSOR.buffer, 4)] ?? refuse('a buffer is missing')
      if (place.count === 0) continue
      if (tensors.length === MAX_TENSORS) refuse('it has too many tensors')
      tensors.push(await describe(tensor, place))
    }
  }
  return { description: await model.text(MODEL.description, MAX_TEXT_LENGTH), tensors }
}

/** The bytes of a buffer: in the tables, or behind them in models beyond 2 GB. */
async function placeOf(buffer: FlatTable): Promise<Vector> {
  const [offset, count] = [await buffer.uint(BUFFER.offset, 8), await buffer.uint(BUFFER.size, 8)]
  // 0 and 1 mean that the bytes lie in the tables
  if (offset <= 1) return buffer.vector(BUFFER.data, 1)
  return asCount(offset + count) <= buffer.file.size ? { offset, count } : refuse('a buffer lies outside of it')
}

async function describe(tensor: FlatTable, { offset, count: length }: Vector): Promise<TfliteTensor> {
  const name = await tensor.text(TENSOR.name, MAX_NAME_LENGTH)
  const dimensions = await tensor.vector(TENSOR.shape, 4)
  if (dimensions.count > MAX_RANK) refuse('a shape is absurd')
  const numbers = await tensor.file.take(dimensions.offset, 4 * dimensions.count)
  const shape = Array.from({ length: dimensions.count }, (_, i) => asCount(numbers.readInt32LE(4 * i)))
  const number = await tensor.uint(TENSOR.type, 1)
  const dtype = TYPES[number] ?? `TFLite type ${number}`
  const place = { name, shape, offset, length }
  if (tensor.place(TENSOR.sparsity) !== undefined) return { ...place, dtype: `sparse ${dtype}` }
  const type = ELEMENT_TYPES.get(dtype)
  if (type === undefined) return { ...place, dtype }
  return elementsOf(shape) * itemBytes(type) === length ? { ...place, dtype, type } : refuse('a shape and a length disagree')
}
