/*
 * Finds the positions of a file's tensors from its headers, one format per source file. It reads no elements and trusts
 * no number of a header.
 */

import type { ElementType } from '../../util/element-type.ts'
import { AppError, corrupt } from '../../util/errors.ts'

/** Reads the bytes [offset, offset + length) of a file; fewer where it ends before. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>

/** The position of a tensor in its file, and its element type. */
export interface TensorSpan extends ElementType {
  /** Its name in the container, which is usually unique; empty if the container has no names. */
  name: string
  /** Bytes from the start of the file. */
  offset: number
  /** Bytes. */
  length: number
  shape?: number[]
  /** True for small tensors that fill all between two tensors that are cut: they are cut too. */
  fillsGap?: boolean
}

/** A file with more tensors is treated as one without tensors: each takes memory while the file is read. */
export const MAX_TENSORS = 100_000

/** Maximum length of a tensor's name. Each name is printed in a column that is as wide as the longest one. */
export const MAX_NAME_LENGTH = 512
/** Maximum length of the name of an element type. */
export const MAX_TYPE_LENGTH = 64

/** The parsers of this folder report a damaged container with this error. `findTensors` catches it. */
export function refuse(why: string): never {
  throw corrupt('A file with tensors', why)
}

/** They report with this error what a whole file may hold and they can't read. `findTensors` catches it too. */
export function refuseKind(why: string): never {
  throw new AppError('unsupported', `A file with tensors is of a kind that is not understood: ${why}`)
}

export async function readExactly(read: ReadAt, offset: number, length: number): Promise<Uint8Array> {
  const bytes = await read(offset, length)
  return bytes.length === length ? bytes : refuse('it is shorter than stated')
}

/** `value`, if it is a plausible number of elements or offset; else refuses. */
export function asCount(value: unknown): number {
  return Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : refuse('a number is absurd')
}

/** The number of elements of a shape. */
export function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, count) => asCount(product * count), 1)
}

/** A last dimension of fewer elements is no row by itself, such as the one of a kernel of a convolution. */
const MIN_COLUMNS = 32

/** Elements of `width` bytes in a row of a tensor: in its last dimensions. Undefined if it has only one row. */
export function columnsOf({ shape = [], length, width }: TensorSpan): number | undefined {
  let first = shape.length
  while (first > 0 && elementsOf(shape.slice(first)) < MIN_COLUMNS) first--
  const rows = elementsOf(shape.slice(0, first))
  const columns = length / width / rows
  return rows > 1 && Number.isInteger(columns) ? columns : undefined
}

/** The spans in ascending order, without empty ones. Refuses overlaps and spans outside the file. */
export function checkSpans(spans: readonly TensorSpan[], size: number): TensorSpan[] {
  const sorted = spans.filter(({ length }) => length > 0).sort((a, b) => a.offset - b.offset)
  let end = 0
  for (const { offset, length } of sorted) {
    if (offset < end) refuse('tensors overlap')
    end = asCount(offset + length)
  }
  return end <= size ? sorted : refuse('a tensor lies outside of it')
}
