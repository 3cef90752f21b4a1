import { ELEMENT_TYPES, type ElementType, itemBytes, UNKNOWN_TYPE } from '../../util/element-type.ts'
import { OTHER_TYPES, PLAIN_TYPES } from './onnx-types.ts'
import { BYTES, type Field, ProtobufFile, VARINT } from './protobuf.ts'
import { asCount, elementsOf, MAX_NAME_LENGTH, MAX_TENSORS, type ReadAt, refuse, type TensorSpan } from './span.ts'

/** A place in a file, in bytes. */
export interface Place {
  offset: number
  length: number
}

/** A tensor of a model: an initializer, or a value that a node holds. */
export interface OnnxTensor {
  name: string
  dtype: string
  shape: number[]
  /** Missing for elements that are no numbers of whole bytes. */
  type?: ElementType
  /** Where the elements lie, if they lie there as they are. All three are missing for a tensor without its elements. */
  place?: Place
  /** The whole tensor, if its elements are numbers of protocol buffers. */
  message?: Place
  /** The file beside the model that holds the elements, and where in it. */
  external?: { location: string; offset: number; length: number | undefined }
}

export interface OnnxModel {
  tensors: OnnxTensor[]
  /** `producer`, and the model's own texts. */
  metadata: Map<string, string>
}

const MAX_RANK = 64
const MAX_DEPTH = 32
const MAX_TEXT_LENGTH = 4096
const MAX_TEXTS = 1000
const FLOATS = 4
const DOUBLES = 10
/** The fields of a TensorProto that hold elements as numbers: those two, and varints. */
const NUMBERS: readonly number[] = [FLOATS, DOUBLES, 5, 7, 11]

/** The tensors of an ONNX model whose elements lie in it as they are. */
export async function findOnnxTensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  const { tensors } = await readOnnx(size, read)
  return tensors.flatMap(({ name, shape, place, type = UNKNOWN_TYPE }) => (place === undefined ? [] : [{ name, shape, ...type, ...place }]))
}

/**
 * The tensors of an ONNX model (ModelProto of onnx.proto): initializers, values of nodes, and both in graphs inside of
 * nodes and in functions. Time: linear in the bytes outside of elements. Memory: linear in the number of tensors.
 * Throws `corrupt` for a file of another kind too: `sawGraph` tells whether it came to the graph of a model.
 */
export async function readOnnx(size: number, read: ReadAt, sawGraph: () => void = () => undefined): Promise<OnnxModel> {
  const reader = new ModelReader(size, read, sawGraph)
  await reader.model(size)
  return reader
}

class ModelReader implements OnnxModel {
  readonly tensors: OnnxTensor[] = []
  readonly metadata = new Map<string, string>()
  private readonly file: ProtobufFile
  private readonly sawGraph: () => void
  private depth = 0

  constructor(size: number, read: ReadAt, sawGraph: () => void) {
    this.file = new ProtobufFile(size, read)
    this.sawGraph = sawGraph
  }

  async model(size: number): Promise<void> {
    let producer = ''
    let graphs = 0
    for await (const field of this.file.fields(0, size)) {
      const { number, wire } = field
      if (number === 2) producer = await this.file.text(field, MAX_TEXT_LENGTH)
      else if (number === 3) producer += ` ${await this.file.text(field, MAX_TEXT_LENGTH)}`
      else if (number === 7 && wire === BYTES) {
        graphs++
        this.sawGraph()
        await this.graph(field)
      } else if (number === 14) await this.text(field)
      else if (number === 20) await this.training(field)
      else if (number === 25) await this.nodes(field, 7)
    }
    if (graphs !== 1) refuse('it has no graph')
    if (producer !== '') this.metadata.set('producer', producer.trim())
  }

  /** StringStringEntryProto: texts that are too long or too many are left out. */
  private async text(entry: Field): Promise<void> {
    if (this.metadata.size >= MAX_TEXTS || entry.length > MAX_TEXT_LENGTH) return
    const [key, value] = await this.pair(entry)
    this.metadata.set(key, value)
  }

  private async pair(entry: Field): Promise<[key: string, value: string]> {
    const pair: [string, string] = ['', '']
    for await (const field of this.inside(entry))
      if (field.number === 1 || field.number === 2) pair[field.number - 1] = await this.file.text(field, MAX_TEXT_LENGTH)
    return pair
  }

  /** TrainingInfoProto: the graphs of the initialization and of a step. */
  private async training(info: Field): Promise<void> {
    for await (const field of this.inside(info)) if (field.number <= 2) await this.graph(field)
  }

  private async graph(graph: Field): Promise<void> {
    if (++this.depth > MAX_DEPTH) refuse('graphs are nested too deep')
    for await (const field of this.inside(graph)) {
      if (field.number === 1) await this.node(field)
      else if (field.number === 5) await this.tensor(field)
      else if (field.number === 15) await this.sparse(field)
    }
    this.depth--
  }

  /** The nodes among the fields of a message. */
  private async nodes(message: Field, number: number): Promise<void> {
    for await (const field of this.inside(message)) if (field.number === number) await this.node(field)
  }

