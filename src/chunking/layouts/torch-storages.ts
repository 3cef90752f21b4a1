import type { ElementType } from '../../util/element-type.ts'
import { isAppError } from '../../util/errors.ts'
import { readPickle } from './pickle.ts'
import { elementsOf } from './span.ts'
import { torchTensors, type TorchTensor } from './torch-tensors.ts'

/** The metadata of a storage in a state dict. */
export interface TorchStorage {
  type: ElementType
  /** Dot-joined keys of the first tensor that uses the storage; missing where that tensor has no name. */
  name?: string
  /** The shape of that tensor, if it fills the storage. */
  shape?: number[]
}

/**
 * The storages of a PyTorch archive by their keys. Leaves out storages whose type its `data.pkl` does not state.
 * Undefined for a pickle of another kind. Time and memory: linear in the length of `pickle`.
 */
export function readStorages(pickle: Uint8Array): Map<string, TorchStorage> | undefined {
  try {
    return storagesOf(torchTensors(readPickle(pickle).value))
  } catch (error) {
    if (isAppError(error, 'corrupt', 'unsupported')) return undefined
    throw error
  }
}

/** The storages of the tensors by their keys. */
export function storagesOf(tensors: Iterable<TorchTensor>): Map<string, TorchStorage> {
  const storages = new Map<string, TorchStorage>()
  for (const tensor of tensors) {
    if (tensor.kind !== 'view' || storages.has(tensor.storage)) continue
    const { name, type, storage, storageBytes, offset, shape } = tensor
    const fills = offset === 0 && elementsOf(shape) * type.item === storageBytes
    storages.set(storage, { type: type.element, ...(name === '' ? {} : { name }), ...(fills ? { shape } : {}) })
  }
  return storages
}
