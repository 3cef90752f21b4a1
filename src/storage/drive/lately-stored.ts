import { AppError } from '../../util/errors.ts'
import { findNow } from './confirm.ts'
import type { DriveApi } from './drive-api.ts'

/** Ids of the file that this machine stored last, and of its folder. */
export interface LatelyStored {
  folder: string
  file: string
}

/** Where it is noted for the next command: Drive's listings may lag behind this one (auto-archiver#191). */
export interface LatelyStoredNote {
  /** Undefined if it was long ago. */
  load: () => Promise<LatelyStored | undefined>
  save: (stored: LatelyStored, name: string) => Promise<void>
}

/**
 * Whether a file that no listing shows is there all the same, and its folder still has this name. It can have been
 * deleted, moved elsewhere or to the trash, or renamed with its folder in the meantime.
 */
export async function isThere(
  { folder, file }: LatelyStored,
  name: string | undefined,
  api: DriveApi,
  signal?: AbortSignal,
): Promise<boolean> {
  const [parent, stored] = await Promise.all([findNow(api, { id: folder }, signal), findNow(api, { id: file }, signal)])
  return (
    parent?.trashed === false &&
    (name === undefined || parent.name === name) &&
    stored?.trashed === false &&
    stored.parents?.includes(folder) !== false
  )
}

export function listedLate(location: string): AppError {
  return new AppError('unavailable', `Drive does not list yet what this machine stored in ${location} a moment ago.`, {
    hint: 'Its listings can lag by some minutes: run the same command again then.',
  })
}
