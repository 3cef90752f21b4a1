import type { GgufTensor } from '../chunking/layouts/writers.ts'

const i32 = (...values: number[]): Buffer => Buffer.from(Int32Array.from(values).buffer)

/** A ggml model of whisper.cpp with a vocabulary of two words. */
export function whisper(tensors: readonly GgufTensor[]): Buffer {
  const words = ['hello', 'world'].map(word => Buffer.concat([i32(word.length), Buffer.from(word)]))
  const bodies = tensors.map(({ name, type, shape, data }) =>
    Buffer.concat([i32(shape.length, name.length, type, ...shape.toReversed()), Buffer.from(name), data]),
  )
  const counts = i32(2, 1500, 384, 6, 4, 448, 384, 6, 4, 8, 1)
  return Buffer.concat([Buffer.from('lmgg'), counts, i32(8, 3), Buffer.alloc(96), i32(words.length), ...words, ...bodies])
}
