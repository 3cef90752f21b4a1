import { ELEMENT_TYPES } from '../util/element-type.ts'
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
  /** The chosen tensors that the new file can't hold, and why. */
  skipped: readonly SkippedTensor[]
  /** Bytes of the whole file. */
  bytes: number
}

export interface SkippedTensor {
  tensor: Tensor
  why: string
}

/** Lines of a message about skipped tensors. */
const LISTED = 10

/**
 * Plans a safetensors file with some tensors of `file`, their types, shapes and metadata. Tensors with wide elements
 * come first, so that all are aligned. Skips what can't be read, and types that safetensors does not have; throws
 * `unsupported` if nothing else is chosen.
 */
export function planSafetensors(file: TensorFile, chosen: readonly Tensor[]): SafetensorsPlan {
  const skipped = chosen.flatMap(tensor => {
    const why = whySkipped(file, tensor)
    return why === undefined ? [] : [{ tensor, why }]
  })
  if (skipped.length > 0 && skipped.length === chosen.length)
    throw new AppError('unsupported', 'Safetensors can hold none of the chosen tensors.', {
      list: skippedLines(skipped),
      hint: 'Choose other tensors with --tensor, or pull the whole file.',
    })
  const without = new Set(skipped.map(({ tensor }) => tensor))
  const tensors = chosen.filter(tensor => !without.has(tensor)).sort((a, b) => itemOf(b) - itemOf(a))
  let end = 0
  const entries = tensors.map(({ name, dtype, shape, bytes }): [string, object] => [
    name,
    { dtype, shape, data_offsets: [end, (end += bytes)] },
  ])
  const texts = file.format === 'PyTorch' ? { format: 'pt' } : Object.fromEntries(file.metadata)
  if (Object.keys(texts).length > 0) entries.unshift(['__metadata__', texts])
  const header = encodeHeader(entries)
  return { header, tensors, skipped, bytes: header.length + end }
}

function whySkipped(file: TensorFile, { dtype, unread }: Tensor): string | undefined {
  if (unread !== undefined) return unread
  // tensors of types to come are taken over from a file of the same format
  const known = file.format === 'safetensors' || (ELEMENT_TYPES.has(dtype) && dtype !== 'C128')
  return known ? undefined : `safetensors has no ${dtype}`
}

/** A line for each skipped tensor, of the first ten. */
export function skippedLines(skipped: readonly SkippedTensor[]): string[] {
  const lines = skipped.slice(0, LISTED).map(({ tensor, why }) => `${tensor.name}: ${why}`)
  return skipped.length > LISTED ? [...lines, `... and ${skipped.length - LISTED} more`] : lines
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
