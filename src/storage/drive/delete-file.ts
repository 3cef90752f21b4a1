import { isAppError } from '../../util/errors.ts'
import type { DriveFile } from './answers.ts'
import { findNow } from './confirm.ts'
import type { DriveApi } from './drive-api.ts'

/** Deletes a file permanently. A file that is gone is a success. */
export async function deleteFile(api: DriveApi, { id }: DriveFile, signal: AbortSignal | undefined): Promise<void> {
  try {
    await api.deleteFile(id, signal)
  } catch (error) {
    if (!isAppError(error, 'not-found')) throw error
  }
}

/** Deletes a file, or notes in it that this login may not do that, if Drive confirms that. */
export async function deleteOrNote(api: DriveApi, file: DriveFile, signal: AbortSignal | undefined): Promise<void> {
  try {
    await deleteFile(api, file, signal)
  } catch (error) {
    if (!isAppError(error, 'denied')) throw error
    const now = await findNow(api, file, signal)
    if (now?.canDelete !== false) throw error
    Object.assign(file, { canDelete: false, owner: now.owner, driveId: now.driveId })
  }
}
