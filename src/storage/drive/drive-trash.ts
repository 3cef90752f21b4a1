import { AppError, isAppError } from '../../util/errors.ts'
import type { Patience } from '../../util/patience.ts'
import { isEntryName, type StorageOptions, type StoredObject } from '../storage.ts'
import type { Trash } from '../trash.ts'
import { keeperOf, type DriveFile } from './answers.ts'
import { folderInTrash } from './confirm.ts'
import { FILES, type DriveApi } from './drive-api.ts'
import type { DriveFolders } from './folders.ts'

/**
 * Files of one folder that are in Drive's trash. If the folder itself is there, `list` throws `not-found`. Never reads
 * or changes anything else in the trash.
 */
export class DriveTrash implements Trash {
  private readonly api: DriveApi
  private readonly folders: DriveFolders
  private readonly location: string
  private readonly patience: Patience
  private readonly shown: () => readonly DriveFile[] | undefined
  /** Copies of each name, from the last listing. */
  private files = new Map<string, DriveFile[]>()
  private readonly keepers = new Map<string, string>()

  /** `shown`: what is in the trash by a request that was made anyway. Undefined if there was none. */
  constructor(api: DriveApi, folders: DriveFolders, location: string, patience: Patience, shown: () => readonly DriveFile[] | undefined) {
    this.api = api
    this.folders = folders
    this.location = location
    this.patience = patience
    this.shown = shown
  }

  async glance(options: StorageOptions = {}): Promise<StoredObject[]> {
    return this.shown()?.map(toObject) ?? this.list(options)
  }

  async list({ signal }: StorageOptions = {}): Promise<StoredObject[]> {
    const files = await this.patience.persist(signal, async () => {
      const { folders, isTrashed } = await this.folders.find(signal)
      if (isTrashed) throw folderInTrash(this.location)
      const { files } = await this.api.listChildren(folders, `trashed = true and ${FILES}`, signal)
      return files.filter(({ target }) => target === undefined)
    })
    this.files = new Map()
    for (const file of files.filter(({ name }) => isEntryName(name)))
      this.files.set(file.name, [...(this.files.get(file.name) ?? []), file])
    return files.filter(({ name }) => this.files.has(name)).map(toObject)
  }

  putBack(name: string, { signal }: StorageOptions = {}): Promise<void> {
    return this.each(name, signal, id => this.api.untrash(id, signal))
  }

  remove(name: string, { signal }: StorageOptions = {}): Promise<void> {
    return this.each(name, signal, id => this.api.deleteFile(id, signal))
  }

  private async each(name: string, signal: AbortSignal | undefined, change: (id: string) => Promise<void>): Promise<void> {
    let denied: AppError | undefined
    for (const file of this.files.get(name) ?? []) {
      await this.patience.persist(signal, async () => {
        try {
          await change(file.id)
        } catch (error) {
          const keeper = isAppError(error, 'denied') ? keeperOf(file) : undefined
          if (keeper !== undefined) {
            this.keepers.set(name, keeper)
            denied = error as AppError
          }
          // the trash was emptied meanwhile
          else if (!isAppError(error, 'not-found')) throw error
        }
      })
    }
    if (denied) throw denied
  }

  keeper(name: string): string | undefined {
    return this.keepers.get(name)
  }
}

const toObject = ({ name, size, created }: DriveFile): StoredObject => ({ name, size, created })
