import { ELEMENT_TYPES, type ElementType } from '../../util/element-type.ts'
import { joined } from './pickle-value.ts'
import { PagedBytes } from './paged-bytes.ts'
import { asCount, elementsOf, MAX_NAME_LENGTH, MAX_TENSORS, type ReadAt, refuse, refuseKind, type TensorSpan } from './span.ts'

/*
 * MAT-files of version 5 as "MAT-File Format" of The MathWorks describes them: data elements one behind the other, each
 * with a tag that states its type and length. A variable is an element of other elements, or the same, compressed.
 */

const HEADER_BYTES = 128
/** In the header: where MATLAB keeps what its objects are made of, the version, and the order of bytes. */
const SUBSYSTEM_AT = 116
const VERSION_AT = 124
const ORDER_AT = 126
const VERSION = 0x0100
const TAG_BYTES = 8
const ALIGNMENT = 8

/** Types of data elements. */
const BYTES = 2
const MATRIX = 14
const COMPRESSED = 15
const TYPES: Readonly<Record<number, string>> = {
  1: 'I8',
  2: 'U8',
  3: 'I16',
  4: 'U16',
  5: 'I32',
  6: 'U32',
  7: 'F32',
  9: 'F64',
  12: 'I64',
  13: 'U64',
}

/** Classes of arrays. */
const CELL = 1
const STRUCT = 2
const OBJECT = 3
const SPARSE = 5
const NUMBERS: Readonly<Record<number, string>> = {
  6: 'F64',
  7: 'F32',
  8: 'I8',
  9: 'U8',
  10: 'I16',
  11: 'U16',
  12: 'I32',
  13: 'U32',
  14: 'I64',
  15: 'U64',
}
const NOT_NUMBERS: Readonly<Record<number, string>> = {
  4: 'its elements are text',
  16: 'it is a function of MATLAB',
  17: 'it is an object of MATLAB',
}
const OPAQUE = 17
const FLAG_COMPLEX = 0x08
const FLAG_LOGICAL = 0x02
const DOUBLE_BYTES = 8
const MAX_RANK = 64
const MAX_NESTING = 32
const MAX_FIELDS = 10_000

/** Numbers in a MAT-file. MATLAB stores those of a double array in fewer bytes if they are small integers. */
export interface MatlabPart {
  /** Their type in safetensors. */
  dtype: string
  type: ElementType
  offset: number
  length: number
}

export interface MatlabArray {
  name: string
  shape: number[]
  /** The type of the array in safetensors; that of its parts if it is complex. */
  dtype: string
  /** Why it can't be read. Then it has no parts. */
  why?: string
  real?: MatlabPart
  imaginary?: MatlabPart
}

/** Bytes of a file, or of a variable that was compressed. */
export interface MatlabBytes {
  size: number
  take(offset: number, length: number): Promise<Uint8Array>
}

export interface MatlabFile {
  bigEndian: boolean
  /** The arrays of the variables that are not compressed, and the places of the compressed ones, in their order. */
  variables: (MatlabArray[] | { offset: number; length: number })[]
}

/** The numbers of all variables that are not compressed. Those of a double array may be stored as small integers. */
export async function findMatlabTensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  const { bigEndian, variables } = await readMatlab(size, read)
  return variables.flatMap(arrays =>
    Array.isArray(arrays)
      ? arrays.flatMap(({ name, real, imaginary }) => [
          ...(real === undefined ? [] : [spanOf(name, real, bigEndian)]),
          ...(imaginary === undefined ? [] : [spanOf(joined(name, 'imaginary'), imaginary, bigEndian)]),
        ])
      : [],
  )
}

function spanOf(name: string, { type, offset, length }: MatlabPart, bigEndian: boolean): TensorSpan {
  return bigEndian ? { name, offset, length, width: type.width, kind: 'unknown' } : { name, offset, length, ...type }
}

