import { AppError } from '../../util/errors.ts'
import type { DriveApi } from './drive-api.ts'

const BATCH = 100

/**
 * File ids that Drive makes ahead of time, in batches. A file keeps its id until it is stored, however many tries that
 * takes.
 */
export class IdPool {
  private readonly api: DriveApi
  private free: string[] = []
  private fetching: Promise<void> | undefined
  private readonly taken = new Map<string, string>()

  constructor(api: DriveApi) {
    this.api = api
  }

  /** The id for what is called `key` here, the same one until `release`. */
  async idFor(key: string, signal?: AbortSignal): Promise<string> {
    while (!this.taken.has(key)) {
      const id = this.free.pop()
      if (id !== undefined) this.taken.set(key, id)
      else await this.fill(signal)
    }
    return this.taken.get(key)!
  }

  /** Resolves when there are free ids. */
  async fill(signal?: AbortSignal): Promise<void> {
    if (this.free.length > 0) return
    this.fetching ??= this.fetch(signal).finally(() => (this.fetching = undefined))
    await this.fetching
  }

  /** It is made, or its id is spoilt: the next one of that name gets another. */
  release(key: string): void {
    this.taken.delete(key)
  }

  private async fetch(signal?: AbortSignal): Promise<void> {
    const ids = await this.api.generateIds(BATCH, signal)
    if (ids.length === 0) throw new AppError('unavailable', 'Drive gave no ids for new files.', { hint: 'Run the same command again.' })
    this.free.push(...ids)
  }
}
