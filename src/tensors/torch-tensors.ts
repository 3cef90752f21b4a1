import { readLegacyTorch } from '../chunking/layouts/torch-legacy.ts'
import { elementsOf, refuse } from '../chunking/layouts/span.ts'
import type { TorchTensor, TorchView } from '../chunking/layouts/torch-tensors.ts'
import type { ZipMember } from '../chunking/layouts/zip.ts'
import { type ByteSource, elementSpan, type Tensor, type TensorFile, unlessContiguous, unreadTensor } from './tensor.ts'

/** Where a storage lies: in the file from `offset` on, or in a member of it. */
export interface StoragePlace {
  offset: number
  /** Bytes. */
  length: number
  member?: ZipMember
}

/** A file of torch.save without zip. */
export async function readLegacyTorchFile({ size, read }: ByteSource): Promise<TensorFile> {
  const { tensors, storages } = await readLegacyTorch(size, read)
  const placeOf = (key: string): StoragePlace => storages.get(key) ?? refuse(`storage ${key} is missing`)
  return { format: 'PyTorch', metadata: new Map(), tensors: tensorsOf(tensors, placeOf, false) }
}

/** The tensors that a pickle describes. Those with the same elements as an earlier one say so. */
export function tensorsOf(described: Iterable<TorchTensor>, placeOf: (key: string) => StoragePlace, bigEndian: boolean): Tensor[] {
  const tensors: Tensor[] = []
  const first = new Map<string, string>()
  for (const each of described) {
    const tensor = tensorOf(each, placeOf, bigEndian)
    const shared = each.kind === 'view' ? JSON.stringify([each.storage, each.offset, each.shape, each.strides, tensor.dtype]) : undefined
    const sharedWith = shared && first.get(shared)
    if (shared !== undefined && sharedWith === undefined) first.set(shared, tensor.name)
    tensors.push(sharedWith === undefined ? tensor : { ...tensor, sharedWith })
  }
  return tensors
}

function tensorOf(described: TorchTensor, placeOf: (key: string) => StoragePlace, bigEndian: boolean): Tensor {
  const name = described.name === '' ? 'tensor' : described.name
  if (described.kind === 'view') return viewOrDamage(name, () => viewOf(described, placeOf(described.storage), bigEndian))
  if (described.kind === 'numbers') {
    const { dtype, shape, numbers } = described
    const { length: count } = numbers
    return {
      name,
      dtype,
      shape,
      count,
      bytes: 8 * count,
      type: { width: 8, kind: dtype === 'F64' ? 'float' : 'int', dtype },
      offset: 0,
      numbers,
    }
  }
  const { dtype = 'unknown', shape, why } = described
  return { name, dtype, shape: shape ?? [], count: shape === undefined ? 0 : elementsOf(shape), bytes: 0, offset: 0, unread: why }
}

/** A storage that is missing or too short damages its tensors, not the others. */
function viewOrDamage(name: string, view: () => Omit<Tensor, 'name'>): Tensor {
  try {
    return { ...view(), name }
  } catch (error) {
    return unreadTensor(name, error)
  }
}

function viewOf(
  { type: { element, dtype, item, packed = 1 }, offset, shape, strides }: TorchView,
  place: StoragePlace,
  bigEndian: boolean,
): Omit<Tensor, 'name'> {
  const count = elementsOf(shape)
  if (count > 0 && Math.ceil((offset + elementSpan(shape, strides)) / packed) * item > place.length)
    refuse('a tensor lies outside of its storage')
  const apart = unlessContiguous(shape, strides)
  const { member } = place
  const tensor = {
    dtype,
    shape,
    count,
    bytes: Math.ceil(count / packed) * item,
    offset: place.offset + Math.floor(offset / packed) * item,
    ...(member === undefined ? {} : { member }),
  }
  if (packed > 1)
    return apart === undefined && offset % packed === 0 ? tensor : { ...tensor, bytes: 0, unread: 'it is a view of parts of bytes' }
  return {
    ...tensor,
    type: { ...element, dtype },
    ...(bigEndian && element.width > 1 ? { bigEndian: true as const } : {}),
    ...(apart === undefined ? {} : { strides: apart }),
  }
}