/** Reads the headers of all variables. Time and memory: as `PagedBytes`. */
export async function readMatlab(size: number, read: ReadAt): Promise<MatlabFile> {
  const pages = new PagedBytes(size, read)
  const header = await pages.take(0, Math.min(size, HEADER_BYTES))
  if (header.length < HEADER_BYTES) refuse('it ends in its header')
  const order = header.toString('latin1', ORDER_AT, ORDER_AT + 2)
  if (order !== 'IM' && order !== 'MI') refuse('it does not state the order of its bytes')
  const bigEndian = order === 'MI'
  const fields = new Fields(pages, bigEndian)
  if ((await fields.uint16(VERSION_AT)) !== VERSION) refuseKind('a MAT-file of another version')
  const subsystem = (await fields.uint32(SUBSYSTEM_AT)) + 2 ** 32 * (await fields.uint32(SUBSYSTEM_AT + 4))
  const variables: MatlabFile['variables'] = []
  let tensors = 0
  for (let at = HEADER_BYTES; at < size;) {
    const { type, offset, length, next } = await fields.tag(at, size)
    if (type !== MATRIX && type !== COMPRESSED) refuse('a variable is none')
    // what lies there has no name, and means something only to MATLAB
    const variable = at === subsystem ? [] : type === COMPRESSED ? { offset, length } : await readMatrix(fields, offset, length)
    variables.push(variable)
    tensors += Array.isArray(variable) ? variable.length : 1
    if (tensors > MAX_TENSORS) refuse('it has too many tensors')
    // a compressed element is followed by the next one without padding
    at = type === COMPRESSED ? offset + length : next
  }
  return { bigEndian, variables }
}

/** The arrays of a variable that was compressed, from its plain bytes, which are one element. */
export async function readUnpacked(bytes: MatlabBytes, bigEndian: boolean): Promise<MatlabArray[]> {
  const fields = new Fields(bytes, bigEndian)
  const { type, offset, length } = await fields.tag(0, bytes.size)
  return type === MATRIX ? readMatrix(fields, offset, length) : refuse('a variable is none')
}

/** Bytes that a compressed variable unpacks to, by its first 8 plain bytes. */
export function unpackedLength(start: Uint8Array, bigEndian: boolean): number {
  const bytes = Buffer.from(start)
  if (bytes.length < TAG_BYTES) refuse('a compressed variable has no beginning')
  return TAG_BYTES + (bigEndian ? bytes.readUInt32BE(4) : bytes.readUInt32LE(4))
}

/** True if a variable may hold arrays that are found only by reading on: its first bytes tell. */
export async function holdsOthers(bytes: MatlabBytes, bigEndian: boolean): Promise<boolean> {
  const fields = new Fields(bytes, bigEndian)
  const flags = await fields.tag(TAG_BYTES, bytes.size)
  const kind = (await fields.uint32(flags.offset)) & 0xff
  return NUMBERS[kind] === undefined && NOT_NUMBERS[kind] === undefined
}

async function readMatrix(fields: Fields, offset: number, length: number): Promise<MatlabArray[]> {
  const arrays: MatlabArray[] = []
  await new Matrices(fields, arrays).read(offset, length, undefined, 0)
  return arrays
}

interface Element {
  type: number
  offset: number
  length: number
  /** Where the next one begins. */
  next: number
}

/** Numbers and tags in the order of bytes of the file. */
class Fields {
  private readonly bytes: MatlabBytes
  private readonly bigEndian: boolean

  constructor(bytes: MatlabBytes, bigEndian: boolean) {
    this.bytes = bytes
    this.bigEndian = bigEndian
  }

  async uint16(at: number): Promise<number> {
    const bytes = Buffer.from(await this.bytes.take(at, 2))
    return this.bigEndian ? bytes.readUInt16BE() : bytes.readUInt16LE()
  }

