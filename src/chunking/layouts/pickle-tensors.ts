import { isBytes } from './pickle-value.ts'
import { readPickledArrays } from './pickled-arrays.ts'
import { notedType } from './pickled-numpy.ts'
import { elementsOf, type ReadAt, type TensorSpan } from './span.ts'

/** A push reads pickles beside all else: about 20 MB of memory, and the bytes between arrays, not many more. */
const LIMITS = { share: 1 / 16, bytes: 32 * 1024 * 1024 }

/**
 * The arrays in a pickle, or in a file of joblib, whose elements lie in it as they are. Throws `unsupported` for a
 * pickle that holds very much beside them. Time: linear in the bytes between them.
 */
export async function findPickleTensors(size: number, read: ReadAt): Promise<TensorSpan[]> {
  const spans = new Map<number, TensorSpan>()
  for (const { name, array } of await readPickledArrays(size, read, LIMITS)) {
    if ('why' in array || !isBytes(array.data) || array.data.notation !== undefined) continue
    const { at: offset, length } = array.data
    const { element, bytes, bigEndian } = notedType(array.dtype) ?? {}
    if (element === undefined || bytes === undefined || elementsOf(array.shape) * bytes !== length) continue
    // arrays may share their elements
    if (spans.has(offset)) continue
    const type = bigEndian ? { width: element.width, kind: 'unknown' as const } : element
    spans.set(offset, { name, offset, length, shape: array.shape, ...type })
  }
  return [...spans.values()]
}
