import { isNode, joined, keyOf, NAMELESS, type PickleNode, type PickleValue } from './pickle-value.ts'
import { MAX_NAME_LENGTH, MAX_TENSORS, refuse } from './span.ts'
import { rebuiltBy, type Part, type Rebuilt } from './torch-rebuild.ts'
import { statedType, storageType, type TorchType } from './torch-types.ts'

/** A tensor in a state dict. Its name are its dot-joined keys; it is empty where the pickle is one tensor. */
export type TorchTensor = TorchView | TorchNumbers | TorchUnread

/** A view of a storage. All numbers count elements. */
export interface TorchView {
  kind: 'view'
  name: string
  type: TorchType
  storage: string
  /** As the pickle states it. */
  storageBytes: number | undefined
  offset: number
  shape: number[]
  /** The distance, in elements, from one index to the next of each dimension. */
  strides: number[]
}

/** Numbers in the pickle itself that belong to a tensor, such as the scale of a quantised one. */
interface TorchNumbers {
  kind: 'numbers'
  name: string
  dtype: 'F64' | 'I64'
  shape: number[]
  numbers: readonly number[]
}

/** A tensor that can't be read. */
interface TorchUnread {
  kind: 'unread'
  name: string
  dtype: string | undefined
  shape: number[] | undefined
  /** Such as `it has no elements`. */
  why: string
}

/** Maximum nesting depth of a tensor, in keys. */
const MAX_DEPTH = 32
const MAX_RANK = 64

/** A container on the way to a tensor. */
interface Opened {
  node: PickleNode
  path: string
  /** The next of its values to look at. */
  next: number
}

/**
 * All tensors in the pickle of a PyTorch file, in its order. Throws `corrupt` for one with more than `MAX_TENSORS`
 * tensors. Time and memory: linear in the length of the pickle, for each container is looked into once.
 */
export function* torchTensors(pickle: PickleValue): Generator<TorchTensor> {
  let tensors = 0
  for (const tensor of new Walk(pickle).tensors()) {
    if (++tensors > MAX_TENSORS) refuse('it has too many tensors')
    yield tensor
  }
}

class Walk {
  private readonly seen = new Set<PickleNode>()
  private readonly way: Opened[]
  /** Lists and tuples that were looked through for numbers: what they hold, or undefined if it is anything else. */
  private readonly numbers = new Map<PickleNode, readonly number[] | undefined>()

  constructor(pickle: PickleValue) {
    this.way = [{ node: { values: [pickle] }, path: '', next: 0 }]
  }

  *tensors(): Generator<TorchTensor> {
    const { way, seen } = this
    for (let last = way.at(-1); last !== undefined; last = way.at(-1)) {
      const { node, path } = last
      const at = last.next++
      const value = node.values[at]
      if (at >= node.values.length) way.pop()
      if (!isNode(value)) continue
      const place = way.length === 1 ? '' : joined(path, keyOf(node, at))
      const rebuilt = rebuiltBy(value)
      if (rebuilt !== undefined) yield* this.rebuilt(rebuilt, place)
      else if (!seen.has(value)) {
        seen.add(value)
        this.open(value, place)
      }
    }
  }

  private *rebuilt(rebuilt: Rebuilt, name: string): Generator<TorchTensor> {
    if (isNode(rebuilt.state)) this.open({ values: [rebuilt.state], keys: [undefined], made: NAMELESS }, name)
    if (rebuilt.kind === 'unread') {
      const { why, dtype, shape } = rebuilt
      yield { kind: 'unread', name, dtype: statedType(dtype)?.dtype, shape: countsOf(shape), why }
    }
    if (rebuilt.kind === 'view') yield viewOf(rebuilt, name)
    if (rebuilt.kind !== 'unread' && rebuilt.parts !== undefined) yield* this.parts(rebuilt.parts, name)
  }