  async uint32(at: number): Promise<number> {
    const bytes = Buffer.from(await this.bytes.take(at, 4))
    return this.bigEndian ? bytes.readUInt32BE() : bytes.readUInt32LE()
  }

  async text({ offset, length }: Element): Promise<string> {
    if (length > MAX_NAME_LENGTH) refuse('a name is absurdly long')
    return Buffer.from(await this.bytes.take(offset, length)).toString('latin1')
  }

  /** The element at `at`, which ends before `end`. Up to 4 bytes lie in the tag itself. */
  async tag(at: number, end: number): Promise<Element> {
    if (at + TAG_BYTES > end) refuse('an element ends in its tag')
    const first = await this.uint32(at)
    const small = first >>> 16
    const type = first & 0xffff
    if (small > 4) refuse('an element has an absurd length')
    if (small > 0) return { type, offset: at + 4, length: small, next: at + TAG_BYTES }
    const length = await this.uint32(at + 4)
    const offset = at + TAG_BYTES
    if (offset + length > end) refuse('an element is longer than what it lies in')
    return { type, offset, length, next: Math.min(end, offset + Math.ceil(length / ALIGNMENT) * ALIGNMENT) }
  }
}

class Matrices {
  private readonly fields: Fields
  private readonly found: MatlabArray[]

  constructor(fields: Fields, found: MatlabArray[]) {
    this.fields = fields
    this.found = found
  }

  /** Reads an array of `length` bytes, and those in it. One in another array has no name of its own. */
  async read(offset: number, length: number, path: string | undefined, depth: number): Promise<void> {
    if (depth > MAX_NESTING) refuseKind('its arrays are nested too deep')
    // a cell that was never filled
    if (length === 0 && path !== undefined) return this.add({ name: path, shape: [0, 0], dtype: 'F64' })
    const { fields } = this
    const end = offset + length
    const flags = await fields.tag(offset, end)
    const bits = await fields.uint32(flags.offset)
    const kind = bits & 0xff
    const isComplex = ((bits >>> 8) & FLAG_COMPLEX) !== 0
    const isLogical = ((bits >>> 8) & FLAG_LOGICAL) !== 0
    // an object states no shape
    const dimensions = kind === OPAQUE ? undefined : await fields.tag(flags.next, end)
    const named = await fields.tag(dimensions?.next ?? flags.next, end)
    const shape = dimensions === undefined ? [] : await this.shapeOf(dimensions)
    const name = path ?? (await fields.text(named))
    const array = { name, shape }
    const unread = NOT_NUMBERS[kind]
    if (unread !== undefined) return this.add({ ...array, dtype: 'unknown', why: unread })
    if (kind === CELL) return this.readCells(named.next, end, { name, count: elementsOf(shape), depth })
    if (kind === STRUCT || kind === OBJECT) {
      const from = kind === OBJECT ? (await fields.tag(named.next, end)).next : named.next
      return this.readStruct(from, end, { name, count: elementsOf(shape), depth })
    }
    if (kind === SPARSE) return this.readSparse(named.next, end, array, { isComplex, isLogical })
    const dtype = NUMBERS[kind] ?? refuseKind(`an array of class ${kind}`)
    await this.readNumbers(named.next, end, { ...array, dtype: isLogical ? 'BOOL' : dtype }, isComplex)
  }

  private add(array: MatlabArray): void {
    if (this.found.length === MAX_TENSORS) refuse('it has too many tensors')
    this.found.push(array)
  }

  private async shapeOf({ offset, length }: Element): Promise<number[]> {
    if (length > 4 * MAX_RANK || length % 4 !== 0) refuse('a shape is absurd')
    const shape: number[] = []
    for (let at = 0; at < length; at += 4) shape.push(asCount((await this.fields.uint32(offset + at)) | 0))
    return shape
  }

