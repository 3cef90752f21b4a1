import { isAppError } from '../../util/errors.ts'
import { ROOT, type DriveApi, type DriveFile } from './drive-api.ts'
import type { IdPool } from './id-pool.ts'

/**
 * The folder of a path in My Drive; for an empty path My Drive itself. Names aren't unique on Drive: two machines that
 * make a folder at the same moment make twins. All twins together are the folder; new files go into the oldest.
 */
export class DriveFolders {
  private readonly api: DriveApi
  private readonly ids: IdPool
  private readonly path: readonly string[]
  private making: Promise<string> | undefined
  /** Oldest first; empty while there is none. Undefined before the first look. */
  private found: DriveFile[] | undefined
  /** What the last look found missing of the path, and the folder that it is missing in. */
  private missing: { parent: string; names: readonly string[] } = { parent: ROOT, names: [] }

  constructor(api: DriveApi, ids: IdPool, path: readonly string[]) {
    this.api = api
    this.ids = ids
    this.path = path
  }

  /**
   * Finds all twins by listing their parent, as queries by name lag behind. `date` is Drive's clock before their
   * children are listed.
   */
  async find(signal?: AbortSignal): Promise<{ ids: string[]; date: number | undefined }> {
    if (this.path.length === 0) return { ids: [ROOT], date: undefined }
    let parents = [ROOT]
    let date: number | undefined
    let found: DriveFile[] = []
    for (const [depth, name] of this.path.entries()) {
      const children = await this.api.listChildren(parents, { foldersOnly: true }, signal)
      date = children.date
      found = children.files.filter(file => file.name === name).sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1))
      if (found.length === 0) this.missing = { parent: parents[0]!, names: this.path.slice(depth) }
      parents = found.map(file => file.id)
      if (parents.length === 0) break
    }
    const made = this.found?.filter(file => !found.some(other => other.id === file.id)) ?? []
    this.found = parents.length === 0 ? made : [...found, ...made]
    return { ids: this.found.map(file => file.id), date }
  }

  /** The folder to write to, made with all that leads to it where it is missing. */
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

  /** An answer that was lost does not make a second folder: the id is ours, and taken means made. */
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
