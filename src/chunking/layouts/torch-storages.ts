import { isAppError } from '../../util/errors.ts'
import { type Global, isGlobal, isNode, type Node, type PickleValue } from './pickle-value.ts'
import { readPickle } from './pickle.ts'
import { ELEMENT_TYPES, type ElementType, elementsOf } from './span.ts'

/** What a state dict says of a storage. */
export interface Storage {
  type: ElementType
  /** Keys on the way to the first tensor that uses it, joined by dots; missing where no tensor is found. */
  name?: string
  /** Of that tensor, where it fills the storage. */
  shape?: number[]
}

/** Keys on the way to a tensor, and characters of its name, that are still followed. */
const MAX_DEPTH = 32
const MAX_NAME_LENGTH = 512

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
/** Types that have no storage class: the tensor names them. */
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

/** Storages of a PyTorch archive by their keys, as far as its `data.pkl` gives their types; undefined where it is none that is understood. */
export function readStorages(pickle: Uint8Array): Map<string, Storage> | undefined {
  try {
    return walk(readPickle(pickle))
  } catch (error) {
    if (isAppError(error, 'corrupt')) return undefined
    throw error
  }
}

function walk(root: PickleValue): Map<string, Storage> {
  const storages = new Map<string, Storage>()
  const seen = new Set<Node>()
  const waiting: { value: PickleValue; path: string; depth: number }[] = [{ value: root, path: '', depth: 0 }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { value, path, depth } = next
    if (!isNode(value) || seen.has(value)) continue
    seen.add(value)
    if (isTensor(value)) {
      note(storages, value, path)
      continue
    }
    if (depth >= MAX_DEPTH) continue
    // what is pushed last is walked first: the first tensor of a storage names it
    for (let i = value.values.length - 1; i >= 0; i--) {
      const child = value.values[i]
      if (!isNode(child)) continue
      const key = value.keys?.[i] ?? (value.made === undefined ? i : undefined)
      waiting.push({ value: child, path: joined(path, key), depth: depth + 1 })
    }
  }
  return storages
}

function joined(path: string, key: PickleValue): string {
  if (typeof key !== 'string' && typeof key !== 'number') return path
  const longer = path === '' ? String(key) : `${path}.${key}`
  return longer.length > MAX_NAME_LENGTH ? path : longer
}

/** The call `torch._utils._rebuild_tensor_v2(storage, offset, shape, ...)`, or `_v3` with the element type in seventh place. */
function isTensor(node: Node): boolean {
  return node.made?.module === 'torch._utils' && /^_rebuild_tensor(_v2|_v3)?$/.test(node.made.name)
}

function note(storages: Map<string, Storage>, tensor: Node, name: string): void {
  const [reference, offset, size, , , , dtype] = tensor.values
  if (!isNode(reference) || reference.persistent !== true) return
  // ('storage', class, key, device, elements)
  const [tag, storageClass, key, , elements] = reference.values
  if (tag !== 'storage' || typeof key !== 'string' || storages.has(key)) return
  const type = elementType(storageClass, dtype)
  if (type === undefined) return
  const shape = shapeOf(size)
  const fills = offset === 0 && shape !== undefined && elementsOf(shape) === elements
  storages.set(key, { type, ...(name === '' ? {} : { name }), ...(fills ? { shape } : {}) })
}

function elementType(storageClass: PickleValue, dtype: PickleValue): ElementType | undefined {
  const named = isTorch(dtype) ? TENSOR_TYPES.get(dtype.name) : undefined
  const classed = isTorch(storageClass) ? STORAGE_TYPES.get(storageClass.name) : undefined
  return ELEMENT_TYPES.get(named ?? classed ?? '')
}

function isTorch(value: PickleValue): value is Global {
  return isGlobal(value) && value.module === 'torch'
}

function shapeOf(size: PickleValue): number[] | undefined {
  if (!isNode(size) || !size.values.every(count => typeof count === 'number' && Number.isSafeInteger(count) && count >= 0)) return undefined
  return size.values as number[]
}
