import { ByteReader } from '../../util/bytes.ts'
import { ELEMENT_TYPES, type ElementType } from '../../util/element-type.ts'
import { isAppError } from '../../util/errors.ts'
import { ggmlElement } from './ggml-blocks.ts'
import { asCount, elementsOf, MAX_NAME_LENGTH, MAX_TENSORS, type ReadAt, readExactly, refuse, refuseKind, type TensorSpan } from './span.ts'

const MAGIC = Buffer.from('GGUF')
/**
 * Length of the first read. A header does not state its length, so longer pieces are read until it is complete.
 * Vocabularies take some MiB.
 */
const FIRST_READ_BYTES = 1024 * 1024
const MAX_HEADER_BYTES = 16 * 1024 * 1024
const MAX_DIMENSIONS = 8
const MAX_NESTING = 4
const DEFAULT_ALIGNMENT = 32
const MAX_ALIGNMENT = 1024 * 1024

const TYPE_UINT32 = 4
const TYPE_STRING = 8
const TYPE_ARRAY = 9
/** Bytes per value, by type. Strings and arrays state theirs. */
const VALUE_BYTES: ReadonlyMap<number, number> = new Map(
  [1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8].map((bytes, type) => [type, bytes] as const),
)

/** Plain element types by their ggml number. */
export const PLAIN_TYPES: ReadonlyMap<number, string> = new Map([
  [0, 'F32'],
  [1, 'F16'],
  [24, 'I8'],
  [25, 'I16'],
  [26, 'I32'],
  [27, 'I64'],
  [28, 'F64'],
  [30, 'BF16'],
])

/** Types that store elements in blocks with shared bits: ggml's names by its numbers. */
export const BLOCK_TYPES: ReadonlyMap<number, string> = new Map([
  [2, 'Q4_0'],
  [3, 'Q4_1'],
  [6, 'Q5_0'],
  [7, 'Q5_1'],
  [8, 'Q8_0'],
  [9, 'Q8_1'],
  [10, 'Q2_K'],
  [11, 'Q3_K'],
  [12, 'Q4_K'],
  [13, 'Q5_K'],
  [14, 'Q6_K'],
  [15, 'Q8_K'],
  [16, 'IQ2_XXS'],
  [17, 'IQ2_XS'],
  [18, 'IQ3_XXS'],
  [19, 'IQ1_S'],
  [20, 'IQ4_NL'],
  [21, 'IQ3_S'],
  [22, 'IQ2_S'],
  [23, 'IQ4_XS'],
  [29, 'IQ1_M'],
  [34, 'TQ1_0'],
  [35, 'TQ2_0'],
  [39, 'MXFP4'],
])

interface Tensor {
  name: string
  type: number
  shape: number[]
  /** From the start of the data. */
  offset: number
}

export function isGguf(start: Uint8Array): boolean {
  return MAGIC.equals(start.subarray(0, MAGIC.length))
}

/**
 * The tensors of a GGUF file, version 2 or 3, little-endian. Time and memory: linear in the length of its header, of
 * which at most 16 MiB are read.
 */
export async function findGgufTensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  const most = Math.min(size, MAX_HEADER_BYTES)
  for (let length = Math.min(most, FIRST_READ_BYTES); ; length = Math.min(most, 4 * length)) {
    const reader = new HeaderReader(await readExactly(read, 0, length), 'A GGUF header')
    try {
      return spansOf(reader, size)
    } catch (error) {
      if (length === most || !isAppError(error, 'corrupt')) throw error
    }
  }
}

function spansOf(reader: HeaderReader, size: number): TensorSpan[] {
  reader.take(MAGIC.length)
  const version = reader.u32()
  // of a big-endian file the bytes come the other way round
  if (version !== 2 && version !== 3) refuseKind(version % 2 ** 16 === 0 ? 'a big-endian GGUF file' : `version ${version} of GGUF`)
  const tensorCount = reader.u64()
  const valueCount = reader.u64()
  if (tensorCount > MAX_TENSORS) refuse('it has too many tensors')
  let alignment = DEFAULT_ALIGNMENT
  for (let i = 0; i < valueCount; i++) {
    const key = reader.text()
    const type = reader.u32()
    if (key === 'general.alignment' && type === TYPE_UINT32) alignment = reader.u32()
    else reader.skipValue(type, 0)
  }
  if (alignment < 1 || alignment > MAX_ALIGNMENT) refuse('its alignment is absurd')

  const tensors: Tensor[] = []
  for (let i = 0; i < tensorCount; i++) tensors.push(reader.tensor())
  tensors.sort((a, b) => a.offset - b.offset)
  const dataAt = Math.ceil(reader.position / alignment) * alignment
  return tensors.map((tensor, i) => spanOf(tensor, dataAt, tensors[i + 1]?.offset ?? size - dataAt))
}

/** Elements in quantised blocks have no width of their own, so such a tensor ends where the `next` one begins. */
function spanOf({ name, type, shape, offset }: Tensor, dataAt: number, next: number): TensorSpan {
  const element: ElementType = ELEMENT_TYPES.get(PLAIN_TYPES.get(type) ?? '') ?? ggmlElement(BLOCK_TYPES.get(type) ?? `ggml type ${type}`)
  const length = element.kind === 'unknown' ? next - offset : elementsOf(shape) * element.width
  return { name, offset: dataAt + offset, length: asCount(length), shape, ...element }
}

class HeaderReader extends ByteReader {
  u32(): number {
    const bytes = this.take(4)
    return bytes[0]! + bytes[1]! * 2 ** 8 + bytes[2]! * 2 ** 16 + bytes[3]! * 2 ** 24
  }

  u64(): number {
    const low = this.u32()
    return asCount(low + this.u32() * 2 ** 32)
  }

  text(): string {
    return Buffer.from(this.take(this.u64())).toString('utf8')
  }

  tensor(): Tensor {
    const name = this.text()
    if (name.length > MAX_NAME_LENGTH) refuse('a name is absurdly long')
    const dimensions = this.u32()
    if (dimensions > MAX_DIMENSIONS) refuse('a tensor has too many dimensions')
    // ggml lists the fastest dimension first, all other formats last
    const shape = Array.from({ length: dimensions }, () => this.u64()).reverse()
    return { name, shape, type: this.u32(), offset: this.u64() }
  }

  skipValue(type: number, depth: number): void {
    if (type === TYPE_STRING) {
      this.take(this.u64())
    } else if (type === TYPE_ARRAY) {
      if (depth >= MAX_NESTING) refuse('an array is nested too deep')
      const itemType = this.u32()
      const items = this.u64()
      if (itemType !== TYPE_STRING && itemType !== TYPE_ARRAY) this.take(asCount(items * valueBytes(itemType)))
      else for (let i = 0; i < items; i++) this.skipValue(itemType, depth + 1)
    } else {
      this.take(valueBytes(type))
    }
  }
}

function valueBytes(type: number): number {
  return VALUE_BYTES.get(type) ?? refuseKind(`a value of type ${type}`)
}
