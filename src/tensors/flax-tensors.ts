import { readFlax } from '../chunking/layouts/flax.ts'
import { elementsOf, refuse } from '../chunking/layouts/span.ts'
import type { ByteSource, TensorFile } from './tensor.ts'

/** The parameters of a model of flax. Calls `found` when the file is one. Throws `corrupt` for one without arrays. */
export async function readFlaxFile({ size, read }: ByteSource, found?: () => void): Promise<TensorFile> {
  const arrays = await readFlax(size, read)
  if (arrays.length === 0) refuse('it has no arrays')
  found?.()
  const tensors = arrays.map(({ name, shape, numpyType, type, offset, length }) => ({
    ...{ name, shape, dtype: type?.dtype ?? numpyType, count: elementsOf(shape), bytes: length, offset },
    ...(type === undefined ? {} : { type }),
  }))
  return { format: 'Flax', metadata: new Map(), tensors }
}
