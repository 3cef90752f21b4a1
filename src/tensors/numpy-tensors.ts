import { npyElement, readNpyHeader } from '../chunking/layouts/npy.ts'
import { elementsOf, refuse } from '../chunking/layouts/span.ts'
import { type ByteSource, type Tensor, type TensorFile, unlessContiguous } from './tensor.ts'

/** Name for the only array of a `.npy` file, which has no name of its own. */
export async function readNpyFile(source: ByteSource): Promise<TensorFile> {
  return { format: 'NumPy', metadata: new Map(), tensors: [await readNpy('array', source)] }
}

/** The array of a `.npy` file. */
export async function readNpy(name: string, { size, read }: ByteSource): Promise<Tensor> {
  const { offset, shape, descr, fortran } = await readNpyHeader(size, read)
  const count = elementsOf(shape)
  const place = { name, shape, count, bytes: size - offset, offset }
  if (descr === undefined) return { ...place, dtype: 'records' }
  if (descr.endsWith('O')) return { ...place, dtype: 'objects' }
  const { type, bytes, bigEndian } = npyElement(descr)
  if (count * bytes !== place.bytes) refuse('its shape and its length disagree')
  if (type.dtype === undefined) return { ...place, dtype: descr }
  const strides = fortran ? unlessContiguous(shape, fortranStrides(shape)) : undefined
  return { ...place, dtype: type.dtype, type, ...(bigEndian ? { bigEndian } : {}), ...(strides === undefined ? {} : { strides }) }
}

function fortranStrides(shape: readonly number[]): number[] {
  let next = 1
  return shape.map(count => {
    const stride = next
    next *= count
    return stride
  })
}
