import type { ElementType } from '../../util/element-type.ts'
import { PagedBytes } from './paged-bytes.ts'
import { joined } from './pickle-value.ts'
import { asCount, elementsOf, MAX_TENSORS, type ReadAt, refuse, refuseKind, type TensorSpan } from './span.ts'
import { statedType } from './torch-types.ts'

/*
 * Parameters as flax writes them (`flax/serialization.py`): maps in MessagePack, whose extension type 1 is an array:
 * its shape, the name of its type in NumPy, and its elements.
 */

export interface FlaxArray {
  /** The keys of the maps, with dots between them. */
  name: string
  shape: number[]
  /** As NumPy names it. */
  numpyType: string
  type?: ElementType
  offset: number
  length: number
}

const ARRAY = 1
/** The longest head of a value, and the longest shape and type. */
const MAX_HEAD_BYTES = 9
const MAX_ARRAY_HEAD_BYTES = 600
const MAX_RANK = 64
const MAX_DEPTH = 64
const MAX_KEY_BYTES = 512

/** What begins at an offset: containers have `count` items, others `length` bytes. */
interface Head {
  kind: 'map' | 'array' | 'text' | 'bytes' | 'extension' | 'other'
  /** Where its content begins. */
  at: number
  count: number
  length: number
  /** Of an extension. */
  type: number
  /** Of a whole number. */
  value?: number
}

/** The arrays of a file, in its order. Time and memory: linear in what it holds beside them, at most 32 MiB. */
export async function readFlax(size: number, read: ReadAt): Promise<FlaxArray[]> {
  const pages = new PagedBytes(size, read)
  const arrays: FlaxArray[] = []
  const way: { left: number; done: number; keyed: boolean; path: string }[] = []
  let at = 0
  do {
    const around = way.at(-1)
    if (around?.left === 0) {
      way.pop()
      continue
    }
    let path = ''
    if (around !== undefined) {
      around.left--
      let key: string | number = around.done++
      if (around.keyed) [key, at] = await readKey(pages, at)
      path = joined(around.path, key)
    }
    const head = await headAt(pages, at)
    at = asCount(head.at + head.length)
    if (at > size) refuse('it is shorter than stated')
    if (head.kind === 'map' || head.kind === 'array') {
      if (way.length === MAX_DEPTH) refuseKind('its maps are nested too deep')
      way.push({ left: head.count, done: 0, keyed: head.kind === 'map', path })
    } else if (head.kind === 'extension' && head.type === ARRAY) {
      if (arrays.length === MAX_TENSORS) refuse('it has too many tensors')
      arrays.push(await arrayIn(pages, head, path))
    }
  } while (way.length > 0)
  return arrays
}

/** The arrays whose elements have a known type. */
export async function findFlaxTensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  return (await readFlax(size, read)).flatMap(({ name, shape, type, offset, length }) =>
    type === undefined ? [] : [{ name, shape, offset, length, ...type }],
  )
}

async function readKey(pages: PagedBytes, offset: number): Promise<[key: string, at: number]> {
  const { kind, at, length } = await headAt(pages, offset)
  if (kind !== 'text' || length > MAX_KEY_BYTES) refuseKind('a key of a map is no short text')
  return [(await pages.take(at, length)).toString('utf8'), at + length]
}

async function arrayIn(pages: PagedBytes, { at, length }: Head, name: string): Promise<FlaxArray> {
  const content = await pages.take(at, Math.min(length, MAX_ARRAY_HEAD_BYTES))
  const tuple = headIn(content, 0)
  const dimensions = headIn(content, tuple.at)
  if (tuple.kind !== 'array' || tuple.count !== 3 || dimensions.kind !== 'array' || dimensions.count > MAX_RANK)
    refuse('an array has no shape')
  const shape: number[] = []
  let position = dimensions.at
  while (shape.length < dimensions.count) {
    const dimension = headIn(content, position)
    shape.push(asCount(dimension.value))
    position = dimension.at
  }
  const stated = headIn(content, position)
  const elements = headIn(content, stated.at + stated.length)
  if (stated.kind !== 'text' || elements.kind !== 'bytes' || elements.at + elements.length !== length) refuse('an array has no elements')
  const numpyType = content.toString('utf8', stated.at, stated.at + stated.length)
  const { element, item } = statedType({ module: 'torch', name: numpyType }) ?? {}
  if (item !== undefined && elementsOf(shape) * item !== elements.length) refuse('a shape and a length disagree')
  return { name, shape, numpyType, ...(element === undefined ? {} : { type: element }), offset: at + elements.at, length: elements.length }
}

async function headAt(pages: PagedBytes, offset: number): Promise<Head> {
  const head = headIn(await pages.takeUpTo(offset, MAX_HEAD_BYTES), 0)
  return { ...head, at: offset + head.at }
}

/** Bytes that state the count or length of a value, by its kind; and of numbers, which have only those. */
const SIZED: Readonly<Record<number, [kind: Head['kind'], width: number]>> = {
  ...{ 0xc4: ['bytes', 1], 0xc5: ['bytes', 2], 0xc6: ['bytes', 4], 0xc7: ['extension', 1], 0xc8: ['extension', 2], 0xc9: ['extension', 4] },
  ...{
    0xd9: ['text', 1],
    0xda: ['text', 2],
    0xdb: ['text', 4],
    0xdc: ['array', 2],
    0xdd: ['array', 4],
    0xde: ['map', 2],
    0xdf: ['map', 4],
  },
}
/** Bytes of numbers, from 0xca on: floats, unsigned and signed ones. */
const NUMBER_BYTES = [4, 8, 1, 2, 4, 8, 1, 2, 4, 8]

function headIn(bytes: Buffer, offset: number): Head {
  const first = bytes[offset] ?? refuse('it is shorter than stated')
  const head: Head = { kind: 'other', at: offset + 1, count: 0, length: 0, type: 0 }
  if (first < 0x80 || first >= 0xe0) return { ...head, value: first < 0x80 ? first : first - 256 }
  if (first < 0x90) return { ...head, kind: 'map', count: first & 15 }
  if (first < 0xa0) return { ...head, kind: 'array', count: first & 15 }
  if (first < 0xc0) return { ...head, kind: 'text', length: first & 31 }
  const [kind, width] = SIZED[first] ?? []
  if (kind !== undefined && width !== undefined) {
    const size = unsigned(bytes, head.at, width)
    const at = head.at + width
    if (kind === 'map' || kind === 'array') return { ...head, kind, at, count: size }
    return kind === 'extension' ? { ...head, kind, at: at + 1, length: size, type: bytes[at] ?? 0 } : { ...head, kind, at, length: size }
  }
  if (first >= 0xca && first <= 0xd3) {
    const width = NUMBER_BYTES[first - 0xca]!
    return { ...head, at: head.at + width, value: first >= 0xcc && first <= 0xcf ? unsigned(bytes, head.at, width) : -1 }
  }
  // extensions of 1, 2, 4, 8 and 16 bytes
  if (first >= 0xd4 && first <= 0xd8)
    return { ...head, kind: 'extension', at: head.at + 1, length: 2 ** (first - 0xd4), type: bytes[head.at] ?? 0 }
  return first === 0xc1 ? refuse('a value has no kind') : head
}

function unsigned(bytes: Buffer, at: number, width: number): number {
  if (at + width > bytes.length) refuse('it is shorter than stated')
  return width === 8 ? asCount(Number(bytes.readBigUInt64BE(at))) : bytes.readUIntBE(at, width)
}
