import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { realFileSystem, renameNew, syncFolder, type FileSystem } from '../util/file-system.ts'

export interface ReplaceOptions {
  /**
   * Syncs the content before the rename, and the rename, for files that can't be recreated. Costs milliseconds. Without
   * it, a power loss may leave a part of the content, so the file needs a checksum.
   */
  isDurable?: boolean
  fileSystem?: FileSystem
}

/** A new name beside `path` for content that is not complete yet. `isTemporaryOf` recognizes it. */
export function temporaryName(path: string): string {
  return `${path}.${process.pid}-${randomBytes(6).toString('hex')}.tmp`
}

/** True for a name that `temporaryName`, in any process, may have made for a file of this name. */
export function isTemporaryOf(name: string, file: string): boolean {
  return name.startsWith(`${file}.`) && name.endsWith('.tmp')
}

/**
 * Replaces a file in one step: readers find the old content or the new, never a part. Only the user may read the file
 * (mode 0600). If writing fails, the old file stays, the temporary one is removed, and the error of the file system is
 * thrown.
 */
export async function replaceFile(
  path: string,
  content: string | Iterable<string>,
  { isDurable = false, fileSystem = realFileSystem }: ReplaceOptions = {},
): Promise<void> {
  const temporary = temporaryName(path)
  try {
    const file = await fileSystem.promises.open(temporary, 'wx', 0o600)
    try {
      // each call goes on where the last one ended
      for (const piece of typeof content === 'string' ? [content] : content) await file.writeFile(piece)
      if (isDurable) await file.sync()
    } finally {
      await file.close()
    }
    await renameNew(() => fileSystem.promises.rename(temporary, path))
    if (isDurable) await syncFolder(dirname(path), fileSystem)
  } catch (error) {
    await fileSystem.promises.rm(temporary, { force: true }).catch(() => undefined)
    throw error
  }
}
