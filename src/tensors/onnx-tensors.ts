import { type OnnxTensor, type Place, readOnnx } from '../chunking/layouts/onnx.ts'
import { BYTES, fieldsIn, VARINT } from '../chunking/layouts/protobuf.ts'
import { elementsOf, readExactly, refuse } from '../chunking/layouts/span.ts'
import { type ElementType, itemBytes } from '../util/element-type.ts'
import type { ByteSource, Tensor, TensorFile } from './tensor.ts'

/** The fields of a TensorProto whose numbers are elements. */
const NUMBERS: readonly number[] = [4, 5, 7, 10, 11]

/** The tensors of an ONNX model. `sawGraph` is called where the file shows that it is one. */
export async function readOnnxFile(source: ByteSource, sawGraph: () => void): Promise<TensorFile> {
  const { tensors, metadata } = await readOnnx(source.size, source.read, sawGraph)
  return { format: 'ONNX', metadata, tensors: tensors.map(tensor => tensorOf(tensor, source)) }
}

function tensorOf({ name, dtype, shape, type, place, message, external }: OnnxTensor, source: ByteSource): Tensor {
  const count = elementsOf(shape)
  const bytes = type === undefined ? (place?.length ?? 0) : count * itemBytes(type)
  const tensor: Tensor = { name, dtype, shape, count, bytes, offset: place?.offset ?? 0, ...(type === undefined ? {} : { type }) }
  if (place !== undefined || bytes === 0) return tensor
  if (message !== undefined) return { ...tensor, gather: () => elementsIn(message, type!, bytes, source) }
  if (external === undefined) return { ...tensor, unread: 'it has no elements' }
  const { location: file, offset, length = bytes } = external
  if (length < bytes) refuse('a shape and a length disagree')
  return { ...tensor, outside: { file, offset }, unread: `its elements lie in another file, ${JSON.stringify(file)}` }
}

/** The elements of a tensor that are written as numbers of protocol buffers: of a fixed length, or varints. */
async function elementsIn(message: Place, type: ElementType, bytes: number, { read }: ByteSource): Promise<Uint8Array> {
  const content = Buffer.from(await readExactly(read, message.offset, message.length))
  const elements = Buffer.alloc(bytes)
  let at = 0
  const put = (piece: Uint8Array): void => {
    if (at + piece.length > bytes) refuse('a shape and a length disagree')
    elements.set(piece, at)
    at += piece.length
  }
  for (const { number, wire, offset, length } of fieldsIn(content)) {
    if (!NUMBERS.includes(number)) continue
    const numbers = content.subarray(offset, offset + length)
    if (wire !== VARINT && (number === 4 || number === 10)) put(numbers)
    else if (wire === VARINT || wire === BYTES) putVarints(numbers, type.width, put)
  }
  return at === bytes ? elements : refuse('a shape and a length disagree')
}

/** Each varint as an integer of this width, of which it has the low bits. */
function putVarints(bytes: Uint8Array, width: number, put: (piece: Uint8Array) => void): void {
  const element = Buffer.alloc(8)
  for (let at = 0; at < bytes.length;) {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++] ?? refuse('a number has no end')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) break
      if (shift > 56n) refuse('a number is too long')
    }
    element.writeBigUInt64LE(BigInt.asUintN(64, value))
    put(element.subarray(0, width))
  }
}
