import { elementsOf } from '../chunking/layouts/span.ts'
import { readTflite } from '../chunking/layouts/tflite.ts'
import type { ByteSource, Tensor, TensorFile } from './tensor.ts'

/** The weights of a TensorFlow Lite model. */
export async function readTfliteFile({ size, read }: ByteSource): Promise<TensorFile> {
  const { description, tensors } = await readTflite(size, read)
  const first = new Map<number, string>()
  const listed = tensors.map(({ name, dtype, shape, type, offset, length }): Tensor => {
    const sharedWith = first.get(offset)
    if (sharedWith === undefined) first.set(offset, name)
    const tensor = { name, dtype, shape, count: elementsOf(shape), bytes: length, offset }
    return { ...tensor, ...(type === undefined ? {} : { type }), ...(sharedWith === undefined ? {} : { sharedWith }) }
  })
  return { format: 'TensorFlow Lite', metadata: new Map(description === '' ? [] : [['description', description]]), tensors: listed }
}
