import { asCount, elementsOf, MAX_TENSORS, refuse, refuseKind } from './span.ts'
import { type Chunk, type Dataspace, newChunks } from './hdf5-chunks.ts'
import type { Fields, Hdf5File } from './hdf5-file.ts'
import { leavesOf } from './hdf5-groups.ts'
import { EXTERNAL_FILES, FILTERS, LAYOUT, messageOf, type Message } from './hdf5-object-header.ts'

export interface Filter {
  id: number
  values: number[]
}

/** Where the elements of a dataset are. */
export type Storage =
  | { kind: 'contiguous'; offset: number; length: number }
  /** `shape` is that of each chunk, also at the edges. `chunks` reads where they lie. */
  | { kind: 'chunked'; shape: number[]; filters: Filter[]; chunks: () => Promise<Chunk[]> }
  /** Nothing was written. */
  | { kind: 'none' }
  /** Not understood: why, in words. */
  | { kind: 'unread'; why: string }

const COMPACT = 0
const CONTIGUOUS = 1
const CHUNKED = 2
const CHUNK_NODE = 1
const MAX_RANK = 33
const MAX_FILTERS = 32
/** Filters below this have no names. */
const FIRST_FOREIGN_FILTER = 256

/** Where the elements of a dataset are that has this shape and so many bytes per element. */
export function readStorage(file: Hdf5File, messages: readonly Message[], space: Dataspace, itemBytes: number): Storage {
  if (messageOf(messages, EXTERNAL_FILES) !== undefined) return { kind: 'unread', why: 'its elements lie in other files' }
  const layout = messageOf(messages, LAYOUT) ?? refuse('a dataset lies nowhere')
  const fields = file.fields(layout.data)
  const version = fields.byte()
  const filters = readFilters(file, messages)
  const bytes = asCount(elementsOf(space.whole) * itemBytes)
  if (version < 3) return readOldLayout(file, layout, fields, { bytes, filters, itemBytes })
  if (version > 5) return { kind: 'unread', why: 'its layout has an unknown version' }
  const kind = fields.byte()
  if (kind === COMPACT) return placed(layout.offset + 4, fields.uint(2), bytes)
  if (kind === CONTIGUOUS) {
    const address = fields.address()
    return address === undefined ? { kind: 'none' } : placed(file.offsetOf(address), fields.length(), bytes)
  }
  if (kind !== CHUNKED) return { kind: 'unread', why: 'it is a view of other datasets' }
  return version === 3 ? treeLayout(file, fields, filters, itemBytes) : newLayout(file, fields, filters, space, itemBytes)
}

function placed(offset: number, length: number, bytes: number): Storage {
  return length >= bytes ? { kind: 'contiguous', offset, length: bytes } : refuse('a shape and a length disagree')
}

interface Wanted {
  bytes: number
  filters: Filter[]
  itemBytes: number
}

/** Versions 1 and 2 state a rank and dimensions in any case. */
function readOldLayout(file: Hdf5File, layout: Message, fields: Fields, { bytes, filters, itemBytes }: Wanted): Storage {
  const rank = fields.byte()
  const kind = fields.byte()
  fields.skip(5)
  if (rank > MAX_RANK) refuse('a shape is absurd')
  const address = kind === COMPACT ? undefined : fields.address()
  const counts = Array.from({ length: rank }, () => fields.uint(4))
  if (kind === COMPACT) {
    const length = fields.uint(4)
    return placed(layout.offset + fields.position, length, bytes)
  }
  if (address === undefined) return { kind: 'none' }
  if (kind === CONTIGUOUS) return placed(file.offsetOf(address), bytes, bytes)
  return treeStorage(file, address, counts, filters, itemBytes)
}

function treeLayout(file: Hdf5File, fields: Fields, filters: Filter[], itemBytes: number): Storage {
  const rank = fields.byte()
  if (rank > MAX_RANK) refuse('a shape is absurd')
  const address = fields.address()
  const counts = Array.from({ length: rank }, () => fields.uint(4))
  return address === undefined ? { kind: 'none' } : treeStorage(file, address, counts, filters, itemBytes)
}

/** The last of the counts is the bytes of an element. */
function treeStorage(file: Hdf5File, address: number, counts: readonly number[], filters: Filter[], itemBytes: number): Storage {
  if (counts.at(-1) !== itemBytes) refuse('a chunk has elements of another length')
  const shape = counts.slice(0, -1)
  return { kind: 'chunked', shape, filters, chunks: () => chunksInTree(file, address, shape.length) }
}

async function chunksInTree(file: Hdf5File, address: number, rank: number): Promise<Chunk[]> {
  const chunks: Chunk[] = []
  for await (const { key, child } of leavesOf(file, address, CHUNK_NODE, 8 + 8 * (rank + 1))) {
    if (chunks.length === MAX_TENSORS) refuseKind('it has too many chunks')
    const [length, mask] = [key.uint(4), key.uint(4)]
    chunks.push({ start: Array.from({ length: rank }, () => key.uint(8)), offset: file.offsetOf(child), length, mask })
  }
  return chunks
}

/** Versions 4 and 5 have several indexes of chunks. */
function newLayout(file: Hdf5File, fields: Fields, filters: Filter[], space: Dataspace, itemBytes: number): Storage {
  const flags = fields.byte()
  const rank = fields.byte()
  const width = fields.byte()
  if (rank > MAX_RANK) refuse('a shape is absurd')
  const counts = Array.from({ length: rank }, () => fields.uint(width))
  if (counts.at(-1) !== itemBytes) refuse('a chunk has elements of another length')
  const shape = counts.slice(0, -1)
  if (shape.length !== space.whole.length) refuse('a chunk has another number of dimensions')
  const chunks = newChunks(file, fields, { shape, flags, bytes: asCount(elementsOf(shape) * itemBytes), ...space })
  if (typeof chunks === 'string') return { kind: 'unread', why: chunks }
  return chunks === undefined ? { kind: 'none' } : { kind: 'chunked', shape, filters, chunks }
}

/** The filter pipeline, of version 1 or 2, in the order of writing. */
function readFilters(file: Hdf5File, messages: readonly Message[]): Filter[] {
  const message = messageOf(messages, FILTERS)
  if (message === undefined) return []
  const fields = file.fields(message.data)
  const version = fields.byte()
  const count = fields.byte()
  if (count > MAX_FILTERS) refuse('it has too many filters')
  if (version === 1) fields.skip(6)
  return Array.from({ length: count }, () => {
    const id = fields.uint(2)
    const named = version === 1 || id >= FIRST_FOREIGN_FILTER
    const nameBytes = named ? fields.uint(2) : 0
    fields.skip(2)
    const values = fields.uint(2)
    fields.skip(version === 1 ? Math.ceil(nameBytes / 8) * 8 : nameBytes)
    const filter = { id, values: Array.from({ length: values }, () => fields.uint(4)) }
    if (version === 1 && values % 2 === 1) fields.skip(4)
    return filter
  })
}
