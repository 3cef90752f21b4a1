import { guessWidthAt } from './guess-width.ts'
import type { ReadAt, TensorSpan } from './span.ts'

const MAGIC = Buffer.from('\x89HDF\r\n\x1a\n', 'latin1')

export function isHdf5(start: Uint8Array): boolean {
  return MAGIC.equals(start.subarray(0, MAGIC.length))
}

/** The whole file as one tensor, where samples of it look like numbers: its own tables, which say more, are small beside its data and aligned to 8 bytes. */
export async function findHdf5Tensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  const width = await guessWidthAt(0, size, read)
  return width === 1 ? [] : [{ name: '', offset: 0, length: size, width, kind: 'unknown' }]
}
