import { ELEMENT_TYPES, type ElementType, itemBytes, UNKNOWN_TYPE } from '../../util/element-type.ts'
import { elementsOf, asCount, MAX_TYPE_LENGTH, type ReadAt, readExactly, refuse, type TensorSpan } from './span.ts'

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
    u8: 'U64',
    u4: 'U32',
    u2: 'U16',
    c8: 'C64',
    c16: 'C128',
  }),
)
const BYTE_DTYPES: ReadonlyMap<string, string> = new Map(Object.entries({ i1: 'I8', u1: 'U8', b1: 'BOOL' }))

export function isNpy(start: Uint8Array): boolean {
  return MAGIC.equals(start.subarray(0, MAGIC.length))
}

/**
 * The array of a `.npy` file (versions 1 to 3) of `size` bytes. An array of Python objects is a pickle, not a tensor.
 */
export async function findNpyTensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  const { offset, shape, descr } = await readNpyHeader(size, read)
  const place = { name: '', offset, length: size - offset, shape }
  if (descr === undefined) return [{ ...place, ...UNKNOWN_TYPE }]
  if (descr.endsWith('O')) return []
  const { type, bytes, bigEndian } = npyElement(descr)
  if (elementsOf(shape) * bytes !== place.length) refuse('its shape and its length disagree')
  return [{ ...place, ...(bigEndian ? { width: type.width, kind: 'unknown' as const } : type) }]
}

export interface NpyHeader {
  /** Offset of the elements in the file. */
  offset: number
  shape: number[]
  /** The type as NumPy writes it, such as `<f4`; undefined for a list of fields. */
  descr: string | undefined
  /** True if the first dimension is the fastest, not the last. */
  fortran: boolean
}

/** Time and memory: linear in the length of the header, which has at most 64 KiB. */
export async function readNpyHeader(size: number, read: ReadAt): Promise<NpyHeader> {
  const preamble = Buffer.from(await readExactly(read, 0, Math.min(size, PREAMBLE_BYTES)))
  if (preamble.length < PREAMBLE_BYTES || !isNpy(preamble)) refuse('it is not a .npy file')
  const version = preamble[6]!
  if (version < 1 || version > 3) refuse('its version is not known')
  const headerAt = version === 1 ? 10 : 12
  const headerBytes = version === 1 ? preamble.readUInt16LE(8) : preamble.readUInt32LE(8)
  const offset = headerAt + headerBytes
  if (headerBytes > MAX_HEADER_BYTES || offset > size) refuse('its header is too long')
  const header = Buffer.from(await readExactly(read, headerAt, headerBytes)).toString('latin1')
  const descr = /'descr': *'([^']*)'/.exec(header)?.[1]
  if (descr !== undefined && descr.length > MAX_TYPE_LENGTH) refuse('its type is absurd')
  return { offset, shape: shapeOf(header), descr, fortran: /'fortran_order': *True/.test(header) }
}

function shapeOf(header: string): number[] {
  const inside = /'shape': *\(([\d, ]*)\)/.exec(header)?.[1] ?? refuse('it has no shape')
  const counts = inside.split(',').map(text => text.trim())
  if (counts.at(-1) === '') counts.pop()
  if (counts.length > MAX_RANK || counts.includes('')) refuse('its shape is absurd')
  return counts.map(text => asCount(Number(text)))
}

/**
 * The element type that `descr` states: byte order, kind and bytes of an item (`U`: characters of 4 bytes). `bigEndian`
 * is true only where it makes a difference.
 */
export function npyElement(descr: string): { type: ElementType; bytes: number; bigEndian: boolean } {
  const [, order, kind, digits] = /^([<>|=]?)([a-zA-Z])(\d{1,9})(?:\[\w+\])?$/.exec(descr) ?? refuse('its type is absurd')
  const count = Number(digits)
  const code = `${kind}${count}`
  const bigEndian = order === '>'
  const byteType = ELEMENT_TYPES.get(BYTE_DTYPES.get(code) ?? '')
  if (byteType !== undefined) return { type: byteType, bytes: 1, bigEndian: false }
  if (kind === 'U') return { type: { width: 4, kind: 'unknown' }, bytes: 4 * count, bigEndian }
  if ((kind === 'M' || kind === 'm') && count === 8) return { type: { width: 8, kind: 'int' }, bytes: 8, bigEndian }
  const type = ELEMENT_TYPES.get(DTYPES.get(code) ?? '')
  if (type === undefined) return { type: UNKNOWN_TYPE, bytes: count, bigEndian: false }
  return { type, bytes: itemBytes(type), bigEndian }
}
