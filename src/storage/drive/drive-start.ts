import { AppError, isAppError } from '../../util/errors.ts'
import type { DriveFile, SharedDrive } from './answers.ts'
import { ROOT, type DriveApi, type FolderRef } from './drive-api.ts'
import type { DriveStart } from './place.ts'

export interface FoundStart {
  folder: FolderRef & Partial<Pick<DriveFile, 'owner'>>
  /** Drive's clock when it was asked for, ms since 1970. Undefined if it was not asked now. */
  date: number | undefined
  isTrashed: boolean
}

/** Finds the folder where the paths of a place begin. */
export class StartFinder {
  private readonly api: DriveApi
  private readonly start: DriveStart
  /** Ids of shared drives never change. */
  private sharedDrive: FolderRef | undefined

  constructor(api: DriveApi, start: DriveStart) {
    this.api = api
    this.start = start
  }

  async find(signal?: AbortSignal): Promise<FoundStart> {
    const { api, start } = this
    if (start.in === 'my-drive') return { folder: ROOT, date: undefined, isTrashed: false }
    if (start.in === 'shared-drive') {
      this.sharedDrive ??= named(start.nameOrId, await api.sharedDrives(signal))
      return { folder: this.sharedDrive, date: undefined, isTrashed: false }
    }
    const { file, date } = await getById(api, start.id, signal)
    if (!file.isFolder) throw new AppError('usage', `${file.name} is not a folder.`, { hint: 'Give the address of a folder on Drive.' })
    return { folder: file, date, isTrashed: file.trashed !== false }
  }
}

/** The file or folder of an id, or what it leads to as a shortcut. */
export async function getById(api: DriveApi, id: string, signal?: AbortSignal): Promise<{ file: DriveFile; date: number | undefined }> {
  try {
    const found = await api.getDated(id, signal)
    return found.file.target === undefined ? found : await api.getDated(found.file.target.id, signal)
  } catch (error) {
    if (!isAppError(error, 'not-found')) throw error
    throw new AppError('not-found', `Drive has nothing of the id ${id} for this login.`, {
      hint: 'Check the account (colab-escape auth status), and whether it was shared with that account.',
      cause: error,
    })
  }
}

function named(nameOrId: string, drives: readonly SharedDrive[]): FolderRef {
  const byId = drives.find(({ id }) => id === nameOrId)
  const found = byId ? [byId] : drives.filter(({ name }) => name.normalize() === nameOrId.normalize())
  if (found.length > 1)
    throw new AppError('usage', `${found.length} shared drives are named ${JSON.stringify(nameOrId)}.`, {
      hint: 'Use the id of the one that you mean in place of the name.',
      list: found.map(({ id }) => `drive://${id}`),
    })
  const [drive] = found
  if (drive) return { id: drive.id, driveId: drive.id }
  const known = drives.slice(0, 10).map(({ name }) => `drive://${name}`)
  throw new AppError('not-found', `This login is not a member of a shared drive named ${JSON.stringify(nameOrId)}.`, {
    hint: `Folders of My Drive are written with one colon and no slashes before them: drive:${nameOrId}`,
    list: known,
  })
}
