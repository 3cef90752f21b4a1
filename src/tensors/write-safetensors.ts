import { ELEMENT_TYPES } from '../util/element-type.ts'
import { AppError, isAppError } from '../util/errors.ts'
import { openElements } from './element-reader.ts'
import { type ByteSource, itemOf, reasonOf, type Tensor, type TensorFile } from './tensor.ts'

/** Bytes per read. The next piece is read while the previous one is written. */
const WINDOW_BYTES = 8 * 1024 * 1024
const HEADER_ALIGNMENT = 8

export interface SafetensorsPlan {
  header: Uint8Array
  /** What its header holds beside the tensors. */
  texts: Readonly<Record<string, string>>
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
  isDamaged?: true
}

/** Where a new file is written to. */
export interface Output {
  write(bytes: Uint8Array): Promise<void>
  /** False if what was written can't be taken back. */
  canRewrite: boolean
  /** Drops what was written after the first `length` bytes. */
  truncate(length: number): Promise<void>
  /** Writes over the first bytes. */
  overwriteStart(bytes: Uint8Array): Promise<void>
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
    return why === undefined ? [] : [{ tensor, why, ...(tensor.isDamaged ? { isDamaged: tensor.isDamaged } : {}) }]
  })
  if (skipped.length > 0 && skipped.length === chosen.length) {
    const isDamaged = skipped.some(each => each.isDamaged)
    const why = isDamaged
      ? 'None of the chosen tensors can be read, and some are damaged.'
      : 'Safetensors can hold none of the chosen tensors.'
    throw new AppError(isDamaged ? 'corrupt' : 'unsupported', why, {
      list: skippedLines(skipped),
      hint: 'Choose other tensors with --tensor, or pull the whole file.',
    })
  }
  const without = new Set(skipped.map(({ tensor }) => tensor))
  const tensors = chosen.filter(tensor => !without.has(tensor)).sort((a, b) => itemOf(b) - itemOf(a))
  const texts = file.format === 'PyTorch' ? { format: 'pt' } : Object.fromEntries(file.metadata)
  const header = headerOf(tensors, texts)
  return { header, texts, tensors, skipped, bytes: header.length + sum(tensors) }
}

function sum(tensors: readonly Tensor[]): number {
  return tensors.reduce((all, { bytes }) => all + bytes, 0)
}

function whySkipped(file: TensorFile, { dtype, unread }: Tensor): string | undefined {
  if (unread !== undefined) return unread
  // tensors of types to come are taken over from a file of the same format
  const known = file.format === 'safetensors' || (ELEMENT_TYPES.has(dtype) && dtype !== 'C128')
  return known ? undefined : `safetensors has no ${dtype}`
}

/** A line for each skipped tensor, of the first ten. */
export function skippedLines(skipped: readonly SkippedTensor[]): string[] {
  const lines = skipped.slice(0, LISTED).map(({ tensor, why, isDamaged }) => `${tensor.name}: ${isDamaged ? 'damaged: ' : ''}${why}`)
  return skipped.length > LISTED ? [...lines, `... and ${skipped.length - LISTED} more`] : lines
}

/** Padded with blanks to at least `least` bytes. */
function headerOf(tensors: readonly Tensor[], texts: SafetensorsPlan['texts'], least = 0): Uint8Array {
  let end = 0
  const entries = tensors.map(({ name, dtype, shape, bytes }): [string, object] => [
    name,
    { dtype, shape, data_offsets: [end, (end += bytes)] },
  ])
  if (Object.keys(texts).length > 0) entries.unshift(['__metadata__', texts])
  const json = `{${entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`
  const length = Math.max(least - 8, Math.ceil(Buffer.byteLength(json) / HEADER_ALIGNMENT) * HEADER_ALIGNMENT)
  const header = Buffer.alloc(8 + length, ' ')
  header.writeBigUInt64LE(BigInt(length))
  header.write(json, 8)
  return header
}

/**
 * Writes a planned file. A tensor that turns out to be damaged, or that can't be read, is left out and returned: the
 * others are written. `subject` names the file of the tensors in messages. Throws what the last one throws if none is
 * left, or if the output can't take back what was written.
 */
export async function writeSafetensors(
  subject: string,
  { header, texts, tensors }: SafetensorsPlan,
  source: ByteSource,
  output: Output,
): Promise<SkippedTensor[]> {
  const failed: SkippedTensor[] = []
  const written: Tensor[] = []
  let end = header.length
  await output.write(header)
  for (const tensor of tensors) {
    try {
      for await (const piece of piecesOf(`${tensor.name} of ${subject}`, tensor, source)) await output.write(piece)
      written.push(tensor)
      end += tensor.bytes
    } catch (error) {
      if (!isAppError(error, 'corrupt', 'unsupported') || !output.canRewrite || failed.length === tensors.length - 1) throw error
      failed.push({ tensor, why: reasonOf(error), ...(error.code === 'corrupt' ? { isDamaged: true } : {}) })
      await output.truncate(end)
    }
  }
  if (failed.length > 0) await output.overwriteStart(headerOf(written, texts, header.length))
  return failed
}

/** The elements, piece by piece. */
async function* piecesOf(subject: string, tensor: Tensor, source: ByteSource): AsyncGenerator<Uint8Array> {
  const reader = await openElements(subject, tensor, source)
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
