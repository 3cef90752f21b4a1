import { AppError } from '../../util/errors.ts'
import type { DriveApi } from './drive-api.ts'

const BATCH = 100

/**
 * File ids that Drive generates ahead of time, in batches. A file keeps its id until it is stored, however many
 * attempts that takes.
 */
export class IdPool {
  private readonly api: DriveApi
  private free: string[] = []
  private fetching: Promise<void> | undefined
  private readonly taken = new Map<string, string>()

  constructor(api: DriveApi) {
    this.api = api
  }

  /** The id reserved for `key`. It stays the same until `release`. */
  async idFor(key: string, signal?: AbortSignal): Promise<string> {
    while (!this.taken.has(key)) {
      const id = this.free.pop()
      if (id !== undefined) this.taken.set(key, id)
      else await this.fill(signal)
    }
    return this.taken.get(key)!
  }

  /** Resolves when free ids are available. */
  async fill(signal?: AbortSignal): Promise<void> {
    if (this.free.length > 0) return
    this.fetching ??= this.fetch(signal).finally(() => (this.fetching = undefined))
    await this.fetching
  }

  /** Call it when the file is created or the id is unusable. The next file of that key gets another id. */
  release(key: string): void {
    this.taken.delete(key)
  }

  private async fetch(signal?: AbortSignal): Promise<void> {
    const ids = await this.api.generateIds(BATCH, signal)
    if (ids.length === 0) throw new AppError('unavailable', 'Drive gave no ids for new files.', { hint: 'Run the same command again.' })
    this.free.push(...ids)
  }
}
