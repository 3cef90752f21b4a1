import { ELEMENT_TYPES, itemBytes, UNKNOWN_TYPE } from '../../util/element-type.ts'
import { isRecord } from '../../util/json-fields.ts'
import {
  asCount,
  elementsOf,
  MAX_NAME_LENGTH,
  MAX_TENSORS,
  MAX_TYPE_LENGTH,
  readExactly,
  type ReadAt,
  refuse,
  type TensorSpan,
} from './span.ts'

/**
 * Maximum bytes of a header; safetensors itself allows 100 MB. This is enough for 100,000 tensors, and parsing takes a
 * multiple of it in memory.
 */
const MAX_HEADER_BYTES = 16 * 1024 * 1024
const LENGTH_BYTES = 8
/**
 * Limits for headers like `{"name":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`: nothing is nested deeper, and
 * each tensor takes three brackets and four keys.
 */
const MAX_DEPTH = 3
const MAX_BRACKETS = 4 * MAX_TENSORS
const MAX_KEYS = 5 * MAX_TENSORS
const MAX_RANK = 64

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const OPENING = [0x5b, 0x7b]
const CLOSING = [0x5d, 0x7d]

/** True if a file with this start may be safetensors. The format has no magic number. */
export function maySafetensors(start: Uint8Array, size: number): boolean {
  if (start.length <= LENGTH_BYTES || start[LENGTH_BYTES] !== OPENING[1]) return false
  const length = headerLength(start)
  return length >= 2 && length <= MAX_HEADER_BYTES && LENGTH_BYTES + length <= size
}

/** The tensors of a safetensors file, from its header: 8 bytes of length, then JSON. */
export async function findSafetensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  return (await readSafetensors(size, read)).spans
}

/**
 * The tensors in header order, and the strings in its `__metadata__`. Time and memory: linear in the length of the
 * header, which has at most 16 MiB.
 */
export async function readSafetensors(size: number, read: ReadAt): Promise<{ spans: TensorSpan[]; metadata: Map<string, string> }> {
  const length = headerLength(await readExactly(read, 0, LENGTH_BYTES))
  const header = await readExactly(read, LENGTH_BYTES, length)
  assertModest(header)
  const dataAt = LENGTH_BYTES + length
  const entries = new Map<string, unknown>(Object.entries(parse(header)))
  const metadata = entries.get('__metadata__')
  entries.delete('__metadata__')
  return {
    spans: [...entries].map(([name, entry]) => spanOf(name, entry, dataAt, size)),
    metadata: new Map(
      Object.entries(isRecord(metadata) ? metadata : {}).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
    ),
  }
}

function headerLength(start: Uint8Array): number {
  const length = Buffer.from(start.buffer, start.byteOffset, start.byteLength).readBigUInt64LE()
  return length <= BigInt(MAX_HEADER_BYTES) ? Number(length) : Infinity
}

function parse(header: Uint8Array): object {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(header))
  } catch {
    refuse('its header is not JSON')
  }
  return isRecord(value) ? value : refuse('its header is not an object')
}

function spanOf(name: string, entry: unknown, dataAt: number, size: number): TensorSpan {
  if (!isRecord(entry) || !('dtype' in entry) || !('shape' in entry) || !('data_offsets' in entry)) refuse('an entry is incomplete')
  const { dtype, shape, data_offsets: offsets } = entry
  if (name.length > MAX_NAME_LENGTH) refuse('a name is absurdly long')
  if (typeof dtype !== 'string' || dtype.length > MAX_TYPE_LENGTH || !Array.isArray(shape) || shape.length > MAX_RANK)
    refuse('an entry is not a tensor')
  if (!Array.isArray(offsets) || offsets.length !== 2) refuse('an entry has no place')
  const [begin, end] = [asCount(offsets[0]), asCount(offsets[1])]
  if (begin > end || dataAt + end > size) refuse('a tensor lies outside of it')
  const counts = shape.map(asCount)
  const place = { name, offset: dataAt + begin, length: end - begin, shape: counts }
  const type = ELEMENT_TYPES.get(dtype)
  if (type === undefined) return { ...place, ...UNKNOWN_TYPE, dtype }
  if (elementsOf(counts) * itemBytes(type) !== end - begin) refuse('a shape and a length disagree')
  return { ...place, ...type }
}

/**
 * Checks the number of brackets and keys before the header is parsed: they cost a parser far more memory than their
 * bytes.
 */
function assertModest(header: Uint8Array): void {
  let depth = 0
  let brackets = 0
  let keys = 0
  for (let i = 0, inString = false; i < header.length; i++) {
    const byte = header[i]!
    if (inString) {
      if (byte === BACKSLASH) i++
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) inString = true
    else if (byte === COLON) keys++
    else if (CLOSING.includes(byte)) depth--
    else if (OPENING.includes(byte)) {
      brackets++
      if (++depth > MAX_DEPTH) refuse('its header is nested too deep')
    }
  }
  if (brackets > MAX_BRACKETS || keys > MAX_KEYS) refuse('it has too many tensors')
}
