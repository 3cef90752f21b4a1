import type { ElementType } from '../../util/element-type.ts'
import { isAppError } from '../../util/errors.ts'
import { elementsOf } from './span.ts'
import { readTorchTensors } from './torch-tensors.ts'

/** What a state dict says of a storage. */
export interface Storage {
  type: ElementType
  /** Keys on the way to the first tensor that uses it, joined by dots; missing where no tensor is found. */
  name?: string
  /** Of that tensor, where it fills the storage. */
  shape?: number[]
}

/** Storages of a PyTorch archive by their keys, as far as its `data.pkl` gives their types; undefined where it is none that is understood. */
export function readStorages(pickle: Uint8Array): Map<string, Storage> | undefined {
  const storages = new Map<string, Storage>()
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
