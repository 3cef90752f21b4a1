import { chmodSync, existsSync, statSync } from 'node:fs'
import { basename } from 'node:path'
import { messageOf } from '../../util/errors.ts'
import { makeFolder } from '../../util/file-system.ts'
import type { Reporter } from '../../util/reporter.ts'
import { howStrangersReach, howStrangersReachFolder } from '../../util/small-file.ts'

/** Makes the folder of the cache, for this user alone. Undefined, after a message, if it can't be used. */
export function prepareCacheFolder(folder: string, reporter: Reporter): string | undefined {
  try {
    if (existsSync(folder)) closeToOthers(folder)
    else makeFolder(folder, { mode: 0o700 })
    const stranger = howStrangersReachFolder(folder)
    if (stranger === undefined) return folder
    reporter.note(`the cache ${folder} is not used: ${stranger}. Mend that, or name another folder with COLAB_ESCAPE_CACHE`)
  } catch (error) {
    reporter.detail(`the cache ${folder} can't be used (${messageOf(error)})`)
  }
  return undefined
}

/** Only a folder with our own name: a person may have named one that others are to use. */
function closeToOthers(folder: string): void {
  const stats = statSync(folder)
  const isOpen = howStrangersReach({ ...stats, uid: 0 }) !== undefined
  if (isOpen && basename(folder) === 'colab-escape' && stats.isDirectory() && stats.uid === process.geteuid?.()) chmodSync(folder, 0o700)
}
