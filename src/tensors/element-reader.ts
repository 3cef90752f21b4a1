import { refuse } from '../chunking/layouts/span.ts'
import { AppError, corrupt } from '../util/errors.ts'
import { type ByteSource, isDeflated, itemOf, elementSpan, mostHeld, startOf, type Tensor } from './tensor.ts'
import { InflatedMember, readMember, StoredBytes } from './zip-members.ts'

/** Reads a tensor's elements as if they were contiguous: little-endian, the last dimension fastest. */
export interface ElementReader {
  /** Bytes per element. */
  item: number
  count: number
  read(first: number, count: number): Promise<Uint8Array>
  /** Their offset in the file; missing if they are not stored in this form. */
  start?: number
}

/**
 * `subject` names the tensor in messages. Reads of a deflated tensor go from front to back, one at a time. Throws
 * `unsupported` if elements are scattered over too many bytes, or can't be read. Memory: linear in the length of the
 * file, plus what one `read` returns.
 */
export async function openElements(subject: string, tensor: Tensor, source: ByteSource): Promise<ElementReader> {
  const item = itemOf(tensor)
  const count = tensor.bytes / item
  const { strides, member, offset, numbers, gather, unread, isDamaged, bigEndian = false } = tensor
  if (unread !== undefined) throw isDamaged ? corrupt(subject, unread) : new AppError('unsupported', `${subject} can't be read: ${unread}.`)
  if (count === 0) return { item, count, read: () => Promise.resolve(new Uint8Array(0)) }
  if (numbers !== undefined) {
    const read = inOrder(encode(numbers, tensor.dtype), item)
    return { item, count, read: (first, some) => Promise.resolve(read(first, some)) }
  }
  const ordered = bigEndian ? (bytes: Uint8Array) => swapped(bytes, tensor.type!.width) : (bytes: Uint8Array) => bytes
  if (strides !== undefined || gather !== undefined) {
    const held = await hold(subject, tensor, source)
    const read = strides === undefined ? inOrder(held, item) : gathering(held, tensor)
    return { item, count, read: (first, some) => Promise.resolve(ordered(read(first, some))) }
  }
  if (isDeflated(tensor)) {
    const inflated = new InflatedMember(member!, source)
    return { item, count, read: async (first, some) => ordered(await inflated.read(offset + first * item, some * item)) }
  }
  const start = await startOf(tensor, source)
  const stored = new StoredBytes(tensor, start, source)
  const read = (first: number, some: number): Promise<Uint8Array> => stored.read(start + first * item, some * item)
  if (bigEndian) return { item, count, read: async (first, some) => ordered(await read(first, some)) }
  return { item, count, read, start }
}

function inOrder(bytes: Uint8Array, item: number): (first: number, count: number) => Uint8Array {
  return (first, count) => bytes.subarray(first * item, (first + count) * item)
}

function encode(numbers: readonly number[], dtype: string): Uint8Array {
  const array = dtype === 'F64' ? Float64Array.from(numbers) : BigInt64Array.from(numbers, number => BigInt(Math.trunc(number) || 0))
  return new Uint8Array(array.buffer)
}

/** The bytes that a tensor's elements are scattered over. */
async function hold(subject: string, tensor: Tensor, source: ByteSource): Promise<Uint8Array> {
  const { shape, strides, offset, bytes, member, gather } = tensor
  const reach = strides === undefined ? bytes : elementSpan(shape, strides) * itemOf(tensor)
  const deflated = isDeflated(tensor)
  const most = Math.max(bytes, reach, deflated ? member!.length : 0)
  if (most > mostHeld(source.size))
    throw new AppError('unsupported', `${subject} is not contiguous in its file, and its ${most} bytes are too many to gather in memory.`, {
      hint: deflated ? 'Save it without compression.' : 'Save it after tensor.contiguous(), or in C order.',
    })
  if (gather !== undefined) return gather()
  if (!deflated) {
    const start = await startOf(tensor, source)
    return new StoredBytes({ ...tensor, bytes: reach }, start, source).read(start, reach)
  }
  const plain = await readMember(member!, source)
  return offset + reach <= plain.length ? plain.subarray(offset, offset + reach) : refuse('a tensor lies outside of its member')
}

/** Reads elements in order from the bytes that a view spans. */
function gathering(held: Uint8Array, tensor: Tensor): (first: number, count: number) => Uint8Array {
  const { shape, type } = tensor
  const strides = tensor.strides!
  const item = itemOf(tensor)
  const width = type!.width
  const parts = item / width
  // the two parts of a complex number are one more dimension
  const counts = parts === 1 ? [...shape] : [...shape, parts]
  const steps = parts === 1 ? [...strides] : [...strides.map(stride => stride * parts), 1]
  const from = unitsOf(held, width)
  const [inner, innerStep] = [counts.pop() ?? 1, steps.pop() ?? 1]
  return (first, count) => {
    const to = unitsOf(new Uint8Array(count * item), width)
    const position = positionOf(Math.floor((first * parts) / inner), counts)
    let base = position.reduce((sum, index, dimension) => sum + index * steps[dimension]!, 0)
    for (let out = 0, start = (first * parts) % inner; out < to.length; start = 0) {
      const end = Math.min(inner, start + to.length - out)
      for (let i = start, at = base + start * innerStep; i < end; i++, at += innerStep) to[out++] = from[at]!
      for (let dimension = counts.length - 1; dimension >= 0; dimension--) {
        base += steps[dimension]!
        if (++position[dimension]! < counts[dimension]!) break
        base -= steps[dimension]! * counts[dimension]!
        position[dimension] = 0
      }
    }
    return new Uint8Array(to.buffer, to.byteOffset, to.byteLength)
  }
}

/** The index in each dimension of the element with this number. */
function positionOf(number: number, counts: readonly number[]): number[] {
  const position = counts.map(() => 0)
  for (let dimension = counts.length - 1; dimension >= 0; dimension--) {
    position[dimension] = number % counts[dimension]!
    number = Math.floor(number / counts[dimension]!)
  }
  return position
}

/** Reads the bytes as integers, so that no payload of a NaN is lost. Two halves for 8 bytes would be no faster. */
function unitsOf(bytes: Uint8Array, width: 1 | 2 | 4 | 8): Uint8Array | Uint16Array | Uint32Array | BigUint64Array {
  const { buffer, byteOffset, length } = byteAligned(bytes, width)
  if (width === 1) return new Uint8Array(buffer, byteOffset, length)
  if (width === 2) return new Uint16Array(buffer, byteOffset, length / 2)
  return width === 4 ? new Uint32Array(buffer, byteOffset, length / 4) : new BigUint64Array(buffer, byteOffset, length / 8)
}

/** `bytes`, copied if their offset is not a multiple of this width, as typed arrays require. */
export function byteAligned(bytes: Uint8Array, width: number): Uint8Array {
  return bytes.byteOffset % width === 0 ? bytes : Uint8Array.from(bytes)
}

function swapped(bytes: Uint8Array, width: number): Uint8Array {
  const copy = Buffer.from(bytes)
  if (width === 2) copy.swap16()
  if (width === 4) copy.swap32()
  if (width === 8) copy.swap64()
  return copy
}
