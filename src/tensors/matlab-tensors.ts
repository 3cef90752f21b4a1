import * as zlib from 'node:zlib'
import {
  holdsOthers,
  type MatlabArray,
  type MatlabBytes,
  type MatlabPart,
  readMatlab,
  readUnpacked,
  unpackedLength,
} from '../chunking/layouts/matlab.ts'
import { asCount, elementsOf, readExactly, refuse, refuseKind } from '../chunking/layouts/span.ts'
import { ELEMENT_TYPES, itemBytes } from '../util/element-type.ts'
import { type ByteSource, mostHeld, type Tensor, type TensorFile, unlessContiguous, unreadTensor } from './tensor.ts'

/** Plain bytes of a compressed variable that are looked at first. Most arrays have their headers in these. */
const PREFIX_BYTES = 64 * 1024
/** Stored bytes that unpack to as many, however poor the compression. */
const STORED_PREFIX_BYTES = 2 * PREFIX_BYTES

/** The arrays of a MAT-file of version 5, in the order of its variables. */
export async function readMatlabFile(source: ByteSource): Promise<TensorFile> {
  const { bigEndian, variables } = await readMatlab(source.size, source.read)
  const unpacker = new Unpacker(source, bigEndian)
  const tensors: Tensor[] = []
  for (const [number, variable] of variables.entries()) {
    if (Array.isArray(variable)) {
      tensors.push(...variable.map(array => tensorOf(array, bigEndian, source)))
      continue
    }
    try {
      tensors.push(...(await unpacker.tensors(variable)))
    } catch (error) {
      // the other variables can be read
      tensors.push(unreadTensor(`variable ${number}`, error))
    }
  }
  return { format: 'MATLAB', metadata: new Map(), tensors }
}

/** Where a compressed variable lies in the file. */
interface Place {
  offset: number
  length: number
}

/** Unpacks the variables of one file, and holds the last one. */
class Unpacker {
  private readonly source: ByteSource
  private readonly bigEndian: boolean
  /** Bytes that may still be unpacked to find arrays in variables that hold others. */
  private left: number
  private held: { place: Place; plain: Uint8Array } | undefined

  constructor(source: ByteSource, bigEndian: boolean) {
    this.source = source
    this.bigEndian = bigEndian
    this.left = mostHeld(source.size)
  }

  async tensors(place: Place): Promise<Tensor[]> {
    const { source, bigEndian } = this
    const prefix = await this.prefix(place)
    const size = unpackedLength(prefix, bigEndian)
    let bytes = inMemory(prefix, size)
    if (size > prefix.length && (await holdsOthers(bytes, bigEndian))) {
      if (size > this.left) refuseKind(tooMany(size))
      this.left -= size
      bytes = inMemory(await this.plain(place, size), size)
    }
    const inside: ByteSource = { size, read: async (offset, length) => (await this.plain(place, size)).subarray(offset, offset + length) }
    const arrays = await readUnpacked(bytes, bigEndian)
    return arrays.map(array => {
      const tensor = tensorOf(array, bigEndian, inside)
      if (tensor.unread !== undefined || tensor.bytes === 0) return tensor
      if (size > mostHeld(source.size)) return { ...tensor, unread: tooMany(size) }
      const { offset, bytes } = tensor
      return { ...tensor, offset: 0, gather: tensor.gather ?? (() => readExactly(inside.read, offset, bytes)) }
    })
  }

  private async plain(place: Place, size: number): Promise<Uint8Array> {
    if (this.held?.place !== place) {
      const stored = await readExactly(this.source.read, place.offset, place.length)
      const plain = await inflate(stored, size, {})
      if (plain.length !== size) refuse('a compressed variable does not have its stated length')
      this.held = { place, plain }
    }
    return this.held.plain
  }

  /** The first plain bytes, at most `PREFIX_BYTES`. */
  private async prefix({ offset, length }: Place): Promise<Uint8Array> {
    const stored = await readExactly(this.source.read, offset, Math.min(length, STORED_PREFIX_BYTES))
    // the end of the stream may be missing
    const plain = await inflate(stored, PREFIX_BYTES, { finishFlush: zlib.constants.Z_SYNC_FLUSH })
    return plain.subarray(0, PREFIX_BYTES)
  }
}

/** The plain bytes of a stream; of one that unpacks to more than `most`, a few more than these. */
async function inflate(stored: Uint8Array, most: number, options: zlib.ZlibOptions): Promise<Uint8Array> {
  const inflater = zlib.createInflate(options)
  const pieces: Uint8Array[] = []
  let done = 0
  try {
    inflater.end(stored)
    for await (const piece of inflater as AsyncIterable<Uint8Array>) {
      pieces.push(piece)
      done += piece.length
      if (done > most) break
    }
  } catch {
    refuse('a compressed variable is cut short or damaged')
  }
  return Buffer.concat(pieces)
}

const tooMany = (size: number): string => `the ${size} bytes of its variable are too many to unpack`

