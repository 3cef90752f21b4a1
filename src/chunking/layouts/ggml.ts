import { ELEMENT_TYPES, type ElementType, recordLength } from '../../util/element-type.ts'
import { GGML_BLOCKS, ggmlElement } from './ggml-blocks.ts'
import { BLOCK_TYPES, PLAIN_TYPES } from './gguf.ts'
import { PagedBytes } from './paged-bytes.ts'
import { asCount, elementsOf, MAX_NAME_LENGTH, MAX_TENSORS, type ReadAt, refuse, refuseKind, type TensorSpan } from './span.ts'

/** 0x67676d6c, little-endian. */
const MAGIC = Buffer.from('lmgg')
/** Counts of a model of whisper.cpp, the first of which is that of its vocabulary. */
const COUNTS = 11
const MAX_COUNT = 1_000_000
const MAX_DIMENSIONS = 4

export function isGgml(start: Uint8Array): boolean {
  return MAGIC.equals(start.subarray(0, MAGIC.length))
}

/**
 * The tensors of a ggml file of whisper.cpp: counts, filters, a vocabulary, then tensors to the end, each behind its
 * own header. Throws `unsupported` for a ggml file of another program, whose headers nothing tells apart.
 */
export async function findGgmlTensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  const file = new PagedBytes(size, read)
  let at = await skipHeader(file)
  const spans: TensorSpan[] = []
  while (at < size) {
    if (spans.length === MAX_TENSORS) refuse('it has too many tensors')
    const span = await readTensor(file, at)
    spans.push(span)
    at = span.offset + span.length
    if (at > size) refuse('a tensor lies outside of it')
  }
  return spans
}

/** Where the tensors begin. */
async function skipHeader(file: PagedBytes): Promise<number> {
  const numbers = async (at: number, count: number): Promise<number[]> => {
    const bytes = await file.takeUpTo(at, 4 * count)
    if (bytes.length < 4 * count) refuseKind('a ggml model that is not one of whisper.cpp')
    return Array.from({ length: count }, (_, i) => bytes.readInt32LE(4 * i))
  }
  const counts = await numbers(4, COUNTS)
  let at = 4 + 4 * COUNTS
  const filters = await numbers(at, 2)
  const [mels = -1, bins = -1] = filters
  at += 8 + 4 * mels * bins
  const isWhisper = counts.every(count => count >= 0 && count < MAX_COUNT) && filters.every(count => count > 0 && count < 10_000)
  if (!isWhisper || mels !== counts[9] || at + 4 > file.size) refuseKind('a ggml model that is not one of whisper.cpp')
  const [words = -1] = await numbers(at, 1)
  if (words < 0 || words > MAX_COUNT) refuseKind('a ggml model that is not one of whisper.cpp')
  at += 4
  for (let i = 0; i < words; i++) at += 4 + (await file.take(at, 4)).readUInt32LE()
  return at <= file.size ? at : refuse('its vocabulary is longer than it')
}

async function readTensor(file: PagedBytes, at: number): Promise<TensorSpan> {
  const head = await file.take(at, 12)
  const [dimensions, nameBytes, number] = [head.readUInt32LE(0), head.readUInt32LE(4), head.readUInt32LE(8)]
  if (dimensions > MAX_DIMENSIONS || nameBytes > MAX_NAME_LENGTH) refuse('a tensor has an absurd header')
  const rest = await file.take(at + 12, 4 * dimensions + nameBytes)
  // ggml lists the fastest dimension first
  const shape = Array.from({ length: dimensions }, (_, i) => rest.readUInt32LE(4 * i)).reverse()
  const place = { name: rest.toString('utf8', 4 * dimensions), offset: at + 12 + rest.length, shape }
  const element = ELEMENT_TYPES.get(PLAIN_TYPES.get(number) ?? '')
  if (element !== undefined) return { ...place, length: asCount(elementsOf(shape) * element.width), ...element }
  return { ...place, ...quantised(BLOCK_TYPES.get(number) ?? `ggml type ${number}`, elementsOf(shape)) }
}

function quantised(dtype: string, count: number): ElementType & { length: number } {
  const block = GGML_BLOCKS.get(dtype) ?? refuseKind(`a ggml model with elements of ${dtype}`)
  return { ...ggmlElement(dtype), length: asCount(Math.ceil(count / block.elements) * recordLength(block.fields)) }
}
