import { existsSync, realpathSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { CONFIG_NAME, isOurs } from '../repository/object-names.ts'
import { FolderStorage } from '../storage/folder.ts'
import { AppError } from '../util/errors.ts'

const MOUNTED_DRIVE = '/content/drive/MyDrive'
const MOUNTED_STORE = `${MOUNTED_DRIVE}/colab-escape`

export interface ChosenStore {
  storage: FolderStorage
  /** Absolute path, links resolved as far as it exists. */
  path: string
  /** A folder that Drive's mount sends on later: what is written there is not yet safe. */
  mounted: boolean
}

/** `--store`, else COLAB_ESCAPE_STORE, else a mounted Drive's folder, else an error that names the ways on. */
export function chooseStore(option: string | undefined, setting: string | undefined): ChosenStore {
  const location = option ?? setting ?? (existsSync(MOUNTED_STORE) ? MOUNTED_STORE : undefined)
  if (location === undefined || location === '')
    throw new AppError('usage', 'No store is named: colab-escape does not know where the repository is.', {
      hint: `Name a folder with --store <folder>, set COLAB_ESCAPE_STORE (also in .env), or mount Drive and make ${MOUNTED_STORE}.`,
    })
  if (/^drive:/.test(location))
    throw new AppError('unsupported', `${location} can't be used: this version stores in folders only.`, {
      hint: 'Name a folder with --store <folder>, for example one on a mounted Drive.',
    })
  const path = realPathOf(resolve(location.replace(/^~(?=\/|$)/, homedir())))
  if (existsSync(path) && !statSync(path).isDirectory())
    throw new AppError('not-a-repository', `${path} is a file, not a folder.`, { hint: 'Name the folder of the repository with --store.' })
  return { storage: new FolderStorage(path), path, mounted: path.startsWith('/content/drive/') }
}

/** A new repository is only begun in a folder of its own, never among somebody's files. */
export async function refuseForeignFolder({ storage, path }: ChosenStore): Promise<void> {
  if (existsSync(join(path, CONFIG_NAME))) return
  const strangers = await storage.strangers(isOurs, 3)
  if (strangers.length > 0)
    throw new AppError('not-a-repository', `${path} is no repository and holds other files (${strangers.join(', ')}).`, {
      hint: `Name an empty or a new folder, e.g. --store ${join(path, 'colab-escape')}`,
    })
}

function realPathOf(path: string): string {
  if (existsSync(path) || dirname(path) === path) return realpathSync(path)
  return join(realPathOf(dirname(path)), basename(path))
}
