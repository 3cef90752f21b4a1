import { ELEMENT_TYPES, type ElementType, itemBytes, type RecordField, UNKNOWN_TYPE } from '../../util/element-type.ts'
import { dtypeOf, type NpyDtype, type NpyField } from './npy-dtype.ts'
import { elementsOf, asCount, MAX_TENSORS, type ReadAt, readExactly, refuse, refuseKind, type TensorSpan } from './span.ts'

const MAGIC = Buffer.from('\x93NUMPY', 'latin1')
const MAX_HEADER_BYTES = 64 * 1024
/** The magic number, the version and the longest length field. */
const PREAMBLE_BYTES = 12
const MAX_RANK = 64

const DTYPES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    f8: 'F64',
    f4: 'F32',
    f2: 'F16',
    i8: 'I64',
    i4: 'I32',
    i2: 'I16',
    i1: 'I8',
    u8: 'U64',
    u4: 'U32',
    u2: 'U16',
    u1: 'U8',
    b1: 'BOOL',
    c8: 'C64',
    c16: 'C128',
  }),
)

export function isNpy(start: Uint8Array): boolean {
  return MAGIC.equals(start.subarray(0, MAGIC.length))
}

/**
 * The arrays of a `.npy` file (versions 1 to 3) of `size` bytes: numpy.save appends to a file that is open. An array of
 * Python objects is a pickle, not a tensor.
 */
export async function findNpyTensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  const spans: TensorSpan[] = []
  for (const { offset, length, shape, element, bigEndian } of await readNpyArrays(size, read)) {
    if (length === undefined) break
    const type = bigEndian ? { width: element.width, kind: 'unknown' as const } : element
    spans.push({ name: '', offset, length, shape, ...type })
  }
  return spans
}

/** The array at the beginning of a file, and its place in it. */
export interface NpyArray {
  /** Offset of the elements in the file. */
  offset: number
  /** Bytes of the elements; undefined for Python objects, which are a pickle that does not state its length. */
  length: number | undefined
  shape: number[]
  /** For messages: the type as NumPy writes it, such as `<f4`; `records` for a list of fields. */
  descr: string
  element: ElementType
  /** True only where it makes a difference. */
  bigEndian: boolean
  /** True if the first dimension is the fastest, not the last. */
  fortran: boolean
}

/**
 * The arrays that stand one behind the other. What follows the last is not looked at. Throws `corrupt` if one is cut
 * short. Time and memory: linear in the length of the headers.
 */
export async function readNpyArrays(size: number, read: ReadAt): Promise<NpyArray[]> {
  const arrays: NpyArray[] = []
  for (let start = 0, more = true; more;) {
    if (arrays.length === MAX_TENSORS) refuse('it has too many tensors')
    const base = start
    const array = await readNpyArray(size - base, (offset, length) => read(base + offset, length))
    arrays.push({ ...array, offset: base + array.offset })
    if (array.length === undefined) break
    start = base + array.offset + array.length
    more = size - start >= PREAMBLE_BYTES && isNpy(await read(start, MAGIC.length))
  }
  return arrays
}

/** The first array. Time and memory: linear in the length of the header, which has at most 64 KiB. */
export async function readNpyArray(size: number, read: ReadAt): Promise<NpyArray> {
  const { offset, header } = await readHeader(size, read)
  const shape = shapeOf(header)
  const dtype = dtypeOf(header)
  const { element, bytes, bigEndian } = elementOf(dtype)
  const length = bytes === undefined ? undefined : elementsOf(shape) * bytes
  if (length !== undefined && offset + asCount(length) > size) refuse('its elements are shorter than its shape')
  return { offset, length, shape, descr: dtype.text, element, bigEndian, fortran: isFortran(header) }
}

async function readHeader(size: number, read: ReadAt): Promise<{ offset: number; header: string }> {
  const preamble = Buffer.from(await readExactly(read, 0, Math.min(size, PREAMBLE_BYTES)))
  if (preamble.length < PREAMBLE_BYTES || !isNpy(preamble)) refuse('it is not a .npy file')
  const version = preamble[6]!
  if (version < 1 || version > 3) refuseKind(`version ${version} of .npy`)
  const headerAt = version === 1 ? 10 : 12
  const headerBytes = version === 1 ? preamble.readUInt16LE(8) : preamble.readUInt32LE(8)
  const offset = headerAt + headerBytes
  if (offset > size) refuse('its header is longer than the file')
  if (headerBytes > MAX_HEADER_BYTES) refuseKind('its header is too long')
  return { offset, header: Buffer.from(await readExactly(read, headerAt, headerBytes)).toString('latin1') }
}

/** Without it nobody knows the order of the elements, so it is never guessed. */
function isFortran(header: string): boolean {
  const [, value] = /["']fortran_order["'] *: *(True|False|1|0) *[,}]/.exec(header) ?? refuse('it has no order of elements')
  return value === 'True' || value === '1'
}

/** Python 2 wrote `(3L, 4L)`. */
function shapeOf(header: string): number[] {
  const inside = /["']shape["'] *: *\(([\dL, ]*)\)/.exec(header)?.[1] ?? refuse('it has no shape')
  const counts = inside.split(',').map(text => text.trim().replace(/L$/, ''))
  if (counts.at(-1) === '') counts.pop()
  if (counts.length > MAX_RANK || counts.includes('')) refuse('its shape is absurd')
  return counts.map(text => asCount(Number(text)))
}

/** The type of one element, and its bytes; those are undefined for Python objects. */
export function elementOf({ order, code, bytes, fields }: NpyDtype): {
  element: ElementType
  bytes: number | undefined
  bigEndian: boolean
} {
  const swapped = order === '>'
  if (fields !== undefined && bytes !== undefined)
    return { element: { ...UNKNOWN_TYPE, record: fields.map(recordField).filter(({ count }) => count > 0) }, bytes, bigEndian: false }
  if (bytes === undefined || code === undefined) return { element: UNKNOWN_TYPE, bytes, bigEndian: false }
  // characters of 4 bytes
  if (code.startsWith('U')) return { element: { width: 4, kind: 'unknown' }, bytes, bigEndian: swapped }
  if (code === 'M8' || code === 'm8') return { element: { width: 8, kind: 'int' }, bytes, bigEndian: swapped }
  const element = ELEMENT_TYPES.get(DTYPES.get(code) ?? '')
  if (element === undefined) return { element: UNKNOWN_TYPE, bytes, bigEndian: false }
  return { element, bytes: itemBytes(element), bigEndian: swapped && element.width > 1 }
}

/** A big-endian number has the same planes in another order, and no sign where floats have theirs. */
function recordField({ dtype, count }: NpyField): RecordField {
  const { element, bytes = 0, bigEndian } = elementOf(dtype)
  return { width: element.width, count: (count * bytes) / element.width, kind: bigEndian ? 'unknown' : element.kind }
}
