/*
 * What tensors a file has, their elements as numbers, how two files differ, and new files of chosen tensors. Where the
 * bytes come from, a disk or a repository, is the caller's affair.
 */

import { type ReadAt } from '../chunking/layouts/span.ts'
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
  /** As safetensors calls it where it does, else as the container does. */
  dtype: string
  shape: number[]
  /** Elements. */
  count: number
  /** Of all elements side by side. */
  bytes: number
  /** Missing where the elements are no numbers that are understood: quantised blocks, texts, records. */
  type?: ElementType
  bigEndian?: true
  /** Elements from one to the next of each dimension; missing where they lie one after the other, the last dimension fastest. */
  strides?: number[]
  /** From the file's start, or from the beginning of `member`. */
  offset: number
  member?: ZipMember
  /** The tensor before it whose very elements these are. */
  sharedWith?: string
}

export interface TensorFile {
  format: 'safetensors' | 'PyTorch' | 'NumPy' | 'GGUF'
  /** Texts that go with the tensors. */
  metadata: ReadonlyMap<string, string>
  tensors: Tensor[]
}

/** Elements of all tensors, those that several share counted once. */
export function parametersOf({ tensors }: TensorFile): number {
  return tensors.reduce((sum, { count, sharedWith }) => (sharedWith === undefined ? sum + count : sum), 0)
}

/** Bytes that can't be told apart further: an element, or a byte of what is not understood. */
export function itemOf({ type }: Tensor): number {
  return type === undefined ? 1 : itemBytes(type)
}

/** Where the tensor's first element lies in its file; reads a few bytes where a zip archive has to be asked. */
export async function startOf({ offset, member }: Tensor, { size, read }: ByteSource): Promise<number> {
  return member === undefined ? offset : offset + (await dataOffset(member, size, read))
}

/** Elements that `strides` reach over, from the first to the last. */
export function reachOf(shape: readonly number[], strides: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((reach, count, i) => reach + (count - 1) * strides[i]!, 1)
}

/** `strides`, or undefined where they only say that elements lie one after the other. */
export function unlessContiguous(shape: readonly number[], strides: readonly number[]): number[] | undefined {
  if (shape.includes(0)) return undefined
  let next = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== next) return [...strides]
    next *= shape[i]!
  }
  return undefined
}
