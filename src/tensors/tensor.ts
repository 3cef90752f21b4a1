/*
 * What tensors a file has, their elements as numbers, how two files differ, and new files of chosen tensors. Where the
 * bytes come from, a disk or a repository, is the caller's affair.
 */

import type { ReadAt } from '../chunking/layouts/span.ts'
import { dataOffset, type ZipMember } from '../chunking/layouts/zip.ts'
import { type ElementType, itemBytes } from '../util/element-type.ts'

/** The bytes of a file, wherever it lies. */
export interface ByteSource {
  size: number
  read: ReadAt
}

export interface Tensor {
  /** Unique in its file. */
  name: string
  /** Its name in safetensors, else in the container. */
  dtype: string
  shape: number[]
  /** The number of elements. */
  count: number
  /** Bytes of all elements side by side. */
  bytes: number
  /** Missing where the elements are not numbers of a known type: quantised blocks, texts, records. */
  type?: ElementType
  bigEndian?: true
  /** The distance, in elements, from one index to the next of each dimension; missing for C order without gaps. */
  strides?: number[]
  /** From the start of the file, or of `member`. */
  offset: number
  member?: ZipMember
  /** An earlier tensor that has the same elements in the same place. */
  sharedWith?: string
}

export interface TensorFile {
  format: 'safetensors' | 'PyTorch' | 'NumPy' | 'GGUF'
  /** Texts that the file holds beside the tensors. */
  metadata: ReadonlyMap<string, string>
  tensors: Tensor[]
}

/** The elements of all tensors; those that several tensors share count once. */
export function parametersOf({ tensors }: TensorFile): number {
  return tensors.reduce((sum, { count, sharedWith }) => (sharedWith === undefined ? sum + count : sum), 0)
}

/** The bytes of an element; 1 where the type is not known. */
export function itemOf({ type }: Tensor): number {
  return type === undefined ? 1 : itemBytes(type)
}

/** Where the tensor's first element lies in its file. Reads a few bytes in a zip archive. */
export async function startOf({ offset, member }: Tensor, { size, read }: ByteSource): Promise<number> {
  return member === undefined ? offset : offset + (await dataOffset(member, size, read))
}

/** The number of elements from the first to the last that a view with these strides spans. */
export function reachOf(shape: readonly number[], strides: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((reach, count, i) => reach + (count - 1) * strides[i]!, 1)
}

/** `strides`, or undefined where they are those of C order without gaps. */
export function unlessContiguous(shape: readonly number[], strides: readonly number[]): number[] | undefined {
  if (shape.includes(0)) return undefined
  let next = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== next) return [...strides]
    next *= shape[i]!
  }
  return undefined
}
