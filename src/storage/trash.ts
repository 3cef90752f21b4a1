import type { StorageOptions, StoredObject } from './storage.ts'

/**
 * For stores with a trash: objects of this store that a person moved there. The program itself moves nothing there.
 * They still take space.
 */
export interface Trash {
  /** A name may occur more than once. */
  list(options?: StorageOptions): Promise<StoredObject[]>
  /** Like `list`, but from what this process has seen before if that costs no request. */
  glance(options?: StorageOptions): Promise<StoredObject[]>
  /** Restores every copy of that name. */
  putBack(name: string, options?: StorageOptions): Promise<void>
  /** Deletes every copy of that name permanently. */
  remove(name: string, options?: StorageOptions): Promise<void>
}
