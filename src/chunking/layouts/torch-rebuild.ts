import { isGlobal, isNode, nameIn, type PickleGlobal, type PickleNode, type PickleValue } from './pickle-value.ts'

const UTILS = ['torch._utils']
const TENSOR = ['torch._tensor']

/** A call that makes a tensor, as far as its arguments tell. Its `state` may hold others, as attributes. */
export type Rebuilt =
  /** A view of a storage, whose arguments these are: storage, offset, shape, strides. */
  | { kind: 'view'; call: PickleNode; dtype?: PickleValue; flags?: PickleValue; parts?: Part[]; state?: PickleValue }
  /** A tensor that is made of others. */
  | { kind: 'parts'; parts: Part[]; state?: PickleValue }
  /** A tensor that can't be read. */
  | { kind: 'unread'; why: string; dtype?: PickleValue; shape?: PickleValue; state?: PickleValue }

/** A part of a tensor: another tensor, or numbers of this type in the pickle. */
export interface Part {
  suffix: string
  value: PickleValue
  numbers: 'F64' | 'I64'
}

/**
 * What a call means that PyTorch's own code notes for a tensor (`Tensor.__reduce_ex__`, `torch/_utils.py`); undefined
 * for any other call.
 */
export function rebuiltBy({ made, values }: PickleNode): Rebuilt | undefined {
  if (nameIn(TENSOR, made)?.startsWith('_rebuild_from_type')) return rebuiltFromType(values)
  const name = nameIn(UTILS, made)
  if (!name?.startsWith('_rebuild_')) return undefined
  const [first, second, third] = values
  switch (name) {
    case '_rebuild_tensor':
      return { kind: 'view', call: { values } }
    case '_rebuild_tensor_v2':
      return { kind: 'view', call: { values }, flags: values[6] }
    case '_rebuild_tensor_v3':
      return { kind: 'view', call: { values }, dtype: values[6], flags: values[7] }
    case '_rebuild_qtensor':
      return { kind: 'view', call: { values }, parts: quantizerParts(values[4]) }
    case '_rebuild_sparse_tensor':
    case '_rebuild_sparse_csr_tensor':
      return { kind: 'parts', parts: sparseParts(first, second) }
    case '_rebuild_nested_tensor':
      return { kind: 'parts', parts: named(['values', 'sizes', 'strides', 'storage_offsets'], values) }
    case '_rebuild_meta_tensor_no_storage':
      return { kind: 'unread', why: 'it has no elements (device meta)', dtype: first, shape: second }
    case '_rebuild_device_tensor_from_numpy':
    case '_rebuild_xla_tensor':
      return { kind: 'unread', why: 'its elements are a NumPy array inside the pickle', dtype: second }
    case '_rebuild_wrapper_subclass':
      return { kind: 'unread', why: `it is a ${nameOf(first)}`, dtype: second, shape: third }
    // they hold one tensor, which has its name
    case '_rebuild_parameter':
    case '_rebuild_parameter_with_state':
    case '_rebuild_device_tensor_from_cpu_tensor':
      return undefined
    default:
      return { kind: 'unread', why: `${name.slice(0, 100)} makes it` }
  }
}

/** `(function, type, arguments, state)`: a tensor of a class of its own, or with attributes. */
function rebuiltFromType([func, , passed, state]: PickleValue[]): Rebuilt | undefined {
  if (!isGlobal(func) || !isNode(passed)) return undefined
  const rebuilt = rebuiltBy({ made: func, values: passed.values })
  return rebuilt && { ...rebuilt, state }
}

/** The names of `torch.sparse_coo_tensor`, `torch.sparse_csr_tensor` and so on. */
function sparseParts(layout: PickleValue, data: PickleValue): Part[] {
  const values = isNode(data) ? data.values : []
  const text = isNode(layout) ? layout.values[0] : undefined
  const compressed = typeof text === 'string' ? /^torch\.sparse_([cb]s[rc])$/.exec(text)?.[1] : undefined
  if (compressed === undefined) return named(['indices', 'values', 'size'], values)
  const names = compressed.endsWith('r') ? ['crow_indices', 'col_indices'] : ['ccol_indices', 'row_indices']
  return named([...names, 'values', 'size'], values)
}

/** `(scheme, scale, zero point)`, or `(scheme, scales, zero points, axis)`. */
function quantizerParts(parameters: PickleValue): Part[] {
  const [, scale, zeroPoint, axis] = isNode(parameters) ? parameters.values : []
  return [
    { suffix: 'scale', value: scale, numbers: 'F64' },
    { suffix: 'zero_point', value: zeroPoint, numbers: 'I64' },
    { suffix: 'axis', value: axis, numbers: 'I64' },
  ]
}

function named(suffixes: readonly string[], values: readonly PickleValue[]): Part[] {
  return suffixes.map((suffix, i) => ({ suffix, value: values[i], numbers: 'I64' }))
}

function nameOf(value: PickleValue): string {
  const { module, name }: PickleGlobal = isGlobal(value) ? value : { module: '', name: 'wrapper' }
  const full = module === '' ? name : `${module}.${name}`
  return full.length > 100 ? 'wrapper' : full
}
