/*
 * The tensors of a file, their elements as numbers, differences between two files, and new files of chosen tensors. The
 * caller decides where the bytes come from: a disk or a repository.
 */

import type { ReadAt } from '../chunking/layouts/span.ts'
import { dataOffset, isStored, type ZipMember } from '../chunking/layouts/zip.ts'
import { type ElementType, itemBytes } from '../util/element-type.ts'
import { AppError, isAppError } from '../util/errors.ts'
import { formatBytes } from '../util/format-bytes.ts'

/** A source of a file's bytes, local or stored. */
export interface ByteSource {
  size: number
  read: ReadAt
}

export interface Tensor {
  /** Unique within its file. */
  name: string
  /** Its name in safetensors, else in the container. */
  dtype: string
  shape: number[]
  /** The number of elements. */
  count: number
  /** Bytes of all elements when contiguous. */
  bytes: number
  /** Missing if the elements have no known width: quantised blocks, strings, records. */
  type?: ElementType
  bigEndian?: true
  /** The distance, in elements, from one index to the next of each dimension; missing for C order without gaps. */
  strides?: number[]
  /** Offset from the start of the file, or of `member`. */
  offset: number
  member?: ZipMember
  /**
   * Reads all elements, where they don't lie in the file as they are: compressed, in tiles, or as other numbers. Throws
   * `corrupt`. Then `offset` means nothing.
   */
  gather?: () => Promise<Uint8Array>
  /** An earlier tensor that shares these elements. */
  sharedWith?: string
  /** The elements themselves, where they stand in a header, such as the scale of a quantised tensor. */
  numbers?: readonly number[]
  /** Where its elements are, if they lie in a file beside this one. */
  outside?: { file: string; offset: number }
  /** Why its elements can't be read, such as `it has no elements`. */
  unread?: string
  /** What is `unread` is damaged. */
  isDamaged?: true
}

export interface TensorFile {
  format:
    | 'safetensors'
    | 'PyTorch'
    | 'NumPy'
    | 'GGUF'
    | 'ONNX'
    | 'HDF5'
    | 'TensorFlow Lite'
    | 'TensorFlow'
    | 'ggml'
    | 'Flax'
    | 'pickle'
    | 'MATLAB'
  /** Strings that the file holds beside the tensors. */
  metadata: ReadonlyMap<string, string>
  tensors: Tensor[]
  /** What else holds or may hold tensors and is not listed, in words. */
  unlisted?: string[]
}

/** Maximum bytes that are held in memory to find scattered elements in them. */
const MAX_HELD_BYTES = 512 * 1024 * 1024
/** Maximum bytes that are held of a file of `size` bytes: a small file may state that it unpacks to gigabytes. */
export const mostHeld = (size: number): number => Math.min(MAX_HELD_BYTES, 64 * 1024 * 1024 + 8 * size)

/** The number of elements of all tensors. Elements that several tensors share count once. */
export function parametersOf({ tensors }: TensorFile): number {
  return tensors.reduce((sum, { count, sharedWith }) => (sharedWith === undefined ? sum + count : sum), 0)
}

/** Below this many bytes of elements no ratio is suspicious. */
const HARMLESS_BYTES = 1e9
/** Real files seldom hold more than a few tensors that share their elements. */
const SUSPICIOUS_RATIO = 100

/**
 * Throws `denied` if the elements of some tensors are over 1 GB, and over 100 times the `size` of their file. A few
 * kilobytes can state a hundred thousand views of the same elements, or repeat one element without end. Each view of a
 * deflated member inflates all of it.
 */
export function checkExpansion(tensors: readonly Tensor[], subject: string, size: number): void {
  const bytes = tensors.reduce((sum, tensor) => sum + Math.max(tensor.bytes, isDeflated(tensor) ? tensor.member!.length : 0), 0)
  if (bytes <= HARMLESS_BYTES || bytes <= SUSPICIOUS_RATIO * size) return
  throw new AppError('denied', `The tensors of ${subject} would take ${formatBytes(bytes)}, over ${SUSPICIOUS_RATIO} times its size.`, {
    hint: 'Many of them share their elements. Choose fewer, or save clones of them.',
  })
}

export function isDeflated({ member }: Tensor): boolean {
  return member !== undefined && !isStored(member)
}

/** Why a reader of headers refused something, without its subject. */
export function reasonOf({ message }: Error): string {
  return message.replace(/^.*? is (damaged|of a kind that is not understood): /, '')
}

/** Stands for a tensor that can't be read because of this error of a reader. Throws other errors. */
export function unreadTensor(name: string, error: unknown): Tensor {
  if (!isAppError(error, 'corrupt', 'unsupported')) throw error
  const unread = { name, dtype: 'unknown', shape: [], count: 0, bytes: 0, offset: 0, unread: reasonOf(error) }
  return error.code === 'corrupt' ? { ...unread, isDamaged: true } : unread
}

/** Bytes per element; 1 if the type is unknown. */
export function itemOf({ type }: Tensor): number {
  return type === undefined ? 1 : itemBytes(type)
}

/** Offset of the tensor's first element in its file. In a zip archive it reads a few bytes. */
export async function startOf({ offset, member }: Tensor, { size, read }: ByteSource): Promise<number> {
  return member === undefined ? offset : offset + (await dataOffset(member, size, read))
}

/** The number of elements that a view with these strides spans, from the first to the last. */
export function elementSpan(shape: readonly number[], strides: readonly number[]): number {
  return shape.includes(0) ? 0 : shape.reduce((reach, count, i) => reach + (count - 1) * strides[i]!, 1)
}

/** `strides`, or undefined if they are those of contiguous C order. */
export function unlessContiguous(shape: readonly number[], strides: readonly number[]): number[] | undefined {
  if (shape.includes(0)) return undefined
  let next = 1
  for (let i = shape.length - 1; i >= 0; i--) {
    if (shape[i] !== 1 && strides[i] !== next) return [...strides]
    next *= shape[i]!
  }
  return undefined
}
