import type { TensorSpan } from './span.ts'

/** Smaller tensors are cut together with the container around them, unless touching ones make up as much. */
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

/** Fewer bytes are not worth an entry in a directory. */
const MIN_GAP_BYTES = 256

/**
 * Makes one tensor, with the name of the first, of touching tensors of one type that are each too small to be cut
 * alone: if together they are large enough, or if they fill all between two tensors that are cut. Then they are a chunk
 * anyway. `spans` are in ascending order, without overlaps, in a file of `size` bytes.
 */
export function joinSmall(spans: readonly TensorSpan[], size: number): TensorSpan[] {
  const joined: TensorSpan[] = []
  for (let i = 0; i < spans.length;) {
    const first = spans[i]!
    let end = first.offset
    let next = i
    for (; next < spans.length && isSmall(spans[next]) && isLike(first, spans[next]!) && spans[next]!.offset === end; next++)
      end += spans[next]!.length
    const { name, offset, width, kind, dtype } = first
    const length = end - offset
    const fillsGap =
      length >= MIN_GAP_BYTES && endsAt(spans[i - 1], offset) && (spans[next]?.offset ?? size) === end && !isSmall(spans[next])
    if (length >= MIN_TENSOR_BYTES) joined.push({ name, offset, length, width, kind, dtype })
    else if (fillsGap) joined.push({ name, offset, length, width, kind, dtype, fillsGap })
    else joined.push(...spans.slice(i, Math.max(next, i + 1)))
    i = Math.max(next, i + 1)
  }
  return joined
}

/** Whether a tensor is cut by itself. */
export function isCut({ length, fillsGap }: TensorSpan): boolean {
  return length >= MIN_TENSOR_BYTES || fillsGap === true
}

function endsAt(large: TensorSpan | undefined, offset: number): boolean {
  return large !== undefined && !isSmall(large) && large.offset + large.length === offset
}

const isSmall = (span: TensorSpan | undefined): boolean => span !== undefined && span.length < MIN_TENSOR_BYTES

function isLike(a: TensorSpan, b: TensorSpan): boolean {
  return a.width === b.width && a.kind === b.kind && a.dtype === b.dtype && a.record === undefined && b.record === undefined
}

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
    if (!isCut(tensor)) continue
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
