import { equalBytes } from '../util/bytes.ts'
import { throwIfAborted } from '../util/errors.ts'
import { addDifference, noDifference, type Difference } from './difference.ts'
import { openElements, type ElementReader } from './element-reader.ts'
import type { NamePrefix } from './match-names.ts'
import { decoderOf } from './numbers.ts'
import { type HashedSource, type Stretch, unequalStretches } from './stretches.ts'
import { checkExpansion, type Tensor, type TensorFile } from './tensor.ts'

/** Bytes of each side per comparison step. */
const WINDOW_BYTES = 8 * 1024 * 1024

export interface TensorSide {
  /** For messages. */
  name: string
  source: HashedSource
  file: TensorFile
  /** For a model of several files: how many are there, and the names of those that are not. */
  shards?: { found: number; missing: readonly string[] }
}

/**
 * `changed`: same type and shape, other bytes. `retyped`: another type, perhaps the same values. `reshaped`: another
 * shape, not comparable. `unread`: can't be read on at least one side. `removed`: only in `before`. `added`: only in
 * `after`.
 */
export type ComparisonKind = 'identical' | 'changed' | 'retyped' | 'reshaped' | 'unread' | 'removed' | 'added'

export interface TensorComparison {
  kind: ComparisonKind
  name: string
  before?: Tensor
  after?: Tensor
  /** Set for changed and retyped tensors whose elements are numbers. */
  difference?: Difference
}

export interface CompareOptions {
  /** A prefix that only the names of one side have. */
  prefix?: NamePrefix | undefined
  /** Called after each tensor of `before` with its size in bytes. */
  onBytes?: (bytes: number) => void
  signal?: AbortSignal | undefined
}

/**
 * Compares tensors of equal name in the order of `before`. Those that are only in `after` come last. Throws `denied`
 * for a file whose tensors are far larger than the file itself. So the time is linear in the length of the files.
 */
export async function* compareTensors(
  before: TensorSide,
  after: TensorSide,
  { prefix, onBytes = () => undefined, signal }: CompareOptions = {},
): AsyncGenerator<TensorComparison> {
  for (const { name, source, file } of [before, after]) checkExpansion(file.tensors, name, source.size)
  const others = new Map(after.file.tensors.map(tensor => [tensor.name, tensor]))
  for (const tensor of before.file.tensors) {
    throwIfAborted(signal)
    const partner = partnerName(tensor.name, prefix)
    const other = others.get(partner)
    others.delete(partner)
    if (other === undefined) yield { kind: 'removed', name: tensor.name, before: tensor }
    else yield { name: tensor.name, before: tensor, after: other, ...(await compareOne(before, tensor, after, other)) }
    onBytes(tensor.bytes)
  }
  for (const tensor of others.values()) yield { kind: 'added', name: tensor.name, after: tensor }
}

function partnerName(name: string, found: NamePrefix | undefined): string {
  if (found === undefined) return name
  const { side, prefix } = found
  if (side === 'after') return prefix + name
  return name.startsWith(prefix) ? name.slice(prefix.length) : name
}

async function compareOne(
  before: TensorSide,
  tensor: Tensor,
  after: TensorSide,
  other: Tensor,
): Promise<Pick<TensorComparison, 'kind' | 'difference'>> {
  if (tensor.unread !== undefined || other.unread !== undefined) return { kind: 'unread' }
  if (tensor.shape.length !== other.shape.length || tensor.shape.some((count, i) => count !== other.shape[i])) return { kind: 'reshaped' }
  const sameType = tensor.dtype === other.dtype && tensor.bytes === other.bytes
  if (!sameType && !areComparable(tensor, other)) return { kind: 'retyped' }
  const a = await openElements(`${tensor.name} of ${before.name}`, tensor, before.source)
  const b = await openElements(`${other.name} of ${after.name}`, other, after.source)
  let stretches: Stretch[] = [{ start: 0, length: a.count * a.item }]
  if (sameType && a.start !== undefined && b.start !== undefined)
    stretches = await unequalStretches({ source: before.source, start: a.start }, { source: after.source, start: b.start }, tensor.bytes)
  const difference = areComparable(tensor, other) ? noDifference() : undefined
  let equal = true
  for (const { first, count } of elementsIn(stretches, a)) {
    const [left, right] = await Promise.all([a.read(first, count), b.read(first, count)])
    if (sameType && equalBytes(left, right)) continue
    equal = false
    if (difference !== undefined) addDifference(difference, left, tensor.dtype, right, other.dtype)
  }
  if (sameType && equal) return { kind: 'identical' }
  return { kind: sameType ? 'changed' : 'retyped', ...(difference === undefined ? {} : { difference }) }
}

/**
 * True if the elements of both sides are real numbers, or those of both are complex numbers. The sides have equally
 * many elements.
 */
function areComparable({ type, dtype }: Tensor, other: Tensor): boolean {
  if (type === undefined || other.type === undefined) return false
  const isComplex = (name: string): boolean => name.startsWith('C')
  return decoderOf(dtype) !== undefined && decoderOf(other.dtype) !== undefined && isComplex(dtype) === isComplex(other.dtype)
}

/** Whole elements that cover the stretches, in windows. */
function* elementsIn(stretches: readonly Stretch[], { item }: ElementReader): Generator<{ first: number; count: number }> {
  const most = Math.floor(WINDOW_BYTES / item)
  let done = 0
  for (const { start, length } of stretches) {
    const end = Math.ceil((start + length) / item)
    for (let first = Math.max(done, Math.floor(start / item)); first < end; first = done) {
      done = Math.min(end, first + most)
      yield { first, count: done - first }
    }
  }
}
