import { AppError, corrupt, isAppError } from '../util/errors.ts'
import type { TensorSide } from './compare-tensors.ts'
import { withFilesBeside } from './files-beside.ts'
import { readTensorFile, withUniqueNames } from './read-tensor-file.ts'
import { joinShards, numberedShards, readShardIndex, type ShardIndex } from './shards.ts'
import type { HashedSource } from './stretches.ts'

/** A folder with a model, local or stored. */
export interface ModelFolder {
  /** For messages. */
  name: string
  /** The names of the files right in it. */
  files: readonly string[]
  /** Throws `not-found` for a file that is not there. */
  open(file: string): Promise<{ name: string; source: HashedSource }>
}

const INDEX = /\.index\.json$/
const SAFETENSORS = /\.safetensors(\.index\.json)?$/
const MODELS = /\.(safetensors|pt|pth|bin|ckpt|gguf|npz|npy)$/
const CHECKPOINT = /\.index$/
const CHECKPOINT_DATA = /\.data-\d{5}-of-\d{5}$/
const MAX_INDEX_BYTES = 32 * 1024 * 1024
const LISTED = 10

export function isShardIndex(path: string): boolean {
  return INDEX.test(path)
}

/** True for the name of a file that a model may consist of. */
export function isModelFile(name: string): boolean {
  return [MODELS, INDEX, CHECKPOINT, CHECKPOINT_DATA].some(pattern => pattern.test(name))
}

/**
 * The model in a folder: that of the index, the numbered shards, the only file with tensors, or a checkpoint. Of two,
 * the one of safetensors, as its library chooses. Throws `usage` if it is not clear which one is meant.
 */
export async function openModelFolder(folder: ModelFolder): Promise<TensorSide> {
  const index = onlyOne(folder.files.filter(isShardIndex))
  if (index !== undefined) return openShardIndex(folder, index)
  const models = folder.files.filter(file => MODELS.test(file))
  const numbered = numberedShards(models) ?? numberedShards(models.filter(file => SAFETENSORS.test(file)))
  if (numbered !== undefined) return openShards(folder, folder.name, new Map(numbered.map(shard => [shard, []])))
  // other programs have files with this ending too
  const model = onlyOne(models) ?? (models.length === 0 ? onlyOne(folder.files.filter(file => CHECKPOINT.test(file))) : undefined)
  if (model !== undefined) return openFile(folder, model)
  throw new AppError(
    'usage',
    `${folder.name} is a folder ${models.length === 0 ? 'without a model right in it' : 'with several models'}.`,
    {
      list: models.slice(0, LISTED),
      hint: 'Name one file, or a folder with the shards of one model.',
    },
  )
}

/** The model whose shards an index names. They lie beside it. */
export async function openShardIndex(folder: ModelFolder, index: string): Promise<TensorSide> {
  const { name, source } = await folder.open(index)
  if (source.size > MAX_INDEX_BYTES) throw corrupt(name, 'it is too long for an index of shards')
  return openShards(folder, name, readShardIndex(name, await source.read(0, source.size)))
}

async function openShards(folder: ModelFolder, name: string, index: ShardIndex): Promise<TensorSide> {
  const shards: TensorSide[] = []
  const missing: string[] = []
  for (const shard of index.keys()) {
    try {
      shards.push(await openFile(folder, shard))
    } catch (error) {
      if (!isAppError(error, 'not-found')) throw error
      missing.push(shard)
    }
  }
  if (shards.length === 0)
    throw new AppError('not-found', `None of the shards of ${name} is there.`, { list: missing.slice(0, LISTED), hint: 'Get them first.' })
  const side = joinShards(name, shards, index, missing)
  return { ...side, file: { ...side.file, tensors: withUniqueNames(side.file.tensors) } }
}

async function openFile(folder: ModelFolder, file: string): Promise<TensorSide> {
  const { name, source } = await folder.open(file)
  const side = { name, source, file: await readTensorFile(name, source) }
  return withFilesBeside(side, async path => (await folder.open(path)).source)
}

function onlyOne(files: readonly string[]): string | undefined {
  if (files.length === 1) return files[0]
  const safetensors = files.filter(file => SAFETENSORS.test(file))
  return safetensors.length === 1 ? safetensors[0] : undefined
}