  private *parts(parts: readonly Part[], name: string): Generator<TorchTensor> {
    const inner: Required<Pick<PickleNode, 'values' | 'keys'>> = { values: [], keys: [] }
    for (const { suffix, value, numbers: dtype } of parts) {
      if (typeof value === 'number') yield { kind: 'numbers', name: joined(name, suffix), dtype, shape: [], numbers: [value] }
      if (!isNode(value)) continue
      const numbers = this.numbersIn(value)
      const rebuilt = rebuiltBy(value)
      if (numbers !== undefined) yield { kind: 'numbers', name: joined(name, suffix), dtype, shape: [numbers.length], numbers }
      else if (rebuilt?.kind === 'view') yield viewOf(rebuilt, joined(name, suffix))
      else if (rebuilt === undefined || !this.seen.has(value)) {
        // a part may be made of parts, and of itself
        if (rebuilt !== undefined) this.seen.add(value)
        inner.values.push(value)
        inner.keys.push(suffix)
      }
    }
    if (inner.values.length > 0) this.open(inner, name)
  }

  private open(node: PickleNode, path: string): void {
    if (this.way.length <= MAX_DEPTH) this.way.push({ node, path, next: 0 })
  }

  /** The numbers that a list, a tuple or a `torch.Size` holds, and nothing else. */
  private numbersIn(value: PickleNode): readonly number[] | undefined {
    const list = sizeOf(value)
    if (!this.numbers.has(list)) {
      const numbers = list.values.filter(each => typeof each === 'number')
      const plain = list.made === undefined && list.keys === undefined && numbers.length === list.values.length
      this.numbers.set(list, plain ? numbers : undefined)
    }
    return this.numbers.get(list)
  }
}

function viewOf({ call, dtype, flags }: Rebuilt & { kind: 'view' }, name: string): TorchTensor {
  const [reference, offset, size, stride] = call.values
  const [shape, strides] = [countsOf(size), countsOf(stride)]
  const unread = (why: string): TorchUnread => ({ kind: 'unread', name, dtype: statedType(dtype)?.dtype, shape, why })
  const place = storageOf(reference)
  if (place === undefined) return unread('its storage is of an unknown kind')
  const type = dtype === undefined ? storageType(place.storageClass) : statedType(dtype)
  if (type === undefined) return unread('its element type is not known')
  if (!isCount(offset) || shape === undefined || strides?.length !== shape.length) return unread('it has no shape')
  // what is stored are the numbers before the conjugation, or before the change of signs
  if (isNode(flags) && flags.keys?.some(key => key === 'conj' || key === 'neg')) return unread('it is a view with changed signs')
  const { storage, storageClass, storageElements, viewOffset } = place
  const storageBytes = storageElements === undefined ? undefined : storageElements * (storageType(storageClass)?.item ?? NaN)
  return { kind: 'view', name, type, storage, storageBytes, offset: viewOffset + offset, shape, strides }
}

export interface StorageReference {
  storageClass: PickleValue
  storage: string
  storageElements: number | undefined
  /** Where the view of the storage begins that is meant. */
  viewOffset: number
}

/**
 * `('storage', class, key, device, elements)`, in the files without zip with `(key of the view, offset, elements)` or
 * None behind it. Undefined for another reference.
 */
export function storageOf(reference: PickleValue): StorageReference | undefined {
  if (!isNode(reference) || reference.persistent !== true) return undefined
  const [tag, storageClass, storage, , elements, view] = reference.values
  if (tag !== 'storage' || typeof storage !== 'string' || storage.length > MAX_NAME_LENGTH) return undefined
  const viewOffset = isNode(view) ? view.values[1] : 0
  if (!isCount(viewOffset)) return undefined
  return { storageClass, storage, storageElements: isCount(elements) ? elements : undefined, viewOffset }
}

function isCount(value: PickleValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** What `torch.Size((2, 3))` was called with; anything else as it is. */
function sizeOf(value: PickleNode): PickleNode {
  const [inner] = value.values
  return value.made?.module === 'torch' && value.made.name === 'Size' && isNode(inner) ? inner : value
}

function countsOf(value: PickleValue): number[] | undefined {
  if (!isNode(value)) return undefined
  const { values } = sizeOf(value)
  return values.length <= MAX_RANK && values.every(isCount) ? values : undefined
}
