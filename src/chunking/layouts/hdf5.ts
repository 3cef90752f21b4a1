import { guessWidthAt } from './guess-width.ts'
import type { ReadAt, TensorSpan } from './span.ts'

const MAGIC = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1')

export function isHdf5(start: Uint8Array): boolean {
  return MAGIC.equals(start.subarray(0, MAGIC.length))
}

/**
 * The whole file as one tensor, if samples of it look like numbers. HDF5's own tables are not parsed: they are small
 * compared with the data, which is aligned to 8 bytes.
 */
export async function findHdf5Tensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  const width = await guessWidthAt(0, size, read)
  return width === 1 ? [] : [{ name: '', offset: 0, length: size, width, kind: 'unknown' }]
}
