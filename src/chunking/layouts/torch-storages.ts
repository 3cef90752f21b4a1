import type { ElementType } from '../../util/element-type.ts'
import { isAppError } from '../../util/errors.ts'
import { elementsOf } from './span.ts'
import { readTorchTensors } from './torch-tensors.ts'

/** What a state dict states of a storage. */
export interface TorchStorage {
  type: ElementType
  /** The keys on the way to the first tensor that uses it, joined by dots; missing where the tensor has no name. */
  name?: string
  /** The shape of that tensor, where it fills the storage. */
  shape?: number[]
}

/**
 * The storages of a PyTorch archive by their keys, as far as its `data.pkl` states their types. Undefined for a pickle
 * of another kind.
 */
export function readStorages(pickle: Uint8Array): Map<string, TorchStorage> | undefined {
  const storages = new Map<string, TorchStorage>()
  try {
    for (const { name, type, storage, storageElements, offset, shape } of readTorchTensors(pickle)) {
      if (storages.has(storage)) continue
      const fills = offset === 0 && elementsOf(shape) === storageElements
      storages.set(storage, { type, ...(name === '' ? {} : { name }), ...(fills ? { shape } : {}) })
    }
    return storages
  } catch (error) {
    if (isAppError(error, 'corrupt')) return undefined
    throw error
  }
}