  /** NodeProto: the value of a Constant is named after the node's output. */
  private async node(node: Field): Promise<void> {
    let output: string | undefined
    for await (const field of this.inside(node)) {
      if (field.number === 2) output ??= await this.file.text(field, MAX_NAME_LENGTH)
      else if (field.number === 5) await this.attribute(field, output)
    }
  }

  /** AttributeProto: a tensor or a graph, or several. */
  private async attribute(attribute: Field, output: string | undefined): Promise<void> {
    let name = ''
    for await (const field of this.inside(attribute)) {
      const { number } = field
      if (number === 1) name = await this.file.text(field, MAX_NAME_LENGTH)
      else if (number === 5 || number === 10) {
        const holder = output ?? 'node'
        await this.tensor(field, number === 5 && name === 'value' ? holder : `${holder}.${name}`)
      } else if (number === 6 || number === 11) await this.graph(field)
      else if (number === 22 || number === 23) await this.sparse(field)
    }
  }

  /** SparseTensorProto: the values that are not zero, and their places. */
  private async sparse(sparse: Field): Promise<void> {
    const first = this.tensors.length
    for await (const field of this.inside(sparse)) if (field.number <= 2) await this.tensor(field)
    const name = this.tensors[first]?.name ?? ''
    for (const [i, tensor] of this.tensors.slice(first).entries()) tensor.name = `${name}.${i === 0 ? 'values' : 'indices'}`
  }

  private async tensor(message: Field, named?: string): Promise<void> {
    if (this.tensors.length === MAX_TENSORS) refuse('it has too many tensors')
    const found = new TensorReader(this.file)
    for await (const field of this.inside(message)) {
      if (field.number === 13) found.external.push(await this.pair(field))
      else await found.take(field)
    }
    const tensor = found.described(message)
    this.tensors.push(named === undefined ? tensor : { ...tensor, name: named })
  }

  private inside({ wire, offset, length }: Field): AsyncGenerator<Field, void> {
    if (wire !== BYTES) refuse('a message is none')
    return this.file.fields(offset, offset + length)
  }
}

/** Gathers the fields of one TensorProto. */
class TensorReader {
  readonly external: [key: string, value: string][] = []
  private readonly file: ProtobufFile
  private readonly shape: number[] = []
  private dataType = 0
  private name = ''
  private isExternal = false
  private raw: Field | undefined
  private readonly typed: Field[] = []

  constructor(file: ProtobufFile) {
    this.file = file
  }

  async take(field: Field): Promise<void> {
    const { number, wire, value } = field
    if (number === 1) await this.dimensions(field)
    else if (number === 2 && wire === VARINT) this.dataType = value
    else if (number === 8) this.name = await this.file.text(field, MAX_NAME_LENGTH)
    else if (number === 9 && wire === BYTES) this.raw = field
    else if (number === 14 && wire === VARINT) this.isExternal = value === 1
    // two are enough to know that the elements do not lie in one piece
    else if (NUMBERS.includes(number) && this.typed.length < 2) this.typed.push(field)
  }

  private async dimensions(field: Field): Promise<void> {
    const counts = field.wire === VARINT ? [field.value] : await this.file.varints(field, MAX_RANK)
    if (this.shape.length + counts.length > MAX_RANK) refuse('a shape is absurd')
    this.shape.push(...counts.map(asCount))
  }

  described(message: Place): OnnxTensor {
    const { name, shape, dataType } = this
    const plain = PLAIN_TYPES.get(dataType)
    const tensor: OnnxTensor = { name, shape, dtype: plain ?? OTHER_TYPES.get(dataType) ?? `ONNX type ${dataType}` }
    const type = ELEMENT_TYPES.get(plain ?? '')
    const typed = type === undefined ? tensor : { ...tensor, type }
    if (this.isExternal) return { ...typed, external: this.whereOutside() }
    const inside = this.raw ?? this.packedFloats(type)
    if (inside === undefined && this.typed.length > 0) return { ...typed, message: { offset: message.offset, length: message.length } }
    const place = { offset: inside?.offset ?? message.offset, length: inside?.length ?? 0 }
    if (type === undefined) return place.length === 0 ? tensor : { ...tensor, place }
    const bytes = elementsOf(shape) * itemBytes(type)
    if (place.length === bytes) return { ...typed, place }
    return inside === undefined ? typed : refuse('a shape and a length disagree')
  }

  /** Packed floats are the elements as they are. */
  private packedFloats(type: ElementType | undefined): Place | undefined {
    const [only, another] = this.typed
    if (only?.wire !== BYTES || another !== undefined || type?.kind !== 'float') return undefined
    return only.number === (type.width === 4 ? FLOATS : DOUBLES) && type.width >= 4 ? only : undefined
  }

  private whereOutside(): NonNullable<OnnxTensor['external']> {
    const told = new Map(this.external)
    const number = (key: string): number | undefined => (told.has(key) ? asCount(Number(told.get(key))) : undefined)
    return { location: told.get('location') ?? '', offset: number('offset') ?? 0, length: number('length') }
  }
}
