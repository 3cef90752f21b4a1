import { ELEMENT_TYPES, type ElementType } from '../../util/element-type.ts'
import { type PickleGlobal, isGlobal, isNode, type PickleNode, type PickleValue } from './pickle-value.ts'
import { readPickle } from './pickle.ts'
import { MAX_NAME_LENGTH, MAX_TENSORS, refuse } from './span.ts'

/** A tensor in a state dict: a view of a storage. All numbers count elements. */
export interface TorchTensor {
  /** Its dot-joined keys; empty where the pickle is one tensor. */
  name: string
  type: ElementType
  storage: string
  /** As the pickle states it. For UntypedStorage it counts bytes. */
  storageElements: number | undefined
  offset: number
  shape: number[]
  /** The distance, in elements, from one index to the next of each dimension. */
  strides: number[]
}

/** Maximum nesting depth of a tensor, in keys. */
const MAX_DEPTH = 32
const MAX_RANK = 64

const STORAGE_TYPES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    DoubleStorage: 'F64',
    FloatStorage: 'F32',
    HalfStorage: 'F16',
    BFloat16Storage: 'BF16',
    LongStorage: 'I64',
    IntStorage: 'I32',
    ShortStorage: 'I16',
    CharStorage: 'I8',
    ByteStorage: 'U8',
    BoolStorage: 'BOOL',
    ComplexFloatStorage: 'C64',
    ComplexDoubleStorage: 'C128',
  }),
)
/** Types without a storage class of their own: the tensor states them. */
const TENSOR_TYPES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    uint16: 'U16',
    uint32: 'U32',
    uint64: 'U64',
    float8_e4m3fn: 'F8_E4M3',
    float8_e5m2: 'F8_E5M2',
    float8_e4m3fnuz: 'F8_E4M3FNUZ',
    float8_e5m2fnuz: 'F8_E5M2FNUZ',
    float8_e8m0fnu: 'F8_E8M0',
  }),
)

/** A container on the way to a tensor. */
interface Opened {
  node: PickleNode
  path: string
  /** The next of its values to look at. */
  next: number
}

/**
 * All tensors of a known type in the `data.pkl` of a PyTorch archive, in file order. Throws `corrupt` for a pickle of
 * another kind, or with more than `MAX_TENSORS` tensors. Time and memory: linear in the length of `pickle`, for each
 * container is looked into once.
 */
export function* readTorchTensors(pickle: Uint8Array): Generator<TorchTensor> {
  const seen = new Set<PickleNode>()
  const way: Opened[] = [{ node: { values: [readPickle(pickle)] }, path: '', next: 0 }]
  let tensors = 0
  for (let last = way.at(-1); last !== undefined; last = way.at(-1)) {
    const { node, path } = last
    const at = last.next++
    const value = node.values[at]
    if (at >= node.values.length) way.pop()
    if (!isNode(value)) continue
    const place = way.length === 1 ? '' : joined(path, keyOf(node, at))
    if (isTensor(value)) {
      if (++tensors > MAX_TENSORS) refuse('it has too many tensors')
      const tensor = describe(value, place)
      if (tensor) yield tensor
    } else if (!seen.has(value) && way.length <= MAX_DEPTH) {
      seen.add(value)
      way.push({ node: value, path: place, next: 0 })
    }
  }
}

function keyOf({ keys, made }: PickleNode, at: number): PickleValue {
  return keys?.[at] ?? (made === undefined ? at : undefined)
}

function joined(path: string, key: PickleValue): string {
  if (typeof key !== 'string' && typeof key !== 'number') return path
  const longer = path === '' ? String(key) : `${path}.${key}`
  // a key is left out if the name would become too long
  return longer.length > MAX_NAME_LENGTH ? path : longer
}

/**
 * The call `torch._utils._rebuild_tensor_v2(storage, offset, shape, strides, ...)`, or `_v3`, whose seventh argument is
 * the element type.
 */
function isTensor(node: PickleNode): boolean {
  return node.made?.module === 'torch._utils' && /^_rebuild_tensor(_v2|_v3)?$/.test(node.made.name)
}

function describe(tensor: PickleNode, name: string): TorchTensor | undefined {
  const [reference, offset, size, stride, , , dtype] = tensor.values
  if (!isNode(reference) || reference.persistent !== true) return undefined
  // ('storage', class, key, device, elements)
  const [tag, storageClass, storage, , elements] = reference.values
  const type = elementType(storageClass, dtype)
  const [shape, strides] = [countsOf(size), countsOf(stride)]
  if (tag !== 'storage' || typeof storage !== 'string' || storage.length > MAX_NAME_LENGTH || type === undefined) return undefined
  if (!isCount(offset) || shape === undefined || strides?.length !== shape.length) return undefined
  return { name, type, storage, storageElements: isCount(elements) ? elements : undefined, offset, shape, strides }
}

function elementType(storageClass: PickleValue, dtype: PickleValue): ElementType | undefined {
  const named = isTorch(dtype) ? TENSOR_TYPES.get(dtype.name) : undefined
  const classed = isTorch(storageClass) ? STORAGE_TYPES.get(storageClass.name) : undefined
  return ELEMENT_TYPES.get(named ?? classed ?? '')
}

function isTorch(value: PickleValue): value is PickleGlobal {
  return isGlobal(value) && value.module === 'torch'
}

function isCount(value: PickleValue): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

function countsOf(value: PickleValue): number[] | undefined {
  return isNode(value) && value.values.length <= MAX_RANK && value.values.every(isCount) ? value.values : undefined
}
