import { constants } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readAt } from '../local/read-at.ts'
import { AppError, errnoOf, messageOf } from '../util/errors.ts'
import { fsPath } from '../util/paths.ts'
import type { ModelFolder } from './model-folder.ts'
import type { ByteSource } from './tensor.ts'

/** True for a local folder. */
export async function isLocalFolder(path: string): Promise<boolean> {
  return (await stat(fsPath(path)).catch(() => undefined))?.isDirectory() ?? false
}

/** A local folder with a model. `opened` is told each file that is opened, which must be closed. */
export async function localFolder(path: string, opened: (source: LocalSource) => void): Promise<ModelFolder> {
  try {
    const files = (await readdir(fsPath(path), { withFileTypes: true })).filter(entry => !entry.isDirectory())
    const open = async (file: string): ReturnType<ModelFolder['open']> => {
      const source = await openLocalSource(join(path, file))
      opened(source)
      return { name: join(path, file), source }
    }
    return { name: path, files: files.map(({ name }) => name).sort(), open }
  } catch (error) {
    throw readError(error, path)
  }
}

export interface LocalSource extends ByteSource {
  close(): Promise<void>
}

/** Opens a local file. Throws `not-found`, `usage` for a folder, `io` if it can't be read. */
export async function openLocalSource(path: string): Promise<LocalSource> {
  try {
    // a fifo must not make it wait
    const file = await open(fsPath(path), constants.O_RDONLY | (constants.O_NONBLOCK ?? 0))
    const stats = await file.stat()
    if (!stats.isFile()) {
      await file.close()
      throw new AppError('usage', `${path} is ${stats.isDirectory() ? 'a folder' : 'no ordinary file'}.`, { hint: 'Name one file.' })
    }
    const read = async (offset: number, length: number): Promise<Uint8Array> => {
      try {
        return await readAt(file, offset, Math.max(0, Math.min(length, stats.size - offset)))
      } catch (error) {
        throw readError(error, path)
      }
    }
    return { size: stats.size, read, close: () => file.close() }
  } catch (error) {
    throw readError(error, path)
  }
}

function readError(error: unknown, path: string): AppError {
  if (error instanceof AppError) return error
  if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR')
    return new AppError('not-found', `There is no file ${path}.`, {
      hint: 'For a file of a version write name:path, e.g. runs~1:exp/model.safetensors.',
      cause: error,
    })
  return new AppError('io', `${path} can't be read: ${messageOf(error)}`, { hint: 'Check its permissions.', cause: error })
}
