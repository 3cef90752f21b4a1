import { readFileSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { notFound } from '../../src/storage/errors.ts'
import { resolveRange } from '../../src/storage/object-checks.ts'
import type { ByteRange, Listing, Quota, Storage } from '../../src/storage/storage.ts'

export interface DatedFolderOptions {
  /** The store's clock, ms since 1970. */
  now: number
  /** How much later the store creates the snapshots it is given, ms. */
  snapshotsLateBy?: number
  /** Objects that listings do not show (yet). */
  hides?: (name: string) => boolean
}

/**
 * A store in a folder whose clock is a number: what is made in it has the same times whenever it is made. Creation
 * times are kept as mtimes. For making golden repositories only: it promises neither durability nor anything to
 * concurrent writers.
 */
export class DatedFolder implements Storage {
  readonly location: string
  private readonly options: DatedFolderOptions

  constructor(path: string, options: DatedFolderOptions) {
    this.location = path
    this.options = options
  }

  async put(name: string, bytes: Uint8Array): Promise<{ created: number }> {
    const { now, snapshotsLateBy = 0 } = this.options
    const created = now + (name.startsWith('snapshot-') ? snapshotsLateBy : 0)
    writeFileSync(join(this.location, name), bytes, { flag: 'wx' })
    utimesSync(join(this.location, name), created / 1000, created / 1000)
    return { created }
  }

  async get(name: string, range?: ByteRange): Promise<Uint8Array> {
    if (!readdirSync(this.location).includes(name)) throw notFound(name, this.location)
    const bytes = readFileSync(join(this.location, name))
    const { start, end } = resolveRange(name, bytes.length, range)
    return bytes.subarray(start, end)
  }

  async list(): Promise<Listing> {
    const names = readdirSync(this.location).filter(name => this.options.hides?.(name) !== true)
    const objects = names.map(name => {
      const { size, mtimeMs } = statSync(join(this.location, name))
      return { name, size, created: Math.round(mtimeMs) }
    })
    return { asOf: this.options.now, objects }
  }

  remove(name: string): Promise<void> {
    throw new Error(`nothing should be removed from a golden repository: ${name}`)
  }

  async quota(): Promise<Quota> {
    return { used: undefined, limit: undefined }
  }
}
