import { recordsOf } from './hdf5-btree2.ts'
import { type IndexEntry, readEntry, readExtensibleArray, readFixedArray } from './hdf5-chunk-index.ts'
import type { Fields, Hdf5File } from './hdf5-file.ts'
import { asCount, elementsOf, MAX_TENSORS, refuse, refuseKind } from './span.ts'

/** A piece of a dataset, which may be compressed. */
export interface Chunk {
  /** Its first element: an index for each dimension. */
  start: number[]
  /** Its bytes in the file. */
  offset: number
  length: number
  /** Bit i is set if filter i was left out. */
  mask: number
}

/** The shape of a dataset, and how far each dimension may grow: undefined for those without end. */
export interface Dataspace {
  whole: number[]
  most: (number | undefined)[]
}

interface Layout extends Dataspace {
  /** The shape of a chunk, and its bytes without filters. */
  shape: number[]
  bytes: number
  flags: number
}

/** Chunks that reach over the edge have no filters. */
const FLAG_PLAIN_EDGES = 1
/** A single chunk has filters. */
const FLAG_FILTERED = 2
const ALL_FILTERS = 0xffffffff

const SINGLE = 1
const IMPLICIT = 2
const FIXED_ARRAY = 3
const EXTENSIBLE_ARRAY = 4
/** Records of a tree of version 2: chunks without filters, and with them. */
const PLAIN_CHUNKS = 10
const FILTERED_CHUNKS = 11

/** Reads the chunks that a layout message of version 4 or 5 lists; undefined if there are none; why not, in words. */
export function newChunks(file: Hdf5File, fields: Fields, layout: Layout): (() => Promise<Chunk[]>) | undefined | string {
  const { shape, bytes, flags } = layout
  const index = fields.byte()
  if (index === SINGLE) {
    const [length, mask] = (flags & FLAG_FILTERED) === 0 ? [bytes, 0] : [fields.length(), fields.uint(4)]
    const address = fields.address()
    const chunk = address !== undefined && { start: shape.map(() => 0), offset: file.offsetOf(address), length, mask }
    return chunk ? () => Promise.resolve([chunk]) : undefined
  }
  // what an index is made with stands in its own head, too
  const parameters = [0, 0, 0, 1, 5, 6][index]
  if (parameters === undefined) return 'its chunks are listed in an unknown index'
  const address = fields.skip(parameters).address()
  if (address === undefined) return undefined
  const numbered = numbering(layout)
  const found = (entries: readonly IndexEntry[]): Chunk[] =>
    entries.map(({ number, address, length, mask }) => ({ start: numbered(number), offset: file.offsetOf(address), length, mask }))
  const read = async (): Promise<Chunk[]> => {
    if (index === IMPLICIT) return found(inOrder(address, layout))
    if (index === FIXED_ARRAY) return found(await readFixedArray(file, address, bytes))
    if (index === EXTENSIBLE_ARRAY) return found(await readExtensibleArray(file, address, bytes))
    return inTree(file, address, layout)
  }
  return async () => (await read()).map(chunk => withPlainEdges(chunk, layout))
}

function withPlainEdges(chunk: Chunk, { shape, whole, flags }: Layout): Chunk {
  const isEdge = (flags & FLAG_PLAIN_EDGES) !== 0 && chunk.start.some((first, i) => first + shape[i]! > whole[i]!)
  return isEdge ? { ...chunk, mask: ALL_FILTERS } : chunk
}

/** Chunks that lie one after the other. */
function inOrder(address: number, { whole, most, shape, bytes }: Layout): IndexEntry[] {
  const total = elementsOf(whole.map((count, i) => Math.ceil((most[i] ?? count) / (shape[i]! || 1))))
  if (total > MAX_TENSORS) refuseKind('it has too many chunks')
  return Array.from({ length: total }, (_, number) => ({ number, address: asCount(address + number * bytes), length: bytes, mask: 0 }))
}

async function inTree(file: Hdf5File, address: number, { shape, bytes }: Layout): Promise<Chunk[]> {
  const placeBytes = 8 * shape.length
  const { type, records } = await recordsOf(file, address, [PLAIN_CHUNKS, FILTERED_CHUNKS])
  const isFiltered = type === FILTERED_CHUNKS
  return records.flatMap(record => {
    const lengthBytes = isFiltered ? record.remaining - file.offsetBytes - 4 - placeBytes : 0
    if (isFiltered && (lengthBytes < 1 || lengthBytes > 8)) refuse('an index of chunks has absurd entries')
    const entry = readEntry(record, lengthBytes, bytes)
    const start = shape.map(count => asCount(record.uint(8) * count))
    return entry === undefined ? [] : [{ start, offset: file.offsetOf(entry.address), length: entry.length, mask: entry.mask }]
  })
}

/**
 * Where the chunk with a number begins. Chunks are numbered as far as a dataset may grow, the last dimension fastest. A
 * dimension that grows without end is the slowest: no other number would change.
 */
function numbering({ whole, most, shape }: Layout): (number: number) => number[] {
  const order = whole.map((_, i) => i).sort((a, b) => Number(most[a] !== undefined) - Number(most[b] !== undefined) || a - b)
  const counts = shape.map((count, i) => Math.max(1, Math.ceil((most[i] ?? whole[i]!) / (count || 1))))
  return number => {
    const start = shape.map(() => 0)
    for (const [at, dimension] of [...order.entries()].reverse()) {
      const place = at === 0 ? number : number % counts[dimension]!
      start[dimension] = asCount(place * shape[dimension]!)
      number = Math.floor(number / counts[dimension]!)
    }
    return start
  }
}
