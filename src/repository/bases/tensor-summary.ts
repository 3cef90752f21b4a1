import { isCut } from '../../chunking/layouts/cuts.ts'
import type { TensorSpan } from '../../chunking/tensor-layout.ts'
import { sha256Hex } from '../../util/hash.ts'

/** The part of a file's header that is needed to plan bases. */
export interface TensorSummary {
  /** Equal for files whose tensors have the same names, types and lengths. */
  signature: string
  /** The type of most of its bytes. */
  dtype: string | undefined
  /** Hashes of the last two parts of each name with the number of elements, without the element type. */
  tensors: ReadonlySet<number>
}

/** This many tensors are enough to see how similar two files are. */
const MAX_HASHES = 4096

export function summaryOf(spans: readonly TensorSpan[]): TensorSummary | undefined {
  const large = spans.filter(isCut)
  if (large.length === 0) return undefined
  const bytesOf = new Map<string | undefined, number>()
  for (const { dtype, length } of large) bytesOf.set(dtype, (bytesOf.get(dtype) ?? 0) + length)
  const [dtype] = [...bytesOf].reduce((most, next) => (next[1] > most[1] ? next : most))
  const text = large.map(({ name, dtype = '', width, length }) => `${JSON.stringify(name)} ${dtype} ${width} ${length}`).join('\n')
  return { signature: sha256Hex(Buffer.from(text)), dtype, tensors: new Set(large.slice(0, MAX_HASHES).map(hashOf)) }
}

function hashOf({ name, length, width }: TensorSpan): number {
  const text = `${name.split('.').slice(-2).join('.')} ${length / width}`
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

/** The share of `tensors` that are among `others`. */
export function sharedShare(tensors: ReadonlySet<number>, others: ReadonlySet<number>): number {
  let shared = 0
  for (const hash of tensors) if (others.has(hash)) shared++
  return shared / tensors.size
}
