import { type Dataset, readHdf5 } from '../chunking/layouts/hdf5-datasets.ts'
import type { Chunk } from '../chunking/layouts/hdf5-chunks.ts'
import type { Storage } from '../chunking/layouts/hdf5-storage.ts'
import { asCount, elementsOf, readExactly, refuse, refuseKind } from '../chunking/layouts/span.ts'
import { undoFilters, unknownFilter } from './hdf5-filters.ts'
import { type ByteSource, mostHeld, type Tensor, type TensorFile, unreadTensor } from './tensor.ts'

/** The datasets of an HDF5 file. */
export async function readHdf5File(source: ByteSource): Promise<TensorFile> {
  const { datasets, unlisted, failed } = await readHdf5(source.size, source.read)
  const tensors = datasets.map(dataset => tensorOf(dataset, source))
  return {
    format: 'HDF5',
    metadata: new Map(),
    tensors: [...tensors, ...failed.map(({ name, error }) => unreadTensor(name, error))],
    unlisted,
  }
}

function tensorOf(dataset: Dataset, source: ByteSource): Tensor {
  const { name, shape, datatype, storage, sameAs } = dataset
  const { dtype, type, bigEndian } = datatype
  const count = elementsOf(shape)
  const tensor: Tensor = {
    name,
    dtype,
    shape,
    count,
    bytes: asCount(count * datatype.bytes),
    offset: storage.kind === 'contiguous' ? storage.offset : 0,
    ...(type === undefined ? {} : { type }),
    ...(bigEndian === undefined ? {} : { bigEndian }),
    ...(sameAs === undefined ? {} : { sharedWith: sameAs }),
  }
  if (storage.kind === 'contiguous') return tensor
  const unread = storage.kind === 'unread' ? storage.why : storage.kind === 'chunked' ? unknownFilter(storage.filters) : undefined
  return unread === undefined ? { ...tensor, gather: () => gather(dataset, storage, source) } : { ...tensor, unread }
}

async function gather({ shape, datatype, fill }: Dataset, storage: Storage, source: ByteSource): Promise<Uint8Array> {
  const elements = Buffer.alloc(elementsOf(shape) * datatype.bytes, fill ?? 0)
  if (storage.kind === 'chunked') await fillIn(elements, storage, { shape, item: datatype.bytes }, source)
  return elements
}

interface Whole {
  shape: readonly number[]
  /** Bytes per element. */
  item: number
}

/** Reads the chunks one after the other. In all they take no more memory and work than the file's length allows. */
async function fillIn(
  elements: Uint8Array,
  { shape: chunkShape, filters, chunks: list }: Extract<Storage, { kind: 'chunked' }>,
  { shape, item }: Whole,
  { size, read }: ByteSource,
): Promise<void> {
  if (chunkShape.length !== shape.length || chunkShape.includes(0)) refuse('a chunk has an absurd shape')
  const plainBytes = asCount(elementsOf(chunkShape) * item)
  const chunks = await list()
  if (plainBytes * Math.max(1, chunks.length) > mostHeld(size) + 2 * elements.length)
    refuseKind(`${chunks.length} chunks of ${plainBytes} bytes are too many to unpack`)
  if (chunks.reduce((sum, { length }) => sum + length, 0) > size) refuse('chunks overlap')
  for (const chunk of chunks) {
    if (chunk.start.some((first, i) => first % chunkShape[i]! !== 0)) refuse('a chunk lies between others')
    // chunks outside of the array are left from when it was larger
    if (chunk.start.some((first, i) => first >= shape[i]!)) continue
    const stored = await readExactly(read, chunk.offset, chunk.length)
    place(undoFilters(stored, filters, chunk.mask, plainBytes), chunk, chunkShape, elements, { shape, item })
  }
}

/** Copies the part of a chunk that lies in the array: rows of the last dimension. */
function place(plain: Uint8Array, { start }: Chunk, chunkShape: readonly number[], elements: Uint8Array, { shape, item }: Whole): void {
  const counts = chunkShape.map((count, i) => Math.min(count, shape[i]! - start[i]!))
  const rowBytes = (counts.at(-1) ?? 1) * item
  const copy = (dimension: number, from: number, to: number): void => {
    if (dimension >= counts.length - 1) {
      const last = start[dimension] ?? 0
      const at = (to * (shape[dimension] ?? 1) + last) * item
      elements.set(plain.subarray(from * (chunkShape[dimension] ?? 1) * item, from * (chunkShape[dimension] ?? 1) * item + rowBytes), at)
      return
    }
    for (let i = 0; i < counts[dimension]!; i++)
      copy(dimension + 1, from * chunkShape[dimension]! + i, to * shape[dimension]! + start[dimension]! + i)
  }
  copy(0, 0, 0)
}
