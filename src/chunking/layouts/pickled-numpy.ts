import { elementOf } from './npy.ts'
import { type NpyDtype, OBJECTS, plainDtype } from './npy-dtype.ts'
import { isGlobal, isNode, makerOf, nameIn, type PickleNode, type PickleValue } from './pickle-value.ts'
import { refuse, refuseKind } from './span.ts'
import { statedType } from './torch-types.ts'
import { type ElementType } from '../../util/element-type.ts'

const MULTIARRAY = ['numpy.core.multiarray', 'numpy._core.multiarray']
const NUMERIC = ['numpy.core.numeric', 'numpy._core.numeric']
const MASKED = ['numpy.ma.core', 'numpy.ma']
const MAX_RANK = 64
/** Of what joblib notes of an array. */
const MAX_ATTRIBUTES = 16
/** The bit of a type's flags that says that it holds Python objects. */
const HAS_OBJECTS = 1

/** An array as a pickle notes it (`ndarray.__reduce__`, `ndarray.__reduce_ex__`, joblib's `NumpyArrayWrapper`). */
export interface NotedArray {
  dtype: PickleValue
  shape: number[]
  /** The dimensions from the slowest to the fastest. */
  order: number[]
  /** Its elements: bytes, a text that stands for them, or a list of objects. */
  data: PickleValue
  /** Of a masked array: a byte for each element. */
  mask?: PickleValue
}

/** The type of an array's elements. */
export interface NotedType {
  /** As NumPy writes it. */
  text: string
  element: ElementType
  /** Bytes per element; undefined for Python objects. */
  bytes: number | undefined
  bigEndian: boolean
}

/** The array that a call makes; the reason if it can't be read; undefined for any other call. */
export function notedArray(node: PickleNode): NotedArray | { why: string } | undefined {
  const { values } = node
  const made = makerOf(node)
  if (nameIn(MULTIARRAY, made) === '_reconstruct') return reconstructed(values[3])
  if (nameIn(NUMERIC, made) === '_frombuffer') return buffered(values)
  if (nameIn(['joblib.numpy_pickle'], made) === 'NumpyArrayWrapper') return wrapped(node)
  if (nameIn(['joblib.numpy_pickle', 'joblib.numpy_pickle_compat'], made)?.endsWith('NDArrayWrapper'))
    return { why: 'its elements lie in a file beside, as joblib before 0.10 kept them' }
  if (nameIn(MASKED, made) === '_mareconstruct') return masked(values.at(-1))
  return undefined
}

/** Elements follow as they are, or as a pickle of the array if they are Python objects. */
function wrapped(node: PickleNode): NotedArray | { why: string } {
  const data = node.values.at(-1)
  return isNode(data) && nameIn(MULTIARRAY, data.made) === '_reconstruct'
    ? reconstructed(data.values[3])
    : { ...wrappedIn(node.values.at(-2)), data }
}

/** The state of an array: version, shape, type, whether the first dimension is the fastest, elements. */
function reconstructed(state: PickleValue): NotedArray | { why: string } {
  const [, shape, dtype, fortran, data] = isNode(state) ? state.values : []
  const counts = countsOf(shape)
  return counts === undefined ? NO_SHAPE : { dtype, shape: counts, order: orderOf(counts, fortran === true), data }
}

/** The state of an array, then its mask, in the same order, and the value of what is masked. */
function masked(state: PickleValue): NotedArray | { why: string } {
  const array = reconstructed(state)
  return 'why' in array || !isNode(state) ? array : { ...array, mask: state.values[5] }
}

/** The mask of a masked array as an array of its own. */
export function maskOf({ shape, order, mask }: NotedArray): NotedArray | undefined {
  return mask === undefined ? undefined : { dtype: BOOLEANS, shape, order, data: mask }
}

/** What `numpy.dtype('?')` pickles to. */
const BOOLEANS: PickleNode = { values: ['b1', false, true, { values: [3, '|'] }], made: { module: 'numpy', name: 'dtype' } }

/** Elements, type, shape, order (C, F or K) and, for K, which dimension of the elements each of the array's is. */
function buffered([data, dtype, shape, order, axes]: PickleValue[]): NotedArray | { why: string } {
  const counts = countsOf(shape)
  if (counts === undefined) return NO_SHAPE
  if (order !== 'K') return { dtype, shape: counts, order: orderOf(counts, order === 'F'), data }
  const permuted = countsOf(axes)
  if (permuted === undefined || !counts.every((_, i) => permuted.includes(i)) || permuted.length !== counts.length) return NO_SHAPE
  return { dtype, shape: permuted.map(axis => counts[axis]!), order: counts.map((_, i) => permuted.indexOf(i)), data }
}

const NO_SHAPE = { why: 'it has no shape' }

/** What joblib notes of an array whose elements follow. Newer versions align them, after a byte with the padding. */
export function wrappedIn(state: PickleValue): Omit<NotedArray, 'data'> & { isAligned: boolean } {
  if (!isNode(state) || state.values.length > MAX_ATTRIBUTES) refuse('an array has no type')
  const attribute = (name: string): PickleValue => state.values[state.keys?.indexOf(name) ?? -1]
  const shape = countsOf(attribute('shape')) ?? refuse('an array has no shape')
  return {
    dtype: attribute('dtype'),
    shape,
    order: orderOf(shape, attribute('order') === 'F'),
    isAligned: typeof attribute('numpy_array_alignment_bytes') === 'number',
  }
}

/** Bytes per element; undefined for Python objects. Throws `unsupported` for an unknown type. */
export function itemOfDtype(dtype: PickleValue): number | undefined {
  const type = notedType(dtype) ?? refuseKind('an array of unknown type')
  return type.bytes
}

/** The type that a call of `numpy.dtype` makes, with its state; undefined for an unknown one. */
export function notedType(dtype: PickleValue): NotedType | undefined {
  if (!isNode(dtype) || nameIn(['numpy'], dtype.made) !== 'dtype') return undefined
  const [code, , , state] = dtype.values
  const [, order, , names, , item, , flags] = isNode(state) ? state.values : []
  if (typeof flags === 'number' && (flags & HAS_OBJECTS) !== 0) return typed(OBJECTS)
  const bytes = typeof item === 'number' && item >= 0 ? item : undefined
  if (isNode(names) && bytes !== undefined) return typed({ text: 'records', bytes })
  if (typeof code === 'string' && /^[a-zA-Z]\d{1,9}$/.test(code))
    return typed(plainDtype(`${typeof order === 'string' && /^[<>|=]$/.test(order) ? order : ''}${code}`))
  // types of a library for NumPy have the names of PyTorch's
  const { element, dtype: text, item: width } = (isGlobal(code) && statedType({ ...code, module: 'torch' })) || {}
  return element === undefined || width !== bytes ? undefined : { text: text!, element, bytes, bigEndian: order === '>' && width! > 1 }
}

function typed(dtype: NpyDtype): NotedType {
  const { element, bytes, bigEndian } = elementOf(dtype)
  return { text: dtype.text, element, bytes, bigEndian }
}

function orderOf(shape: readonly number[], fortran: boolean): number[] {
  const order = shape.map((_, i) => i)
  return fortran ? order.reverse() : order
}

function countsOf(value: PickleValue): number[] | undefined {
  if (!isNode(value) || value.values.length > MAX_RANK) return undefined
  const { values } = value
  return values.every(count => typeof count === 'number' && Number.isSafeInteger(count) && count >= 0) ? (values as number[]) : undefined
}
