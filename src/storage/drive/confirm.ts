import { AppError, isAppError } from '../../util/errors.ts'
import { formatCount } from '../../util/words.ts'
import type { DriveFile } from './answers.ts'
import type { Copies } from './copies.ts'
import { FILES, type DriveApi, type FolderRef } from './drive-api.ts'

/** How much two of Drive's own clocks may differ, ms. */
const CLOCKS_DIFFER_MS = 60_000

/** The store's folder, or one above it, is in the trash. */
export function folderInTrash(location: string): AppError {
  return new AppError('not-found', `The folder of ${location} lies in Drive's trash.`, {
    hint: 'Put it back: in Drive, open Trash and choose Restore. To begin a new repository instead, name another folder with --store.',
  })
}

interface Confirmation {
  api: DriveApi
  copies: Copies
  /** The folders that are the store. */
  folders: readonly FolderRef[]
  location: string
  /** Drive's clock when the last listing began, ms since 1970. */
  listedAt: number
  signal: AbortSignal | undefined
}

/**
 * Confirms that what was stored since the last listing is there, and that nothing known is in the trash. Returns the
 * copies of `name`, and all files in the trash. One query shows all of it; what a listing that lags does not show is
 * asked for by its id. Throws `conflict` if anything is in the trash or gone, except copies of `name` that are gone.
 */
export async function confirmStored(
  name: string,
  { api, copies, folders, location, listedAt, signal }: Confirmation,
): Promise<{ stored: DriveFile[]; inTrash: DriveFile[] }> {
  const since = new Date(listedAt - CLOCKS_DIFFER_MS).toISOString().slice(0, 19)
  const filter = `${FILES} and (createdTime >= '${since}' or trashed = true)`
  const { files } = await api.listChildren(folders, filter, signal).catch((error: unknown) => {
    throw isAppError(error, 'not-found') ? deletedMeanwhile(`The folder of ${location} was`) : error
  })
  const shown = new Map(files.map(file => [file.id, file]))
  const gone: DriveFile[] = []
  for (const file of new Set([...copies.storedSinceListing, ...copies.of(name)])) {
    const found = shown.get(file.id) ?? (await findNow(api, file, signal))
    if (found) shown.set(file.id, found)
    else if (file.name !== name) gone.push(file)
  }
  const known = [...shown.values()].filter(file => copies.isKnown(file))
  const trashed = known.filter(file => file.trashed === true)
  if (known.some(file => file.trashed === 'by-folder')) throw trashedMeanwhile(`The folder of ${location} was`)
  if (trashed.length > 0) throw trashedMeanwhile(`In ${location}, ${someOf(trashed)}`)
  if (gone.length > 0) throw deletedMeanwhile(`In ${location}, ${someOf(gone)}`)
  return { stored: known.filter(file => file.name === name), inTrash: files.filter(file => file.trashed !== false) }
}

function trashedMeanwhile(what: string): AppError {
  return new AppError('conflict', `${what} moved to Drive's trash in the meantime, so what was stored is not safe.`, {
    hint: 'Put it back: in Drive, open Trash and choose Restore. Then run the same command again.',
  })
}

function deletedMeanwhile(what: string): AppError {
  return new AppError('conflict', `${what} deleted in the meantime, so what was stored is not safe.`, {
    hint: 'Run the same command again: it stores what is missing.',
  })
}

function someOf(files: readonly DriveFile[]): string {
  const [first] = files
  return files.length === 1 ? `${first!.name} was` : `${formatCount(files.length)} objects, such as ${first!.name}, were`
}

/** A file as Drive has it now. Undefined if it is gone. */
export async function findNow(
  api: DriveApi,
  { id }: Pick<DriveFile, 'id'>,
  signal: AbortSignal | undefined,
): Promise<DriveFile | undefined> {
  try {
    return await api.getFile(id, signal)
  } catch (error) {
    if (!isAppError(error, 'not-found')) throw error
    return undefined
  }
}
