import { isAppError } from '../../util/errors.ts'
import type { DriveFile } from './answers.ts'
import { compareAge } from './copies.ts'
import { FOLDERS, ROOT, type DriveApi } from './drive-api.ts'
import type { IdPool } from './id-pool.ts'

/**
 * The folder of a path in My Drive; for an empty path My Drive itself. Names aren't unique on Drive: two machines that
 * create a folder at the same moment create duplicates. All duplicates together are the folder. New files go into the
 * oldest.
 */
export class DriveFolders {
  private readonly api: DriveApi
  private readonly ids: IdPool
  private readonly path: readonly string[]
  private making: Promise<string> | undefined
  /** Oldest first; empty if there is none. Undefined before the first `find`. */
  private found: DriveFile[] | undefined
  /** The names of the path that the last `find` did not find, and the folder where they are missing. */
  private missing: { parent: string; names: readonly string[] } = { parent: ROOT, names: [] }

  constructor(api: DriveApi, ids: IdPool, path: readonly string[]) {
    this.api = api
    this.ids = ids
    this.path = path
  }

  /** Ids of the folders, the oldest first, as far as they are known. */
  get known(): string[] {
    return this.path.length === 0 ? [ROOT] : (this.found ?? []).map(file => file.id)
  }

  /**
   * Finds all duplicates by listing their parent, because queries by name lag behind. `date` is Drive's clock before
   * their children are listed. `isTrashed`: there is none, but one lies in the trash, or one of the folders above does.
   */
  async find(signal?: AbortSignal): Promise<{ ids: string[]; date: number | undefined; isTrashed: boolean }> {
    if (this.path.length === 0) return { ids: [ROOT], date: undefined, isTrashed: false }
    let parents = [ROOT]
    let date: number | undefined
    let found: DriveFile[] = []
    let gone: DriveFile[] = []
    let isAboveTrashed = false
    for (const [depth, name] of this.path.entries()) {
      const children = await this.api.listChildren(parents, FOLDERS, signal)
      date = children.date
      const named = children.files.filter(file => file.name === name).sort(compareAge)
      found = named.filter(({ trashed }) => trashed === false)
      gone = named.filter(({ trashed }) => trashed !== false)
      if (found.length === 0) this.missing = { parent: parents[0]!, names: this.path.slice(depth) }
      parents = found.map(file => file.id)
      if (parents.length > 0) continue
      isAboveTrashed = gone.length > 0 && depth < this.path.length - 1
      break
    }
    const made = isAboveTrashed ? [] : (this.found ?? []).filter(({ id }) => ![...found, ...gone].some(other => other.id === id))
    this.found = [...found, ...made]
    return { ids: this.known, date, isTrashed: this.found.length === 0 && gone.length > 0 }
  }

  /** The folder to write to. Creates missing folders of the path. */
  async writable(signal?: AbortSignal): Promise<string> {
    if (this.path.length === 0) return ROOT
    if (this.found === undefined) await this.find(signal)
    if (this.found![0]) return this.found![0].id
    this.making ??= this.make(signal).finally(() => (this.making = undefined))
    return this.making
  }

  private async make(signal?: AbortSignal): Promise<string> {
    let { parent } = this.missing
    let last: DriveFile | undefined
    for (const name of this.missing.names) {
      last = await this.makeOne(name, parent, signal)
      parent = last.id
    }
    this.found = [last!]
    return parent
  }

  /** A lost response does not lead to a second folder: we chose the id, so a conflict means that it was created. */
  private async makeOne(name: string, parent: string, signal?: AbortSignal): Promise<DriveFile> {
    const id = await this.ids.idFor(`folder ${parent} ${name}`, signal)
    try {
      return await this.api.createFolder(id, name, parent, signal)
    } catch (error) {
      if (!isAppError(error, 'conflict')) throw error
      return this.api.getFile(id, signal)
    }
  }
}
