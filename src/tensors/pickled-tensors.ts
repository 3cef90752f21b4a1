import { bytesOf, type Notation } from '../chunking/layouts/pickle-text.ts'
import { isBytes, isNode, nameIn, type PickleBytes, type PickleValue } from '../chunking/layouts/pickle-value.ts'
import { type PickledArray, readPickledArrays } from '../chunking/layouts/pickled-arrays.ts'
import { notedType, type NotedArray } from '../chunking/layouts/pickled-numpy.ts'
import { asCount, elementsOf, readExactly, refuse, refuseKind } from '../chunking/layouts/span.ts'
import { AppError, isAppError } from '../util/errors.ts'
import { type ByteSource, mostHeld, reasonOf, type Tensor, type TensorFile, unlessContiguous, unreadTensor } from './tensor.ts'

const CURE = 'Load it in Python, and save its arrays with numpy.savez or as safetensors.'

/** How pickles of protocol 0 and 1 begin: dicts, lists, tuples, and objects of NumPy and of other modules. */
const OLD_STARTS =
  /^(\((dp\d+\n|lp\d+\n|dq|lq|i[a-z]|c[a-z]|S'|V|\()|[\]})]q|c(numpy|copy_?reg|collections|_codecs|joblib|sklearn|pandas)[\n._])/

/** True for one that may be a pickle of protocol 0 or 1, which have no magic number. */
export function mayOldPickle(start: Uint8Array): boolean {
  return OLD_STARTS.test(Buffer.from(start).toString('latin1'))
}

/**
 * The arrays of NumPy in a pickle, or in a file of joblib without compression. Nothing in it is run. Calls `found` when
 * it is sure that this is a pickle.
 */
export async function readPickleFile(subject: string, source: ByteSource, found?: () => void): Promise<TensorFile> {
  const arrays = await read(subject, source)
  found?.()
  if (arrays.length === 0) throw new AppError('unsupported', `${subject} is a pickle of Python without arrays of NumPy.`, { hint: CURE })
  const first = new Map<object, string>()
  const tensors = arrays.map(each => {
    const tensor = tensorOrDamage(each, source)
    const sharedWith = first.get(each.node)
    if (sharedWith === undefined) first.set(each.node, tensor.name)
    return sharedWith === undefined || tensor.unread !== undefined ? tensor : { ...tensor, sharedWith }
  })
  return { format: 'pickle', metadata: new Map(), tensors }
}

async function read(subject: string, { size, read }: ByteSource): Promise<PickledArray[]> {
  try {
    return await readPickledArrays(size, read)
  } catch (error) {
    if (!isAppError(error, 'unsupported')) throw error
    throw new AppError('unsupported', `${subject} is a pickle of Python that can't be read: ${reasonOf(error)}.`, { hint: CURE })
  }
}

function tensorOrDamage({ name: path, array }: PickledArray, source: ByteSource): Tensor {
  const name = path === '' ? 'array' : path
  try {
    return tensorOf(name, array, source)
  } catch (error) {
    return unreadTensor(name, error)
  }
}

function tensorOf(name: string, array: PickledArray['array'], source: ByteSource): Tensor {
  const unread = { name, dtype: 'unknown', shape: [], count: 0, bytes: 0, offset: 0 }
  if ('why' in array) return { ...unread, unread: array.why }
  const { shape, data } = array
  const count = elementsOf(shape)
  const type = notedType(array.dtype)
  if (type === undefined) return { ...unread, shape, count, unread: 'its element type is not known' }
  const { text, element, bytes: item, bigEndian } = type
  const noted = { name, dtype: element.dtype ?? text, shape, count, offset: 0 }
  if (item === undefined) return { ...noted, bytes: 0, unread: 'its elements are Python objects' }
  const bytes = asCount(count * item)
  const strides = unlessContiguous(shape, stridesOf(array))
  if (strides !== undefined && element.dtype === undefined) return { ...noted, bytes, unread: 'its elements are not in C order' }
  const place = placeOf(data, bytes, source)
  if (place === undefined) return { ...noted, bytes, unread: 'its elements are of an unknown kind' }
  return {
    ...noted,
    bytes,
    ...place,
    ...(element.dtype === undefined ? {} : { type: element, ...(bigEndian ? { bigEndian } : {}) }),
    ...(strides === undefined ? {} : { strides }),
  }
}

function stridesOf({ shape, order }: NotedArray): number[] {
  const strides = shape.map(() => 0)
  let next = 1
  for (const dimension of order.toReversed()) {
    strides[dimension] = next
    next *= shape[dimension]!
  }
  return strides
}

/** Where the elements lie, or what reads them; undefined if they are of an unknown kind. */
function placeOf(data: PickleValue, bytes: number, source: ByteSource): Pick<Tensor, 'offset' | 'gather'> | undefined {
  if (bytes === 0) return { offset: 0 }
  if (isBytes(data)) {
    if (data.notation !== undefined) return { offset: 0, gather: async () => checked(await bytesIn(data, data.notation!, source), bytes) }
    return data.length === bytes ? { offset: data.at } : refuse('a shape and a length disagree')
  }
  // bytes of Python 2 that are a text as well
  if (typeof data === 'string') return gathered(data, 'utf8', bytes)
  if (!isNode(data) || nameIn(['_codecs'], data.made) !== 'encode') return undefined
  const [text, encoding] = data.values
  if (encoding !== 'latin1') return undefined
  if (typeof text === 'string') return gathered(text, 'latin1', bytes)
  return isBytes(text) ? { offset: 0, gather: async () => checked(await bytesIn(text, text.notation ?? 'utf8', source), bytes) } : undefined
}

async function bytesIn({ at, length }: PickleBytes, notation: Notation, { size, read }: ByteSource): Promise<Buffer> {
  if (length > mostHeld(size)) refuseKind(`the ${length} bytes of its text are too many`)
  return bytesOf(await readExactly(read, at, length), notation)
}

/** Protocol 2 has no bytes, so Python 3 notes each as a character. */
function gathered(text: string, encoding: 'utf8' | 'latin1', bytes: number): Pick<Tensor, 'offset' | 'gather'> {
  return { offset: 0, gather: () => Promise.resolve(checked(Buffer.from(text, encoding), bytes)) }
}

function checked(elements: Buffer, bytes: number): Buffer {
  return elements.length === bytes ? elements : refuse('a shape and a length disagree')
}
