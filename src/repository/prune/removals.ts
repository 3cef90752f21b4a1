import type { Storage } from '../../storage/storage.ts'
import { isAppError } from '../../util/errors.ts'

/** Deletes objects, except those that only somebody else may delete: these stay, and are counted. */
export class Removals {
  /** Who alone may delete an object that stays, by its name. */
  readonly left = new Map<string, string>()
  private readonly storage: Storage
  private readonly signal: AbortSignal | undefined

  constructor({ storage, signal }: { storage: Storage; signal?: AbortSignal | undefined }) {
    this.storage = storage
    this.signal = signal
  }

  /** Whether only somebody else may delete an object, as far as is known. */
  isLeft(name: string): boolean {
    const keeper = this.storage.keeper?.(name)
    if (keeper !== undefined) this.left.set(name, keeper)
    return keeper !== undefined
  }

  /** Returns false if the object stays. */
  async remove(name: string): Promise<boolean> {
    if (this.isLeft(name)) return false
    try {
      await this.storage.remove(name, { signal: this.signal })
      return true
    } catch (error) {
      if (!isAppError(error, 'denied') || !this.isLeft(name)) throw error
      return false
    }
  }
}