function inMemory(bytes: Uint8Array, size: number): MatlabBytes {
  const take = (offset: number, length: number): Promise<Uint8Array> =>
    offset + length <= bytes.length ? Promise.resolve(bytes.subarray(offset, offset + length)) : refuse('its headers are too long')
  return { size, take }
}

function tensorOf({ name, shape, dtype: part, why, real, imaginary }: MatlabArray, bigEndian: boolean, source: ByteSource): Tensor {
  const dtype = imaginary === undefined ? part : part === 'F64' ? 'C128' : 'C64'
  const type = ELEMENT_TYPES.get(dtype)
  const count = elementsOf(shape)
  const noted = { name, dtype, shape, count, bytes: type === undefined ? 0 : asCount(count * itemBytes(type)), offset: 0 }
  if (why !== undefined || type === undefined) return { ...noted, unread: why ?? 'its element type is not known' }
  const strides = unlessContiguous(shape, columnMajor(shape))
  const laidOut = { ...noted, type, ...(strides === undefined ? {} : { strides }) }
  if (real === undefined || count === 0) return { ...noted, type }
  const isAsStored = imaginary === undefined && (real.dtype === dtype || (dtype === 'BOOL' && real.dtype === 'U8'))
  if (!isAsStored)
    return { ...laidOut, gather: () => joinParts([real, ...(imaginary === undefined ? [] : [imaginary])], part, bigEndian, source) }
  return { ...laidOut, offset: real.offset, ...(bigEndian && type.width > 1 ? { bigEndian } : {}) }
}

function columnMajor(shape: readonly number[]): number[] {
  let next = 1
  return shape.map(count => {
    const stride = next
    next *= count
    return stride
  })
}

/**
 * The numbers of the parts, as little-endian numbers of type `dtype`: the first of each part, the second of each ...
 */
async function joinParts(parts: readonly MatlabPart[], dtype: string, bigEndian: boolean, { read }: ByteSource): Promise<Uint8Array> {
  const { width } = ELEMENT_TYPES.get(dtype)!
  const write = WRITERS[dtype]!
  const count = parts[0]!.length / parts[0]!.type.width
  const out = Buffer.alloc(count * width * parts.length)
  for (const [at, part] of parts.entries()) {
    const bytes = Buffer.from(await readExactly(read, part.offset, part.length))
    if (bigEndian) swap(bytes, part.type.width)
    const number = READERS[part.dtype]!
    for (let i = 0; i < count; i++) write(out, number(bytes, i * part.type.width), (i * parts.length + at) * width)
  }
  return out
}

function swap(bytes: Buffer, width: number): void {
  if (width === 2) bytes.swap16()
  if (width === 4) bytes.swap32()
  if (width === 8) bytes.swap64()
}

const READERS: Readonly<Record<string, (bytes: Buffer, at: number) => number | bigint>> = {
  I8: (bytes, at) => bytes.readInt8(at),
  U8: (bytes, at) => bytes.readUInt8(at),
  I16: (bytes, at) => bytes.readInt16LE(at),
  U16: (bytes, at) => bytes.readUInt16LE(at),
  I32: (bytes, at) => bytes.readInt32LE(at),
  U32: (bytes, at) => bytes.readUInt32LE(at),
  F32: (bytes, at) => bytes.readFloatLE(at),
  F64: (bytes, at) => bytes.readDoubleLE(at),
  I64: (bytes, at) => bytes.readBigInt64LE(at),
  U64: (bytes, at) => bytes.readBigUInt64LE(at),
}

/**
 * MATLAB stores in a smaller type only what that type holds exactly. What does not fit wraps around, as in a cast of C.
 */
const WRITERS: Readonly<Record<string, (bytes: Buffer, value: number | bigint, at: number) => unknown>> = {
  BOOL: (bytes, value, at) => bytes.writeUInt8(Number(value) === 0 ? 0 : 1, at),
  I8: (bytes, value, at) => bytes.writeUInt8(Number(value) & 0xff, at),
  U8: (bytes, value, at) => bytes.writeUInt8(Number(value) & 0xff, at),
  I16: (bytes, value, at) => bytes.writeUInt16LE(Number(value) & 0xffff, at),
  U16: (bytes, value, at) => bytes.writeUInt16LE(Number(value) & 0xffff, at),
  I32: (bytes, value, at) => bytes.writeInt32LE(Number(value) | 0, at),
  U32: (bytes, value, at) => bytes.writeUInt32LE(Number(value) >>> 0, at),
  F32: (bytes, value, at) => bytes.writeFloatLE(Number(value), at),
  F64: (bytes, value, at) => bytes.writeDoubleLE(Number(value), at),
  I64: (bytes, value, at) => bytes.writeBigUInt64LE(BigInt.asUintN(64, whole(value)), at),
  U64: (bytes, value, at) => bytes.writeBigUInt64LE(BigInt.asUintN(64, whole(value)), at),
}

function whole(value: number | bigint): bigint {
  return typeof value === 'bigint' ? value : BigInt(Number.isFinite(value) ? Math.trunc(value) : 0)
}
