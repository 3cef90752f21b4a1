import { isAppError } from '../../util/errors.ts'
import type { DriveFile } from './answers.ts'
import { folderInTrash } from './confirm.ts'
import { compareAge } from './copies.ts'
import { FOLDERS, ROOT, type DriveApi, type FolderRef } from './drive-api.ts'
import { StartFinder } from './drive-start.ts'
import type { IdPool } from './id-pool.ts'
import { locationOf, type DrivePlace } from './place.ts'
import { followShortcuts, isNamed } from './shortcuts.ts'

/** `owner`: who owns it, where it is not this login. */
type Folder = FolderRef & Partial<Pick<DriveFile, 'owner'>>

/**
 * The folder of a place on Drive. Names aren't unique on Drive: two machines that create a folder at the same moment
 * create duplicates. All duplicates together are the folder. New files go into the oldest. Shortcuts are followed.
 */
export class DriveFolders {
  private readonly api: DriveApi
  private readonly ids: IdPool
  private readonly place: DrivePlace
  private readonly start: StartFinder
  private making: Promise<string> | undefined
  /** Oldest first; empty if there is none. Undefined before the first `find`. */
  private found: Folder[] | undefined
  /** The names of the path that the last `find` did not find, and the folder where they are missing. */
  private missing: { parent: FolderRef; names: readonly string[] } = { parent: ROOT, names: [] }

  constructor(api: DriveApi, ids: IdPool, place: DrivePlace) {
    this.api = api
    this.ids = ids
    this.place = place
    this.start = new StartFinder(api, place.start)
  }

  /** The folders, the oldest first, as far as they are known. */
  get known(): readonly Folder[] {
    return this.found ?? []
  }

  /** Whether the folder is, or will be, in a shared drive, as far as is known. */
  get isInSharedDrive(): boolean {
    return this.place.start.in === 'shared-drive' || (this.known[0] ?? this.missing.parent).driveId !== undefined
  }

  /**
   * Finds all duplicates by listing their parent, because queries by name lag behind. `date` is Drive's clock before
   * their children are listed. `isTrashed`: there is none, but one lies in the trash, or one of the folders above does.
   */
  async find(signal?: AbortSignal): Promise<{ folders: readonly Folder[]; date: number | undefined; isTrashed: boolean }> {
    const { path, start } = this.place
    const begin = await this.start.find(signal)
    let { date } = begin
    if (begin.isTrashed || path.length === 0) {
      this.found = begin.isTrashed ? [] : [begin.folder]
      return { folders: this.found, date, isTrashed: begin.isTrashed }
    }
    let found: Folder[] = [begin.folder]
    let gone: DriveFile[] = []
    let isAboveTrashed = false
    for (const [depth, name] of path.entries()) {
      const parents = found
      const children = await this.api.listChildren(parents, FOLDERS, signal)
      date = children.date
      const named = children.files.filter(file => isNamed(file, name) && file.target?.isFolder !== false).sort(compareAge)
      const there = named.filter(({ trashed }) => trashed === false)
      gone = named.filter(({ trashed }) => trashed !== false)
      const location = locationOf({ start, path: path.slice(0, depth + 1) })
      found = (await followShortcuts(this.api, there, location, signal)).filter(({ isFolder }) => isFolder)
      if (found.length > 0) continue
      this.missing = { parent: parents[0]!, names: path.slice(depth) }
      isAboveTrashed = gone.length > 0 && depth < path.length - 1
      break
    }
    const made = isAboveTrashed ? [] : (this.found ?? []).filter(({ id }) => ![...found, ...gone].some(other => other.id === id))
    this.found = [...found, ...made]
    return { folders: this.found, date, isTrashed: this.found.length === 0 && gone.length > 0 }
  }

  /** The id of the folder to write to. Creates missing folders of the path. */
  async writable(signal?: AbortSignal): Promise<string> {
    if (this.found === undefined) await this.find(signal)
    if (this.found![0]) return this.found![0].id
    if (this.place.path.length === 0) throw folderInTrash(locationOf(this.place))
    this.making ??= this.make(signal).finally(() => (this.making = undefined))
    return this.making
  }

  private async make(signal?: AbortSignal): Promise<string> {
    let { parent } = this.missing
    for (const name of this.missing.names) parent = await this.makeOne(name, parent.id, signal)
    this.found = [parent]
    return parent.id
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
