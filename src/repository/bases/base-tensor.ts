import { TENSOR_CHUNK_BYTES } from '../../chunking/layouts/cuts.ts'
import type { TensorSpan } from '../../chunking/tensor-layout.ts'
import type { BlockBase } from '../../compression/block.ts'

/** A tensor in another file or in the local cache that may be a base. */
export interface BaseTensor extends Pick<TensorSpan, 'name' | 'width' | 'kind' | 'dtype' | 'length'> {
  /** Ids of its chunks, 32 bytes each. */
  ids: Uint8Array
  /**
   * Reads a chunk, without verifying it, to the beginning of `buffer` and returns a view of it. The view is shorter if
   * the file or the buffer is.
   */
  read: (chunk: number, buffer: Uint8Array) => Promise<Uint8Array>
}

/** The tensors of a file, which may be bases. */
export interface BaseFile {
  tensors: readonly BaseTensor[]
  close: () => Promise<void>
  /** Call it when the bytes of a chunk do not match its id. */
  damaged?: () => void
}

/** Length of a tensor's chunk, in bytes. */
export function chunkLength({ length }: Pick<TensorSpan, 'length'>, chunk: number): number {
  return Math.min(TENSOR_CHUNK_BYTES, length - chunk * TENSOR_CHUNK_BYTES)
}

/** How `tensor` may be predicted from `base`, by their headers. */
function relationOf(tensor: TensorSpan, base: BaseTensor): BlockBase['relation'] | undefined {
  if (base.width === tensor.width && base.length === tensor.length && base.dtype === tensor.dtype) return 'delta'
  if (base.dtype !== 'F32' || base.length !== 2 * tensor.length) return undefined
  return tensor.dtype === 'BF16' ? 'bf16' : tensor.dtype === 'F16' ? 'fp16' : undefined
}

interface Named {
  name: string
}

/**
 * Pairs the tensors of a file with those of a base: by name; else by a name that is the end of the other name, because
 * some containers put `model.` or `module.` before the names; else the nth tensor of a size with the nth of that size.
 */
export class TensorPairs {
  private readonly byName = new Map<string, BaseTensor>()
  /** Tensors by the end of their names. Undefined if several names have this end. */
  private readonly byEnd = new Map<string, BaseTensor | undefined>()
  private readonly bySize = new Map<string, BaseTensor[]>()
  private readonly counts = new Map<string, number>()

  constructor(tensors: readonly BaseTensor[]) {
    for (const tensor of tensors) {
      if (tensor.name !== '' && !this.byName.has(tensor.name)) this.byName.set(tensor.name, tensor)
      for (const end of endsOf(tensor)) this.byEnd.set(end, this.byEnd.has(end) ? undefined : tensor)
      const size = sizeOf(tensor)
      const alike = this.bySize.get(size)
      if (alike) alike.push(tensor)
      else this.bySize.set(size, [tensor])
    }
  }

  /** Call it once for each tensor, in the order of the file. */
  partnerOf(tensor: TensorSpan): { base: BaseTensor; relation: BlockBase['relation'] } | undefined {
    const size = sizeOf(tensor)
    const nth = this.counts.get(size) ?? 0
    this.counts.set(size, nth + 1)
    const named = [this.byName.get(tensor.name), this.byEnd.get(tensor.name), ...endsOf(tensor).map(end => this.byName.get(end))]
    for (const base of [...named, this.bySize.get(size)?.[nth]]) {
      const relation = base && relationOf(tensor, base)
      if (relation) return { base, relation }
    }
    return undefined
  }
}

/** The ends of a name after each of its first four dots. */
function endsOf({ name }: Named): string[] {
  const ends: string[] = []
  for (let dot = name.indexOf('.'); dot >= 0 && ends.length < 4; dot = name.indexOf('.', dot + 1)) ends.push(name.slice(dot + 1))
  return ends
}

function sizeOf({ width, length }: Pick<TensorSpan, 'width' | 'length'>): string {
  return `${length / width}`
}
