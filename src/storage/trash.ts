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
  /** Restores every copy of that name. Throws `denied` if only others may do that with one of them. */
  putBack(name: string, options?: StorageOptions): Promise<void>
  /** Deletes every copy of that name permanently. Throws `denied` if only others may do that with one of them. */
  remove(name: string, options?: StorageOptions): Promise<void>
  /** Who alone may restore or delete an object, if not this login. Known after a call that was denied. */
  keeper?(name: string): string | undefined
}
