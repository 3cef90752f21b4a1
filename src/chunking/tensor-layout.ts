import { isAppError } from '../util/errors.ts'
import { joinSmall } from './layouts/cuts.ts'
import { findGgmlTensors, isGgml } from './layouts/ggml.ts'
import { findGgufTensors, isGguf } from './layouts/gguf.ts'
import { isHdf5, isLegacyTorch, isTflite, mayFlax, mayOnnx } from './layouts/magic.ts'
import { findNpyTensors, isNpy } from './layouts/npy.ts'
import { findSafetensors, maySafetensors } from './layouts/safetensors.ts'
import { checkSpans, type ReadAt, type TensorSpan } from './layouts/span.ts'
import { isZip } from './layouts/zip.ts'

export { columnsOf, type ReadAt, type TensorSpan } from './layouts/span.ts'

type Layout = (size: number, read: ReadAt) => Promise<TensorSpan[]>

/** Number of first bytes that show whether a file may have tensors. */
export const SNIFFED_BYTES = 16

/**
 * The positions of a file's tensors: in ascending order, without overlaps, none empty, all within its `size` bytes.
 * Small ones that touch count as one (`joinSmall`).
 * Supports safetensors, PyTorch (with zip and without), `.npz`, `.keras`, `.npy`, GGUF and HDF5, and recognises them by
 * content. Undefined if there are no tensors, or if the container is damaged: then nothing in it is trusted. Reads only
 * headers, at most about 32 MiB in all. Passes on errors of `read`.
 */
export async function findTensors(size: number, read: ReadAt): Promise<TensorSpan[] | undefined> {
  const start = await read(0, Math.min(size, SNIFFED_BYTES))
  const layout = layoutOf(start, size)
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
export function mayHaveTensors(start: Uint8Array, size: number): boolean {
  return layoutOf(start, size) !== undefined
}

/** What reads formats with much structure is loaded only where it is needed. */
function layoutOf(start: Uint8Array, size: number): Layout | undefined {
  if (isZip(start)) return async (...file) => (await import('./layouts/zip-tensors.ts')).findZipTensors(...file)
  if (isNpy(start)) return findNpyTensors
  if (isGguf(start)) return findGgufTensors
  if (isGgml(start)) return findGgmlTensors
  if (isHdf5(start)) return async (...file) => (await import('./layouts/hdf5.ts')).findHdf5Tensors(...file)
  if (isLegacyTorch(start)) return async (...file) => (await import('./layouts/torch-legacy.ts')).findLegacyTorch(...file)
  if (isTflite(start)) return async (...file) => (await import('./layouts/tflite.ts')).findTfliteTensors(...file)
  if (maySafetensors(start, size)) return findSafetensors
  if (mayOnnx(start)) return async (...file) => (await import('./layouts/onnx.ts')).findOnnxTensors(...file)
  if (mayFlax(start)) return async (...file) => (await import('./layouts/flax.ts')).findFlaxTensors(...file)
  return undefined
}
