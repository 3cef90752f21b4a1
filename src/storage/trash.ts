import type { StorageOptions, StoredObject } from './storage.ts'

/**
 * For stores with a trash: objects of this store that a person put there. Nothing here does, and they still take space.
 */
export interface Trash {
  /** A name may come more than once. */
  list(options?: StorageOptions): Promise<StoredObject[]>
  /** Back to where it was, every copy of that name. */
  putBack(name: string, options?: StorageOptions): Promise<void>
  /** For good, every copy of that name. */
  remove(name: string, options?: StorageOptions): Promise<void>
}
