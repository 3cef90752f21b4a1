import { MAX_NAME_LENGTH, MAX_TENSORS } from '../chunking/layouts/span.ts'
import { AppError, corrupt } from '../util/errors.ts'
import { isRecord, parseJson } from '../util/json-fields.ts'
import type { TensorSide } from './compare-tensors.ts'
import type { HashedSource } from './stretches.ts'
import type { Tensor } from './tensor.ts'

/** Each shard is an open file. */
const MAX_SHARDS = 1000

/** The shards of a model, in the order in which they are read, and the tensors that each holds. */
export type ShardIndex = Map<string, string[]>

/**
 * Reads an index of Hugging Face, such as `model.safetensors.index.json`: `{"weight_map": {tensor: file}}`. Throws
 * `corrupt`, `unsupported` for JSON of another kind, `denied` for a shard outside of the folder of the index.
 */
export function readShardIndex(subject: string, bytes: Uint8Array): ShardIndex {
  const json = parseJson(bytes, subject)
  const map = isRecord(json) ? json.weight_map : undefined
  if (!isRecord(map))
    throw new AppError('unsupported', `${subject} is no index of a model: it has no weight_map.`, { hint: 'Name a file with tensors.' })
  const entries = Object.entries(map)
  if (entries.length > MAX_TENSORS) throw corrupt(subject, 'it has too many tensors')
  const index: ShardIndex = new Map()
  for (const [tensor, file] of entries) {
    if (typeof file !== 'string' || tensor.length > MAX_NAME_LENGTH) throw corrupt(subject, 'an entry names no file')
    if (!isPlainName(file))
      throw new AppError('denied', `${subject} names a shard outside of its folder: ${JSON.stringify(file.slice(0, 200))}`, {
        hint: 'Nothing was read. Look into the index: shards lie beside it.',
      })
    const tensors = index.get(file)
    if (tensors === undefined) index.set(file, [tensor])
    else tensors.push(tensor)
  }
  if (index.size > MAX_SHARDS) throw new AppError('unsupported', `${subject} has ${index.size} shards, more than ${MAX_SHARDS}.`)
  return new Map([...index].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function isPlainName(file: string): boolean {
  return file !== '' && file !== '.' && file !== '..' && file.length <= 255 && !/[/\\:\0]/.test(file)
}

/**
 * The numbered shards among these files, such as `model-00001-of-00003.safetensors`, with those that are not there;
 * undefined if there are none, or of several models.
 */
export function numberedShards(files: readonly string[]): string[] | undefined {
  const models = new Map<string, string[]>()
  for (const file of files) {
    const [, stem, count, end] = /^(.*)-\d{5}-of-(\d{5})(\.\w+)$/.exec(file) ?? []
    if (stem === undefined || Number(count) > MAX_SHARDS) continue
    const numbers = Array.from({ length: Number(count) }, (_, i) => String(i + 1).padStart(5, '0'))
    models.set(
      JSON.stringify([stem, count, end]),
      numbers.map(number => `${stem}-${number}-of-${count}${end}`),
    )
  }
  return models.size === 1 ? [...models.values()][0] : undefined
}

/** A model of several files. Their bytes are one source, one file behind the other. */
export function joinShards(name: string, shards: readonly TensorSide[], index: ShardIndex, missing: readonly string[]): TensorSide {
  const starts: number[] = []
  let size = 0
  const tensors: Tensor[] = []
  for (const { source, file } of shards) {
    starts.push(size)
    for (const tensor of file.tensors) tensors.push(moved(tensor, size))
    size += source.size
  }
  const there = new Set(tensors.map(tensor => tensor.name))
  for (const [shard, names] of index) {
    const why = missing.includes(shard) ? `its shard ${shard} is missing` : `its shard ${shard} does not hold it`
    for (const name of names)
      if (!there.has(name)) tensors.push({ name, dtype: 'unknown', shape: [], count: 0, bytes: 0, offset: 0, unread: why })
  }
  const { format = 'safetensors', metadata = new Map<string, string>() } = shards[0]?.file ?? {}
  return { name, source: joined(shards, starts, size), file: { format, metadata, tensors }, shards: { found: shards.length, missing } }
}

function moved(tensor: Tensor, by: number): Tensor {
  const { member, offset } = tensor
  return member === undefined ? { ...tensor, offset: offset + by } : { ...tensor, member: { ...member, headerAt: member.headerAt + by } }
}

/** No read goes beyond a file: a tensor lies in one. */
function joined(shards: readonly TensorSide[], starts: readonly number[], size: number): HashedSource {
  const at = (offset: number): { source: HashedSource; start: number } => {
    let [low, high] = [0, starts.length - 1]
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (starts[middle]! <= offset) low = middle
      else high = middle - 1
    }
    return { source: shards[low]!.source, start: starts[low]! }
  }
  const read = (offset: number, length: number): Promise<Uint8Array> => {
    if (offset >= size) return Promise.resolve(new Uint8Array(0))
    const { source, start } = at(offset)
    return source.read(offset - start, Math.min(length, start + source.size - offset))
  }
  const chunksOf = (offset: number, length: number) => {
    const { source, start } = at(offset)
    return source.chunksOf!(offset - start, length).map(chunk => ({ ...chunk, offset: start + chunk.offset }))
  }
  return { size, read, ...(shards.length > 0 && shards.every(({ source }) => 'chunksOf' in source) ? { chunksOf } : {}) }
}
