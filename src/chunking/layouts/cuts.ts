import type { TensorSpan } from './span.ts'

/** A tensor of fewer bytes is cut together with the container around it. */
export const MIN_TENSOR_BYTES = 4 * 1024
/** The bytes of a chunk inside of a tensor; its last one may have fewer. Changing it makes old repositories deduplicate no tensor that is pushed afterwards. */
export const TENSOR_CHUNK_BYTES = 1024 * 1024

/** A stretch of a file that shares no chunk with its neighbours. */
export type Segment =
  /** To be cut by content. */
  | { kind: 'container'; offset: number; length: number }
  /** One chunk, `offset - tensor.offset` bytes into its tensor. */
  | { kind: 'tensor'; offset: number; length: number; tensor: TensorSpan }

/**
 * Divides a file of `size` bytes with these tensors (ascending, without overlaps, inside it) so that equal tensors become equal chunks whatever container
 * they lie in. In file order, gapless, none empty.
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
