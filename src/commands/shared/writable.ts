import { constants } from 'node:fs'
import { access, mkdtemp, open, rmdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { temporaryName } from '../../storage/folder-files.ts'
import { errnoOf, messageOf } from '../../util/errors.ts'

/** Undefined when a file can be created in `folder`, or `folder` itself can be created. */
export async function whyNotWritable(folder: string): Promise<string | undefined> {
  const trial = join(folder, temporaryName())
  try {
    const file = await open(trial, 'wx')
    try {
      await file.write('doctor')
    } finally {
      await file.close()
      await unlink(trial)
    }
    return undefined
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' && dirname(folder) !== folder) return whyNoFolder(dirname(folder))
    return messageOf(error)
  }
}

async function whyNoFolder(parent: string): Promise<string | undefined> {
  try {
    await access(parent, constants.W_OK | constants.X_OK)
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' && dirname(parent) !== parent) return whyNoFolder(dirname(parent))
    return messageOf(error)
  }
  try {
    // what the permissions allow, /proc refuses all the same
    await rmdir(await mkdtemp(join(parent, '.colab-escape-')))
    return undefined
  } catch (error) {
    return messageOf(error)
  }
}
