/*
 * Finds where the tensors of a file lie, from its headers, one format a file. It reads no elements and trusts no
 * number that a header gives.
 */

import { corrupt } from '../../util/errors.ts'

/** The bytes [offset, offset + length) of a file; fewer where it ends before. */
export type ReadAt = (offset: number, length: number) => Promise<Uint8Array>

/** Floats have their sign in the top bit of a little-endian element. `unknown` is also for elements that are something else than one number. */
export type TensorKind = 'float' | 'int' | 'unknown'

export interface TensorSpan {
  /** As the container calls it, unique in most; empty where it has no names. */
  name: string
  /** Bytes from the file's start. */
  offset: number
  /** Bytes. */
  length: number
  /** Bytes of an element; 1 where it is not known. */
  width: 1 | 2 | 4 | 8
  kind: TensorKind
  /** As safetensors would call it. */
  dtype?: string
  shape?: number[]
}

/** A file with more is taken for one without: every tensor costs memory as long as the file is read. */
export const MAX_TENSORS = 100_000

export type ElementType = Pick<TensorSpan, 'width' | 'kind' | 'dtype'>

export const UNKNOWN_TYPE: ElementType = { width: 1, kind: 'unknown' }

/** Element types by their names in safetensors. */
export const ELEMENT_TYPES: ReadonlyMap<string, ElementType> = new Map(
  [
    ...floats(8, 'F64', 'C128'),
    ...floats(4, 'F32', 'C64'),
    ...floats(2, 'F16', 'BF16'),
    ...floats(1, 'F8_E4M3', 'F8_E5M2', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ'),
    ...integers(8, 'I64', 'U64'),
    ...integers(4, 'I32', 'U32'),
    ...integers(2, 'I16', 'U16'),
    ...integers(1, 'I8', 'U8', 'BOOL'),
  ].map(type => [type.dtype, type]),
)

function floats(width: 1 | 2 | 4 | 8, ...dtypes: string[]) {
  return dtypes.map(dtype => ({ width, kind: 'float' as const, dtype }))
}

function integers(width: 1 | 2 | 4 | 8, ...dtypes: string[]) {
  return dtypes.map(dtype => ({ width, kind: 'int' as const, dtype }))
}

/** Bytes of one element of a type in `ELEMENT_TYPES`: complex numbers are two. */
export function itemBytes({ width, dtype }: ElementType): number {
  return dtype === 'C64' || dtype === 'C128' ? 2 * width : width
}

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
