import { AppError, isAppError } from '../../util/errors.ts'
import type { DriveFile } from './answers.ts'
import type { DriveApi } from './drive-api.ts'

/** Names that look the same are the same, however they are written: macOS takes accents apart. */
export const isNamed = (file: DriveFile, name: string): boolean => file.name.normalize() === name.normalize()

/**
 * What files of one name stand for: the files themselves, or what shortcuts lead to. Throws `usage` if a shortcut leads
 * elsewhere than another of them: nobody knows which is meant.
 */
export async function followShortcuts(
  api: DriveApi,
  files: readonly DriveFile[],
  location: string,
  signal: AbortSignal | undefined,
): Promise<DriveFile[]> {
  const real = files.filter(({ target }) => target === undefined)
  const ids = new Set(real.map(({ id }) => id))
  const shortcuts = files.filter(({ target }) => target !== undefined && !ids.has(target.id))
  const targets = [...new Set(shortcuts.map(({ target }) => target!.id))]
  if (targets.length === 0) return real
  if (real.length + targets.length > 1) throw ambiguous(location, [...real, ...shortcuts])
  return [await targetOf(api, targets[0]!, location, signal)]
}

async function targetOf(api: DriveApi, id: string, location: string, signal: AbortSignal | undefined): Promise<DriveFile> {
  const target = await api.getFile(id, signal).catch((error: unknown) => {
    throw isAppError(error, 'not-found') ? dangling(location, 'is deleted, or not shared with this login any more') : error
  })
  if (target.trashed !== false) throw dangling(location, 'lies in the trash of its owner')
  // Drive makes no shortcuts to shortcuts
  if (target.target !== undefined) throw dangling(location, 'is a shortcut itself')
  return target
}

function dangling(location: string, why: string): AppError {
  return new AppError('not-found', `${location} is a shortcut, and what it leads to ${why}.`, {
    hint: 'Ask its owner to share or restore it, or remove the shortcut in Drive. Check the account too: colab-escape auth status',
  })
}

function ambiguous(location: string, files: readonly DriveFile[]): AppError {
  return new AppError('usage', `On Drive ${location} is more than one thing, and at least one of them is a shortcut to another place.`, {
    hint: 'Rename or remove one of them in Drive, or name what you mean by its id or its address in the browser.',
    list: files.map(({ id, target, owner }) => {
      const whose = owner === undefined ? '' : ` of ${owner}`
      return target === undefined ? `drive:id=${id}${whose}` : `drive:id=${target.id} (by the shortcut)`
    }),
  })
}
