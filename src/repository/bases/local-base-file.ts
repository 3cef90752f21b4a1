import { open } from 'node:fs/promises'
import { isCut, TENSOR_CHUNK_BYTES } from '../../chunking/layouts/cuts.ts'
import { findTensors, type TensorSpan } from '../../chunking/tensor-layout.ts'
import { AS_LISTED, readAt, readInto } from '../../local/read-at.ts'
import { readSmallFile } from '../../local/small-file.ts'
import type { WalkedEntry } from '../../local/walk.ts'
import { errnoOf } from '../../util/errors.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { fsPath } from '../../util/paths.ts'
import { chunkLength, type BaseFile, type BaseTensor } from './base-tensor.ts'

/** A file of the push and its chunks. */
export interface LocalFile {
  file: WalkedEntry
  /** Ids, 32 bytes each. */
  chunks: Buffer
  /** Bytes of each chunk. */
  lengths: readonly number[]
}

/** Opens the tensors of a local file as bases. Undefined if it has none or can't be read any more. */
export async function openLocalBase({ file, chunks, lengths }: LocalFile): Promise<BaseFile | undefined> {
  const opened = await open(fsPath(file.localPath), AS_LISTED).catch(() => undefined)
  if (!opened) return undefined
  try {
    const place = { path: file.localPath, readBeside: readSmallFile }
    const spans = await findTensors(file.fingerprint.size, (offset, length) => readAt(opened, offset, length), place)
    if (spans === undefined) {
      await opened.close()
      return undefined
    }
    const chunkAt = chunksByOffset(lengths)
    const tensors = spans.flatMap((span): BaseTensor[] => {
      const ids = idsOf(span, chunks, lengths, chunkAt)
      if (!ids) return []
      const read = async (chunk: number, buffer: Uint8Array): Promise<Uint8Array> => {
        const bytes = buffer.subarray(0, chunkLength(span, chunk))
        return bytes.subarray(0, await readInto(opened, bytes, span.offset + chunk * TENSOR_CHUNK_BYTES))
      }
      return [{ ...span, ids, read }]
    })
    return { tensors, close: () => opened.close() }
  } catch (error) {
    await opened.close()
    if (errnoOf(error) === undefined) throw error
    return undefined
  }
}

/** Numbers of the chunks by their offsets in the file. */
function chunksByOffset(lengths: readonly number[]): Map<number, number> {
  const chunkAt = new Map<number, number>()
  let offset = 0
  for (const [chunk, length] of lengths.entries()) {
    chunkAt.set(offset, chunk)
    offset += length
  }
  return chunkAt
}

/** The ids of a tensor's chunks; undefined if the file is not cut around the tensor. */
function idsOf(span: TensorSpan, chunks: Buffer, lengths: readonly number[], chunkAt: ReadonlyMap<number, number>): Uint8Array | undefined {
  const first = chunkAt.get(span.offset)
  if (first === undefined || !isCut(span)) return undefined
  const count = Math.ceil(span.length / TENSOR_CHUNK_BYTES)
  for (let i = 0; i < count; i++) if (lengths[first + i] !== chunkLength(span, i)) return undefined
  return chunks.subarray(first * HASH_BYTES, (first + count) * HASH_BYTES)
}
