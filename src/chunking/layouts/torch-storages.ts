import type { ElementType } from '../../util/element-type.ts'
import { isAppError } from '../../util/errors.ts'
import { elementsOf } from './span.ts'
import { readTorchTensors } from './torch-tensors.ts'

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
