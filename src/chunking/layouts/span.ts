/*
 * Finds where the tensors of a file lie, from its headers, one format a file. It reads no elements and trusts no
 * number that a header gives.
 */

import type { ElementType } from '../../util/element-type.ts'
import { corrupt } from '../../util/errors.ts'

/** The bytes [offset, offset + length) of a file; fewer where it ends before. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>

/** Where a tensor lies in its file, and what its elements are. */
export interface TensorSpan extends ElementType {
  /** Its name in the container, which is unique in most; empty where the container has no names. */
  name: string
  /** Bytes from the file's start. */
  offset: number
  /** Bytes. */
  length: number
  shape?: number[]
}

/** A file with more is taken for one without: every tensor costs memory as long as the file is read. */
export const MAX_TENSORS = 100_000

/** How all parsers of this folder say that a container is damaged, or no such container. It never leaves `findTensors`. */
export function refuse(why: string): never {
  throw corrupt('A file with tensors', why)
}

export async function readExactly(read: ReadAt, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await read(offset, length)
  return bytes.length === length ? bytes : refuse('it is shorter than it says')
}

/** `value` if it can be the number of elements of a shape, or an offset. */
export function asCount(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : refuse('a number is absurd')
}

/** Elements of a shape. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, count) => asCount(product * count), 1)
}

/** In ascending order and without empty ones; refuses overlaps and what lies outside of the file. */
export function checkSpans(spans: readonly TensorSpan[], size: number): TensorSpan[] {
  const sorted = spans.filter(({ length }) => length > 0).sort((a, b) => a.offset - b.offset)
  let end = 0
  for (const { offset, length } of sorted) {
    if (offset < end) refuse('tensors overlap')
    end = asCount(offset + length)
  }
  return end <= size ? sorted : refuse('a tensor lies outside of it')
}
