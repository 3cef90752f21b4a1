import { type NpyArray, readNpyArray, readNpyArrays } from '../chunking/layouts/npy.ts'
import { elementsOf } from '../chunking/layouts/span.ts'
import { type ByteSource, type Tensor, type TensorFile, unlessContiguous } from './tensor.ts'

/** The arrays of a `.npy` file have no names: they become `array`, `array.1` and so on. */
export async function readNpyFile({ size, read }: ByteSource): Promise<TensorFile> {
  const arrays = await readNpyArrays(size, read)
  const tensors = arrays.map((array, i) => tensorOf(i === 0 ? 'array' : `array.${i}`, array, size))
  return { format: 'NumPy', metadata: new Map(), tensors }
}

/** The first array of a `.npy` file. */
export async function readNpy(name: string, { size, read }: ByteSource): Promise<Tensor> {
  return tensorOf(name, await readNpyArray(size, read), size)
}

function tensorOf(name: string, { offset, length, shape, descr, element, bigEndian, fortran }: NpyArray, size: number): Tensor {
  const place = { name, shape, count: elementsOf(shape), bytes: length ?? size - offset, offset }
  if (element.dtype === undefined) return { ...place, dtype: descr }
  const strides = fortran ? unlessContiguous(shape, fortranStrides(shape)) : undefined
  return {
    ...place,
    dtype: element.dtype,
    type: element,
    ...(bigEndian ? { bigEndian } : {}),
    ...(strides === undefined ? {} : { strides }),
  }
}

function fortranStrides(shape: readonly number[]): number[] {
  let next = 1
  return shape.map(count => {
    const stride = next
    next *= count
    return stride
  })
}
