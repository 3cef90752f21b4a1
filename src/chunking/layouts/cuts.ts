import type { TensorSpan } from './span.ts'

/** Smaller tensors are cut together with the container around them. */
export const MIN_TENSOR_BYTES = 4 * 1024
/**
 * Bytes per chunk of a tensor; the last chunk may have fewer. Changing this number makes all stored tensor chunks
 * useless for deduplication.
 */
export const TENSOR_CHUNK_BYTES = 1024 * 1024

/** A segment of a file. Segments share no chunk. */
export type Segment =
  /** Cut by content. */
  | { kind: 'container'; offset: number; length: number }
  /** One chunk, `offset - tensor.offset` bytes into its tensor. */
  | { kind: 'tensor'; offset: number; length: number; tensor: TensorSpan }

/**
 * Divides a file of `size` bytes with these tensors (ascending, without overlaps, inside the file) so that equal
 * tensors become equal chunks in every container. The segments are in file order, without gaps, and none is empty.
 */
export function tensorCuts(spans: readonly TensorSpan[], size: number): Segment[] {
  const segments: Segment[] = []
  let position = 0
  const container = (end: number) => {
    if (end > position) segments.push({ kind: 'container', offset: position, length: end - position })
    position = end
  }
  for (const tensor of spans) {
    if (tensor.length < MIN_TENSOR_BYTES) continue
    container(tensor.offset)
    const end = tensor.offset + tensor.length
    while (position < end) {
      const length = Math.min(TENSOR_CHUNK_BYTES, end - position)
      segments.push({ kind: 'tensor', offset: position, length, tensor })
      position += length
    }
  }
  container(size)
  return segments
}
