import { type CheckpointEntry, readCheckpoint } from '../chunking/layouts/checkpoint-index.ts'
import { dataName } from '../chunking/layouts/checkpoint-names.ts'
import { elementsOf } from '../chunking/layouts/span.ts'
import type { ByteSource, Tensor, TensorFile } from './tensor.ts'

/** True if a file with this start may be such an index: an entry with an empty key, and the number of shards in it. */
export function mayCheckpointIndex(start: Uint8Array): boolean {
  return start[0] === 0 && start[1] === 0 && start[3] === 8
}

/** The tensors that the index of a TensorFlow checkpoint lists. Their elements lie in files beside it. */
export async function readCheckpointIndex({ size, read }: ByteSource): Promise<TensorFile> {
  const { shards, bigEndian, entries } = await readCheckpoint(size, read)
  return { format: 'TensorFlow', metadata: new Map(), tensors: entries.map(entry => tensorOf(entry, shards, bigEndian)) }
}

function tensorOf(
  { name, dtype, type, shape, shard, offset, length, isSliced }: CheckpointEntry,
  shards: number,
  bigEndian: boolean,
): Tensor {
  const count = elementsOf(shape)
  const tensor: Tensor = { name, dtype, shape, count, bytes: length, offset, ...(type === undefined ? {} : { type }) }
  if (isSliced) return { ...tensor, unread: 'it is stored in slices' }
  const file = dataName(shard, shards)
  return {
    ...tensor,
    ...(bigEndian && type !== undefined && type.width > 1 ? { bigEndian } : {}),
    outside: { file, offset },
    unread: `its elements lie in the file ${file} beside the index`,
  }
}
