import type { ElementType } from '../../util/element-type.ts'
import { isAppError } from '../../util/errors.ts'
import { guessWidthAt } from './guess-width.ts'
import { type Dataset, readHdf5 } from './hdf5-datasets.ts'
import { checkSpans, type ReadAt, type TensorSpan } from './span.ts'

/**
 * The datasets of an HDF5 file whose elements lie in it as they are, in one piece or in chunks. If there are none, or
 * the structure is damaged or not understood: the whole file as one tensor, if samples of it look like numbers.
 */
export async function findHdf5Tensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  try {
    const spans: TensorSpan[] = []
    for (const dataset of (await readHdf5(size, read)).datasets) spans.push(...(await spansOf(dataset)))
    const sorted = checkSpans(spans, size)
    if (sorted.length > 0) return sorted
  } catch (error) {
    if (!isAppError(error, 'corrupt', 'unsupported')) throw error
  }
  const width = await guessWidthAt(0, size, read)
  return width === 1 ? [] : [{ name: '', offset: 0, length: size, width, kind: 'unknown' }]
}

async function spansOf({ name, shape, datatype: { type, bigEndian }, storage, sameAs }: Dataset): Promise<TensorSpan[]> {
  if (sameAs !== undefined || type === undefined) return []
  const element: ElementType = bigEndian ? { width: type.width, kind: 'unknown' } : type
  if (storage.kind === 'contiguous') return [{ name, offset: storage.offset, length: storage.length, shape, ...element }]
  if (storage.kind !== 'chunked' || storage.filters.length > 0) return []
  return (await storage.chunks()).map(({ offset, length }) => ({ name, offset, length, ...element }))
}
