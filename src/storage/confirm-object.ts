import { equalBytes } from '../util/bytes.ts'
import { readsBackDifferently } from './errors.ts'
import type { Storage, StorageOptions } from './storage.ts'

/** See `Storage.confirm`. */
export async function confirmObject(storage: Storage, name: string, bytes: Uint8Array, options: StorageOptions): Promise<void> {
  if (storage.confirm) await storage.confirm(name, bytes, options)
  else await readBack(storage, name, bytes, options)
}

export async function readBack(storage: Storage, name: string, bytes: Uint8Array, options?: StorageOptions): Promise<void> {
  const stored = await storage.get(name, undefined, options)
  if (!equalBytes(stored, bytes)) throw readsBackDifferently(name, storage.location)
}
