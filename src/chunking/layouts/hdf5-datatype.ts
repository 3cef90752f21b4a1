import { ELEMENT_TYPES, type ElementType } from '../../util/element-type.ts'
import { refuse } from './span.ts'
import type { Fields } from './hdf5-file.ts'

/** The type of a dataset's elements. */
export interface Datatype {
  /** Its name in safetensors, else what it is. */
  dtype: string
  /** Bytes of an element. */
  bytes: number
  /** Missing for elements that are no numbers of a known type. */
  type?: ElementType
  bigEndian?: true
}

const FIXED_POINT = 0
const FLOAT = 1
const COMPOUND = 6
const ENUM = 8
const LISTS = 9
const COMPLEX = 11
/** Classes whose elements are no numbers. */
const CLASSES: ReadonlyMap<number, string> = new Map([
  [2, 'times'],
  [3, 'texts'],
  [4, 'bits'],
  [5, 'bytes'],
  [COMPOUND, 'records'],
  [7, 'references'],
  [ENUM, 'enumeration'],
  [LISTS, 'lists'],
  [10, 'arrays'],
  [COMPLEX, 'complex'],
])

/** Where a float has its exponent and its mantissa: precision, exponent's place and size, mantissa's place and size. */
const FLOATS: ReadonlyMap<string, string> = new Map([
  ['64,52,11,0,52', 'F64'],
  ['32,23,8,0,23', 'F32'],
  ['16,10,5,0,10', 'F16'],
  ['16,7,8,0,7', 'BF16'],
  ['8,3,4,0,3', 'F8_E4M3'],
  ['8,2,5,0,2', 'F8_E5M2'],
])
const MAX_MEMBERS = 2
const PARTS = [
  ['r', 'real'],
  ['i', 'imag'],
]
export const BOOLEANS: Datatype = { dtype: 'BOOL', bytes: 1, type: ELEMENT_TYPES.get('BOOL')! }

/** A datatype message, of version 1 to 5. Looks into enumerations and pairs, not deeper. */
export function readDatatype(fields: Fields, depth = 0): Datatype {
  const head = fields.byte()
  const [kind, version] = [head & 0x0f, head >> 4]
  const bits = fields.uint(3)
  const bytes = fields.uint(4)
  if (version < 1 || version > 5) refuse('a type has an unknown version')
  const other = { dtype: CLASSES.get(kind) ?? `HDF5 class ${kind}`, bytes }
  if (kind === FIXED_POINT) return numberType(integerName(fields, bits, bytes), bytes, bits, `${8 * bytes}-bit integers`)
  if (kind === FLOAT) return numberType(floatName(fields, bits), bytes, bits, `${8 * bytes}-bit floats`)
  if (kind === LISTS && (bits & 0xf) === 1) return { dtype: 'texts', bytes }
  if (depth > 0) return other
  if (kind === ENUM) return enumType(fields, bits, bytes, version)
  if (kind === COMPOUND && (bits & 0xffff) === MAX_MEMBERS) return pairType(fields, version, bytes) ?? other
  if (kind === COMPLEX) return complexOf(readDatatype(fields, 1), bytes) ?? other
  return other
}

function numberType(name: string | undefined, bytes: number, bits: number, other: string): Datatype {
  const type = ELEMENT_TYPES.get(name ?? '')
  if (type?.width !== bytes) return { dtype: other, bytes }
  return { dtype: type.dtype!, bytes, type, ...((bits & 1) === 1 && bytes > 1 ? { bigEndian: true } : {}) }
}

function integerName(fields: Fields, bits: number, bytes: number): string | undefined {
  const [offset, precision] = [fields.uint(2), fields.uint(2)]
  return offset === 0 && precision === 8 * bytes ? `${(bits & 8) === 0 ? 'U' : 'I'}${precision}` : undefined
}

function floatName(fields: Fields, bits: number): string | undefined {
  const offset = fields.uint(2)
  const place = [fields.uint(2), fields.byte(), fields.byte(), fields.byte(), fields.byte()]
  fields.skip(4) // the exponent's bias
  // bit 6 means the byte order of the VAX; the mantissa has a leading 1 that is not stored
  return offset === 0 && (bits & 0x40) === 0 ? FLOATS.get(place.join()) : undefined
}

/** h5py's booleans are an enumeration of FALSE and TRUE. */
function enumType(fields: Fields, bits: number, bytes: number, version: number): Datatype {
  const base = readDatatype(fields, 1)
  const names = (bits & 0xffff) === 2 ? [readName(fields, version), readName(fields, version)] : []
  if (names.join() === 'FALSE,TRUE' && bytes === 1) return BOOLEANS
  return base.bytes === bytes ? base : { dtype: CLASSES.get(ENUM)!, bytes }
}

/** Complex numbers of h5py are a pair of floats, r and i, those of MATLAB real and imag. */
function pairType(fields: Fields, version: number, bytes: number): Datatype | undefined {
  const parts: Datatype[] = []
  for (const names of PARTS) {
    if (!names.includes(readName(fields, version))) return undefined
    // the place of a member; version 1 has dimensions, too
    fields.skip(version < 3 ? 4 : byteWidth(bytes))
    if (version === 1) fields.skip(28)
    parts.push(readDatatype(fields, 1))
  }
  const [real, imaginary] = parts
  return real!.dtype === imaginary!.dtype && real!.bigEndian === imaginary!.bigEndian ? complexOf(real!, bytes) : undefined
}

function complexOf({ dtype, bytes: part, bigEndian }: Datatype, bytes: number): Datatype | undefined {
  const type = ELEMENT_TYPES.get(dtype === 'F32' ? 'C64' : dtype === 'F64' ? 'C128' : '')
  if (type === undefined || bytes !== 2 * part) return undefined
  return { dtype: type.dtype!, bytes, type, ...(bigEndian ? { bigEndian } : {}) }
}

/** A name ends with a zero. Up to version 2 it is padded to a multiple of 8 bytes. */
function readName(fields: Fields, version: number): string {
  const end = fields.bytes.indexOf(0, fields.position)
  if (end < 0) refuse('a name has no end')
  const length = end - fields.position
  const name = Buffer.from(fields.take(length)).toString('latin1')
  fields.skip(version < 3 ? 8 - (length % 8) : 1)
  return name
}

/** Bytes of a number up to `most`. */
function byteWidth(most: number): number {
  return most < 2 ** 8 ? 1 : most < 2 ** 16 ? 2 : most < 2 ** 24 ? 3 : 4
}
