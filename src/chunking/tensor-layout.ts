import { isAppError } from '../util/errors.ts'
import { dataFileAt, MAX_INDEX_BYTES } from './layouts/checkpoint-names.ts'
import { joinSmall } from './layouts/cuts.ts'
import { findGgmlTensors, isGgml } from './layouts/ggml.ts'
import { findGgufTensors, isGguf } from './layouts/gguf.ts'
import { isHdf5, isLegacyTorch, isMatlab5, isTflite, mayFlax, mayOnnx, mayPickle } from './layouts/magic.ts'
import { findNpyTensors, isNpy } from './layouts/npy.ts'
import { findSafetensors, maySafetensors } from './layouts/safetensors.ts'
import { checkSpans, type ReadAt, type TensorSpan } from './layouts/span.ts'
import { isZip } from './layouts/zip.ts'

export { columnsOf, type ReadAt, type TensorSpan } from './layouts/span.ts'

type Layout = (size: number, read: ReadAt) => Promise<TensorSpan[]>

/** Where a file lies: the positions of its tensors may stand in a file beside it. */
export interface FilePlace {
  path: string
  /** The bytes of a file of at most `most` bytes; undefined if there is none. */
  readBeside: (path: string, most: number) => Uint8Array | undefined
}

/** Number of first bytes that show whether a file may have tensors. */
export const SNIFFED_BYTES = 16

/**
 * The positions of a file's tensors: in ascending order, without overlaps, none empty, all within its `size` bytes.
 * Small ones that touch count as one (`joinSmall`). Recognises files by their content (docs/format.md lists them), and
 * the files with elements of a TensorFlow checkpoint by their names and the index beside them. Undefined if there are
 * no tensors, or if the container is damaged: then nothing in it is trusted. Reads only headers, at most about 32 MiB
 * in all. Passes on errors of `read`.
 */
export async function findTensors(size: number, read: ReadAt, place?: FilePlace): Promise<TensorSpan[] | undefined> {
  const start = await read(0, Math.min(size, SNIFFED_BYTES))
  const layout = layoutBeside(place) ?? layoutOf(start, size)
  if (layout === undefined) return undefined
  try {
    const spans = joinSmall(checkSpans(await layout(size, read), size), size)
    return spans.length > 0 ? spans : undefined
  } catch (error) {
    if (isAppError(error, 'corrupt', 'unsupported')) return undefined
    throw error
  }
}

/** True if a file with this start may have tensors. */
export function mayHaveTensors(start: Uint8Array, size: number, place?: Pick<FilePlace, 'path'>): boolean {
  return dataFileAt(place?.path ?? '') !== undefined || layoutOf(start, size) !== undefined
}

function layoutBeside(place: FilePlace | undefined): Layout | undefined {
  const file = place && dataFileAt(place.path)
  const index = file && place.readBeside(file.index, MAX_INDEX_BYTES)
  return index && (async () => (await import('./layouts/checkpoint-index.ts')).findCheckpointTensors(file, index))
}

/** What reads formats with much structure is loaded only where it is needed. */
function layoutOf(start: Uint8Array, size: number): Layout | undefined {
  if (isZip(start)) return async (...file) => (await import('./layouts/zip-tensors.ts')).findZipTensors(...file)
  if (isNpy(start)) return findNpyTensors
  if (isGguf(start)) return findGgufTensors
  if (isGgml(start)) return findGgmlTensors
  if (isHdf5(start)) return async (...file) => (await import('./layouts/hdf5.ts')).findHdf5Tensors(...file)
  if (isLegacyTorch(start)) return async (...file) => (await import('./layouts/torch-legacy.ts')).findLegacyTorch(...file)
  if (mayPickle(start)) return async (...file) => (await import('./layouts/pickle-tensors.ts')).findPickleTensors(...file)
  if (isMatlab5(start)) return async (...file) => (await import('./layouts/matlab.ts')).findMatlabTensors(...file)
  if (isTflite(start)) return async (...file) => (await import('./layouts/tflite.ts')).findTfliteTensors(...file)
  if (maySafetensors(start, size)) return findSafetensors
  if (mayOnnx(start)) return async (...file) => (await import('./layouts/onnx.ts')).findOnnxTensors(...file)
  if (mayFlax(start)) return async (...file) => (await import('./layouts/flax.ts')).findFlaxTensors(...file)
  return undefined
}