  private async readNumbers(at: number, end: number, array: MatlabArray, isComplex: boolean): Promise<void> {
    const count = elementsOf(array.shape)
    const real = await this.fields.tag(at, end)
    if (!isComplex) return this.add({ ...array, real: partOf(real, count) })
    const imaginary = await this.fields.tag(real.next, end)
    if (array.dtype.startsWith('F')) return this.add({ ...array, real: partOf(real, count), imaginary: partOf(imaginary, count) })
    this.add({ ...array, why: 'its elements are complex integers' })
  }

  /** Compressed by columns, as `torch.sparse_csc_tensor` names it. */
  private async readSparse(
    at: number,
    end: number,
    { name, shape }: Pick<MatlabArray, 'name' | 'shape'>,
    { isComplex, isLogical }: { isComplex: boolean; isLogical: boolean },
  ): Promise<void> {
    const rows = await this.fields.tag(at, end)
    const columns = await this.fields.tag(rows.next, end)
    const [, width = 0] = shape
    if (shape.length !== 2) refuse('a sparse array has no two dimensions')
    // there may be room for more elements than there are
    const starts = partOf(columns, width + 1)
    const count = await this.fields.uint32(columns.offset + columns.length - 4)
    this.add({ name: joined(name, 'ccol_indices'), shape: [width + 1], dtype: 'I32', real: starts })
    this.add({ name: joined(name, 'row_indices'), shape: [count], dtype: 'I32', real: partOf(rows, count, true) })
    const values = { name: joined(name, 'values'), shape: [count], dtype: isLogical ? 'BOOL' : 'F64' }
    const stated = await this.fields.tag(columns.next, end)
    // MATLAB says that logical elements are doubles, and stores a byte of each
    const real = isLogical && stated.length < count * DOUBLE_BYTES ? { ...stated, type: BYTES } : stated
    if (!isComplex) return this.add({ ...values, real: partOf(real, count, true) })
    const imaginary = await this.fields.tag(real.next, end)
    this.add({ ...values, real: partOf(real, count, true), imaginary: partOf(imaginary, count, true) })
  }

  private async readCells(at: number, end: number, { name, count, depth }: { name: string; count: number; depth: number }): Promise<void> {
    for (let i = 0; i < count; i++) at = await this.inner(at, end, joined(name, i), depth)
  }

  private async readStruct(at: number, end: number, { name, count, depth }: { name: string; count: number; depth: number }): Promise<void> {
    const stated = await this.fields.tag(at, end)
    const width = await this.fields.uint32(stated.offset)
    const names = await this.fields.tag(stated.next, end)
    if (width === 0 || names.length > width * MAX_FIELDS || names.length % width !== 0) refuse('the names of fields are absurd')
    const fields: string[] = []
    for (let i = 0; i < names.length; i += width) {
      const text = await this.fields.text({ ...names, offset: names.offset + i, length: width })
      fields.push(text.replace(/\0.*$/s, ''))
    }
    at = names.next
    if (fields.length === 0) return
    for (let i = 0; i < count; i++) {
      const path = count === 1 ? name : joined(name, i)
      for (const field of fields) at = await this.inner(at, end, joined(path, field), depth)
    }
  }

  /** Returns where the next one begins. */
  private async inner(at: number, end: number, path: string, depth: number): Promise<number> {
    const { type, offset, length, next } = await this.fields.tag(at, end)
    if (type !== MATRIX) refuse('an array in another one is none')
    await this.read(offset, length, path, depth + 1)
    return next
  }
}

/** Of `count` numbers. If `hasRoom`, more may follow. */
function partOf({ type, offset, length }: Element, count: number, hasRoom = false): MatlabPart {
  const dtype = TYPES[type] ?? refuseKind(`numbers of type ${type}`)
  const element = ELEMENT_TYPES.get(dtype)!
  const bytes = asCount(count * element.width)
  if (hasRoom ? bytes > length : bytes !== length) refuse('a shape and a length disagree')
  return { dtype, type: element, offset, length: bytes }
}
