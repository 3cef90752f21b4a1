// The files of a TensorFlow checkpoint, apart from what reads its index: a push loads that only where it needs it.

const DATA_NAME = /\.data-(\d{5})-of-(\d{5})$/

/** The longest index that is read. */
export const MAX_INDEX_BYTES = 32 * 1024 * 1024

/** The end of the name of a file with elements. It begins with the prefix of the checkpoint. */
export function dataName(shard: number, shards: number): string {
  const [number, of] = [shard, shards].map(value => String(value).padStart(5, '0'))
  return `.data-${number}-of-${of}`
}

/** Which file of elements lies at `path`, and the path of the index beside it; undefined for any other file. */
export function dataFileAt(path: string): { shard: number; shards: number; index: string } | undefined {
  const [, shard, shards] = DATA_NAME.exec(path) ?? []
  return shard === undefined ? undefined : { shard: Number(shard), shards: Number(shards), index: path.replace(DATA_NAME, '.index') }
}
