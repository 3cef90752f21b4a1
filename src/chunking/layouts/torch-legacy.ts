import { isAppError } from '../../util/errors.ts'
import { isNode, type PickleNode } from './pickle-value.ts'
import { type Pickle, readPickle } from './pickle.ts'
import { asCount, MAX_TENSORS, type ReadAt, readExactly, refuse, refuseKind, type TensorSpan } from './span.ts'
import { storagesOf } from './torch-storages.ts'
import { storageOf, torchTensors, type TorchTensor } from './torch-tensors.ts'
import { storageType } from './torch-types.ts'

/** Length of the first read. Pickles do not state their length, so longer pieces are read until they are complete. */
const FIRST_READ_BYTES = 256 * 1024
const MAX_HEADER_BYTES = 16 * 1024 * 1024
/** The number of elements before each storage. */
const COUNT_BYTES = 8
/** Magic number, protocol, sizes of numbers on that machine, the object, keys of the storages. */
const PICKLES = 5

/** A file of torch.save before PyTorch 1.6, or of a later one without zip. */
export interface LegacyTorch {
  tensors: TorchTensor[]
  /** The place of each storage in the file, in bytes, in file order. */
  storages: Map<string, { offset: number; length: number }>
}

/** The storages that hold tensors. */
export async function findLegacyTorch(size: number, read: ReadAt): Promise<TensorSpan[]> {
  const { tensors, storages } = await readLegacyTorch(size, read)
  return [...storagesOf(tensors)].map(([key, { type, name = key, shape }]) => ({
    ...(storages.get(key) ?? refuse(`storage ${key} is missing`)),
    ...type,
    name,
    ...(shape === undefined ? {} : { shape }),
  }))
}

/**
 * Five pickles, then the storages in the order of the keys that the last pickle lists: the number of elements (8
 * bytes), and the elements. All are little-endian, on every machine (`torch/csrc/serialization.cpp`). Reads the
 * pickles, at most 16 MiB, and the number before the last storage. Time and memory: linear in their length.
 */
export async function readLegacyTorch(size: number, read: ReadAt): Promise<LegacyTorch> {
  const most = Math.min(size, MAX_HEADER_BYTES)
  for (let length = Math.min(most, FIRST_READ_BYTES); ; length = Math.min(most, 4 * length)) {
    const bytes = await readExactly(read, 0, length)
    let pickles: Pickle[]
    try {
      pickles = readPickles(bytes)
    } catch (error) {
      if (!isAppError(error, 'corrupt')) throw error
      if (length === most) throw most < size ? tooLong() : error
      continue
    }
    return storagesIn(pickles, size, read)
  }
}

function tooLong(): never {
  return refuseKind('its pickle is too long')
}

function readPickles(bytes: Uint8Array): Pickle[] {
  const pickles: Pickle[] = []
  for (let start = 0; pickles.length < PICKLES; start = pickles.at(-1)!.end) pickles.push(readPickle(bytes, start))
  return pickles
}

async function storagesIn(pickles: readonly Pickle[], size: number, read: ReadAt): Promise<LegacyTorch> {
  const [, , , { value, references }, { value: list, end }] = pickles as [Pickle, Pickle, Pickle, Pickle, Pickle]
  const stated = statedStorages(references)
  const storages: LegacyTorch['storages'] = new Map()
  let position = end
  let last = 0
  for (const key of isNode(list) ? list.values : []) {
    if (storages.size === MAX_TENSORS) refuse('it has too many tensors')
    const found = typeof key === 'string' && stated.get(key)
    if (!found) refuse('it lists a storage that nothing uses')
    const { elements, item } = found
    last = elements
    const offset = position + COUNT_BYTES
    storages.set(key, { offset, length: elements * item })
    position = asCount(offset + elements * item)
  }
  if (position > size) refuse('it is shorter than stated')
  await checkCount([...storages.values()].at(-1), last, read)
  return { tensors: [...torchTensors(value)], storages }
}

/** The elements of each storage, and bytes per element, by its key. The first reference to a storage decides. */
function statedStorages(references: readonly PickleNode[]): Map<string, { elements: number; item: number }> {
  const stated = new Map<string, { elements: number; item: number }>()
  for (const reference of references) {
    const { storage, storageClass, storageElements: elements } = storageOf(reference) ?? {}
    if (storage === undefined || stated.has(storage)) continue
    const type = storageType(storageClass) ?? refuseKind('a storage of an unknown type')
    stated.set(storage, { elements: asCount(elements), item: type.item })
  }
  return stated
}

/** Whatever lies before the last storage has its length if the number stands where it must. */
async function checkCount(storage: { offset: number } | undefined, elements: number, read: ReadAt): Promise<void> {
  if (storage === undefined) return
  const bytes = Buffer.from(await readExactly(read, storage.offset - COUNT_BYTES, COUNT_BYTES))
  if (bytes.readBigUInt64LE() !== BigInt(elements)) refuse('a storage does not have its stated length')
}
