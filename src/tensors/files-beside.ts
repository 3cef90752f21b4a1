import { isAppError } from '../util/errors.ts'
import type { TensorSide } from './compare-tensors.ts'
import type { HashedSource } from './stretches.ts'
import type { Tensor } from './tensor.ts'

/** Each is an open file. */
const MAX_FILES = 1000
/** The index of a TensorFlow checkpoint ends so; its elements lie in files whose names end otherwise. */
const INDEX_END = /\.index$/

/**
 * A model whose elements lie in files beside it, as ONNX and TensorFlow keep them. Its source becomes all these files,
 * one behind the other, after the model itself. `open` opens a file by its path from the model's folder; it throws
 * `not-found` for one that is not there: then its tensors stay unread, and say why. No path leads out of the folder.
 */
export async function withFilesBeside(side: TensorSide, open: (path: string) => Promise<HashedSource>): Promise<TensorSide> {
  const { name, file } = side
  const paths = [...new Set(file.tensors.flatMap(({ outside }) => (outside === undefined ? [] : [pathOf(name, outside.file)])))]
  if (paths.length === 0) return side
  const joined = new JoinedSource(side.source)
  const starts = new Map<string, number>()
  const missing = new Map<string, string>()
  for (const path of paths) {
    if (!isInside(path)) missing.set(path, `its elements lie outside of the model's folder: ${JSON.stringify(path)}`)
    else if (starts.size === MAX_FILES) missing.set(path, 'its model has too many files')
    else await add(path)
  }

  async function add(path: string): Promise<void> {
    try {
      starts.set(path, joined.add(await open(path)))
    } catch (error) {
      if (!isAppError(error, 'not-found')) throw error
      missing.set(path, `its elements lie in ${path}, which is not there`)
    }
  }
  const tensors = file.tensors.map(tensor => located(tensor, name, joined, starts, missing))
  return { name, source: joined, file: { ...file, tensors } }
}

function located(
  tensor: Tensor,
  name: string,
  { size }: HashedSource,
  starts: ReadonlyMap<string, number>,
  missing: ReadonlyMap<string, string>,
): Tensor {
  const { outside, ...rest } = tensor
  if (outside === undefined) return tensor
  delete rest.unread
  const path = pathOf(name, outside.file)
  const start = starts.get(path)
  if (start === undefined) return { ...rest, unread: missing.get(path)! }
  const offset = start + outside.offset
  return offset + tensor.bytes <= size ? { ...rest, offset } : { ...rest, unread: `${path} is too short for it` }
}

/** TensorFlow's files have the name of their index up to its ending. */
function pathOf(model: string, file: string): string {
  if (!/^\.data-\d+-of-\d+$/.test(file)) return file
  return model.replace(/^.*[/:\\]/s, '').replace(INDEX_END, '') + file
}

function isInside(path: string): boolean {
  return path.split('/').every(part => part !== '' && part !== '.' && part !== '..' && !/[\\:\0]/.test(part))
}

/** Files one behind the other. */
class JoinedSource implements HashedSource {
  size = 0
  chunksOf?: NonNullable<HashedSource['chunksOf']>
  private readonly parts: { source: HashedSource; start: number }[] = []

  constructor(first: HashedSource) {
    this.add(first)
    if (first.chunksOf !== undefined) this.chunksOf = this.allChunks.bind(this)
  }

  /** Returns where the file begins. */
  add(source: HashedSource): number {
    const start = this.size
    this.parts.push({ source, start })
    this.size += source.size
    return start
  }

  read = async (offset: number, length: number): Promise<Uint8Array> => {
    const pieces: Uint8Array[] = []
    for (const { source, from, to } of this.within(offset, length)) pieces.push(await source.read(from, to - from))
    return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  }

  private allChunks(offset: number, length: number): ReturnType<NonNullable<HashedSource['chunksOf']>> {
    return this.within(offset, length).flatMap(({ source, start, from, to }) =>
      (source.chunksOf?.(from, to - from) ?? []).map(chunk => ({ ...chunk, offset: start + chunk.offset })),
    )
  }

  private within(offset: number, length: number) {
    return this.parts.flatMap(({ source, start }) => {
      const [from, to] = [Math.max(0, offset - start), Math.min(source.size, offset + length - start)]
      return from < to ? [{ source, start, from, to }] : []
    })
  }
}
