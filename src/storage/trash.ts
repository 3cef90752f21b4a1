import type { StorageOptions, StoredObject } from './storage.ts'

/** Where a store has a trash: what was put there from among its objects, by hand, since nothing here does. It takes space as before. */
export interface Trash {
  /** A name may come more than once. */
  list(options?: StorageOptions): Promise<StoredObject[]>
  /** Back to where it was, every copy of that name. */
  putBack(name: string, options?: StorageOptions): Promise<void>
  /** For good, every copy of that name. */
  remove(name: string, options?: StorageOptions): Promise<void>
}
