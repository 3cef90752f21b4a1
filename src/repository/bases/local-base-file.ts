import { open } from 'node:fs/promises'
import { MIN_TENSOR_BYTES, TENSOR_CHUNK_BYTES } from '../../chunking/layouts/cuts.ts'
import { findTensors, type TensorSpan } from '../../chunking/tensor-layout.ts'
import { readAt, readInto } from '../../local/read-at.ts'
import type { WalkedEntry } from '../../local/walk.ts'
import { errnoOf } from '../../util/errors.ts'
import { HASH_BYTES } from '../../util/hash.ts'
import { fsPath } from '../../util/paths.ts'
import { chunkLength, type BaseFile, type BaseTensor } from './base-tensor.ts'

/** A file of the push, and what it consists of. */
export interface ReadFile {
  file: WalkedEntry
  chunks: Buffer
  /** Bytes of each chunk. */
  lengths: readonly number[]
}

/** The tensors of a local file whose chunks are known; undefined where it has none or can't be read any more. */
export async function openLocalBase({ file, chunks, lengths }: ReadFile): Promise<BaseFile | undefined> {
  const opened = await open(fsPath(file.localPath), 'r').catch(() => undefined)
  if (!opened) return undefined
  try {
    const spans = await findTensors(file.fingerprint.size, (offset, length) => readAt(opened, offset, length))
    if (spans === undefined) {
      await opened.close()
      return undefined
    }
    const places = placesOf(lengths)
    const tensors = spans.flatMap((span): BaseTensor[] => {
      const ids = idsOf(span, chunks, lengths, places)
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

/** Numbers of chunks by the offsets where they begin. */
function placesOf(lengths: readonly number[]): Map<number, number> {
  const places = new Map<number, number>()
  let offset = 0
  for (const [chunk, length] of lengths.entries()) {
    places.set(offset, chunk)
    offset += length
  }
  return places
}

/** The ids of a tensor's chunks; undefined where the file is cut in another way. */
function idsOf(span: TensorSpan, chunks: Buffer, lengths: readonly number[], places: ReadonlyMap<number, number>): Uint8Array | undefined {
  const first = places.get(span.offset)
  if (first === undefined || span.length < MIN_TENSOR_BYTES) return undefined
  const count = Math.ceil(span.length / TENSOR_CHUNK_BYTES)
  for (let i = 0; i < count; i++) if (lengths[first + i] !== chunkLength(span, i)) return undefined
  return chunks.subarray(first * HASH_BYTES, (first + count) * HASH_BYTES)
}
