import { TENSOR_CHUNK_BYTES } from '../../chunking/layouts/cuts.ts'
import type { TensorSpan } from '../../chunking/tensor-layout.ts'
import type { BlockBase } from '../../compression/block.ts'

/** A tensor whose bytes are at hand, in another file or in the local cache, and may serve as a base. */
export interface BaseTensor extends Pick<TensorSpan, 'name' | 'width' | 'kind' | 'dtype' | 'length'> {
  /** 32 bytes a chunk. */
  ids: Uint8Array
  /** The bytes of a chunk, at the beginning of `buffer` and not verified: a view of it. Fewer or none where they are gone, or where there is no buffer. */
  read: (chunk: number, buffer: Uint8Array) => Promise<Uint8Array>
}

/** A file's tensors, as bases. */
export interface BaseFile {
  tensors: readonly BaseTensor[]
  close: () => Promise<void>
  /** Told of bytes that are not what they should be. */
  damaged?: () => void
}

/** Bytes of a tensor's chunk. */
export function chunkLength({ length }: Pick<TensorSpan, 'length'>, chunk: number): number {
  return Math.min(TENSOR_CHUNK_BYTES, length - chunk * TENSOR_CHUNK_BYTES)
}

/** How `tensor` may be predicted from `base`, by what their headers say. */
export function relationOf(tensor: TensorSpan, base: BaseTensor): BlockBase['relation'] | undefined {
  if (base.width === tensor.width && base.length === tensor.length && base.dtype === tensor.dtype) return 'delta'
  if (base.dtype !== 'F32' || base.length !== 2 * tensor.length) return undefined
  return tensor.dtype === 'BF16' ? 'bf16' : tensor.dtype === 'F16' ? 'fp16' : undefined
}

interface Named {
  name: string
}

/**
 * Pairs the tensors of a file with those of a base: by name; else by a name that is the end of the other's, as `model.` and `module.` are put before the names in
 * some containers; else, the nth of a size with the nth of that size.
 */
export class TensorPairs {
  private readonly byName = new Map<string, BaseTensor>()
  /** Undefined where several names end so. */
  private readonly byEnd = new Map<string, BaseTensor | undefined>()
  private readonly bySize = new Map<string, BaseTensor[]>()
  private readonly met = new Map<string, number>()

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

  /** To be called once for each tensor, in the order of the file. */
  partnerOf(tensor: TensorSpan): { base: BaseTensor; relation: BlockBase['relation'] } | undefined {
    const size = sizeOf(tensor)
    const nth = this.met.get(size) ?? 0
    this.met.set(size, nth + 1)
    const named = [this.byName.get(tensor.name), this.byEnd.get(tensor.name), ...endsOf(tensor).map(end => this.byName.get(end))]
    for (const base of [...named, this.bySize.get(size)?.[nth]]) {
      const relation = base && relationOf(tensor, base)
      if (relation) return { base, relation }
    }
    return undefined
  }
}

/** What follows each of the first dots of a name. */
function endsOf({ name }: Named): string[] {
  const ends: string[] = []
  for (let dot = name.indexOf('.'); dot >= 0 && ends.length < 4; dot = name.indexOf('.', dot + 1)) ends.push(name.slice(dot + 1))
  return ends
}

function sizeOf({ width, length }: Pick<TensorSpan, 'width' | 'length'>): string {
  return `${length / width}`
}
