import { AppError } from '../util/errors.ts'
import { openElements } from './element-reader.ts'
import { type ByteSource, itemOf, type Tensor, type TensorFile } from './tensor.ts'

/** Bytes per read. The next piece is read while the previous one is written. */
const WINDOW_BYTES = 8 * 1024 * 1024
const HEADER_ALIGNMENT = 8

export interface SafetensorsPlan {
  header: Uint8Array
  /** In the order of their data. */
  tensors: readonly Tensor[]
  /** Bytes of the whole file. */
  bytes: number
}

/**
 * Plans a safetensors file with some tensors of `file`, their types, shapes and metadata. Tensors with wide elements
 * come first, so that all are aligned. Throws `unsupported` for a type that safetensors does not have.
 */
export function planSafetensors(file: TensorFile, chosen: readonly Tensor[]): SafetensorsPlan {
  const strange = chosen.find(({ type, dtype }) => file.format !== 'safetensors' && (type === undefined || dtype === 'C128'))
  if (strange !== undefined)
    throw new AppError('unsupported', `${strange.name} is ${strange.dtype}, which safetensors does not have.`, {
      hint: 'Choose other tensors with --tensor, or pull the whole file.',
    })
  const tensors = [...chosen].sort((a, b) => itemOf(b) - itemOf(a))
  let end = 0
  const entries = tensors.map(({ name, dtype, shape, bytes }): [string, object] => [
    name,
    { dtype, shape, data_offsets: [end, (end += bytes)] },
  ])
  const texts = file.format === 'PyTorch' ? { format: 'pt' } : Object.fromEntries(file.metadata)
  if (Object.keys(texts).length > 0) entries.unshift(['__metadata__', texts])
  const header = encodeHeader(entries)
  return { header, tensors, bytes: header.length + end }
}

function encodeHeader(entries: readonly [string, object][]): Uint8Array {
  const json = `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`
  const length = Math.ceil(Buffer.byteLength(json) / HEADER_ALIGNMENT) * HEADER_ALIGNMENT
  const header = Buffer.alloc(8 + length, ' ')
  header.writeBigUInt64LE(BigInt(length))
  header.write(json, 8)
  return header
}

/** The bytes of a planned file, piece by piece. `subject` names the file of the tensors in messages. */
export async function* safetensorsPieces(
  subject: string,
  { header, tensors }: SafetensorsPlan,
  source: ByteSource,
): AsyncGenerator<Uint8Array> {
  yield header
  for (const tensor of tensors) {
    const reader = await openElements(`${tensor.name} of ${subject}`, tensor, source)
    const most = Math.floor(WINDOW_BYTES / reader.item)
    const readFrom = (first: number): Promise<Uint8Array> | undefined => {
      if (first >= reader.count) return undefined
      const piece = reader.read(first, Math.min(most, reader.count - first))
      piece.catch(() => undefined) // an error is thrown when it is awaited
      return piece
    }
    let next = readFrom(0)
    for (let first = 0; next !== undefined; first += most) {
      const piece = await next
      next = readFrom(first + most)
      yield piece
    }
  }
}
