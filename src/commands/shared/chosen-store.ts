import { existsSync } from 'node:fs'
import { dirname, isAbsolute } from 'node:path'
import { cwd } from 'node:process'
import { realPathOf } from '../../local/real-path.ts'
import { parsePlace } from '../../storage/drive/place.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { inHome } from '../../util/paths.ts'
import { mostSimilar } from '../../util/similar.ts'
import type { Session } from './session.ts'
import { isStoreName, readStoresFile, type StoreSetting, type StoresFile } from './stores-file.ts'

/**
 * What chose a store, in the order in which it counts: `--store`, COLAB_ESCAPE_STORE, `use` of a folder, `use
 * --global`, a login to Drive, a mounted Drive.
 */
type ChosenBy = 'argument' | 'variable' | 'folder' | 'global' | 'login' | 'mount'

export interface ChosenStore {
  /** A place on Drive, or a path on the disk. */
  location: string
  /** The name that a person gave this store, if it was chosen by that. */
  name?: string | undefined
  by: ChosenBy
  /** The file that sets the variable, or the folder that the store was chosen for. */
  where?: string | undefined
}

type Given = Pick<Session, 'options' | 'settings'>

/** The store that a person has chosen. Undefined if nobody has. Errors: `usage`. */
export function givenStore({ options, settings }: Given): ChosenStore | undefined {
  const { configFolder } = settings
  if (options.store !== undefined && options.store !== '') return { ...named(options.store, configFolder), by: 'argument' }
  if (settings.store !== undefined)
    return { ...named(settings.store, configFolder), by: 'variable', where: settings.origins.COLAB_ESCAPE_STORE }
  const file = readStoresFile(configFolder)
  const folder = folderSetting(file)
  if (folder) return { ...valueOf(file, folder), by: 'folder', where: folder.key }
  const standard = file.find('default', 'default')
  return standard && { ...valueOf(file, standard), by: 'global' }
}

/** The setting of the current folder, else of the nearest folder above it that has one. */
export function folderSetting(file: StoresFile): StoreSetting | undefined {
  const settings = byFolder(file)
  if (settings.size === 0) return undefined
  for (let folder = real(cwd()); ; folder = dirname(folder)) {
    const found = settings.get(folder)
    if (found || folder === dirname(folder)) return found
  }
}

/** The setting of the current folder itself, however it is written. */
export const ownFolderSetting = (file: StoresFile): StoreSetting | undefined => byFolder(file).get(real(cwd()))

const byFolder = (file: StoresFile): Map<string, StoreSetting> => new Map(file.of('folders').map(each => [real(inHome(each.key)), each]))

/** A folder that can't be looked up is compared as it is written. */
function real(folder: string): string {
  try {
    return realPathOf(folder)
  } catch {
    return folder
  }
}

type Place = Pick<ChosenStore, 'location' | 'name'>

/** What a text means that a person has given for a store: a name of one, or a place. A name counts before a folder. */
export function named(given: string, configFolder: string): Place {
  if (!isStoreName(given)) return { location: given }
  const file = readStoresFile(configFolder)
  const setting = file.find('stores', given)
  if (setting) return { ...placeIn(file, setting), name: given }
  const names = file.of('stores').map(({ key }) => key)
  const similar = existsSync(given) ? undefined : mostSimilar(given, names)
  if (similar !== undefined)
    throw new AppError('usage', `There is no store and no folder named ${JSON.stringify(given)}.`, {
      hint: `Did you mean ${similar}? For a new folder of that name write ./${given}.`,
    })
  return { location: given }
}

function valueOf(file: StoresFile, setting: StoreSetting): Place {
  const store = file.find('stores', setting.value)
  return store ? { ...placeIn(file, store), name: setting.value } : placeIn(file, setting)
}

/** Errors: `usage` if the value is no place that means the same in every folder. */
function placeIn({ path }: StoresFile, { value, line }: StoreSetting): Place {
  const location = inHome(value)
  if (isAbsolute(location)) return { location }
  const wrong = (why: string, hint: string): AppError => new AppError('usage', `Line ${line} of ${path}: ${why}`, { hint })
  try {
    if (parsePlace(location, () => false)) return { location }
  } catch (error) {
    if (!isAppError(error)) throw error
    throw wrong(error.message, error.hint ?? '')
  }
  throw wrong(
    `${JSON.stringify(value)} is neither the name of a store, nor a place on Drive, nor an absolute path.`,
    `Correct that line, or choose a store with \`colab-escape use <store>\`.`,
  )
}

/** `usb (/media/usb/repo)` */
export const describeStore = ({ name, location }: Place): string => (name === undefined ? location : `${name} (${location})`)

/** Why a store counts. */
export function describeChoice({ by, where }: Pick<ChosenStore, 'by' | 'where'>): string {
  switch (by) {
    case 'argument':
      return '--store'
    case 'variable':
      return where === undefined ? 'COLAB_ESCAPE_STORE' : `COLAB_ESCAPE_STORE in ${where}`
    case 'folder':
      return `\`use\` in ${where}`
    case 'global':
      return '`use --global`'
    case 'login':
      return `the login to Google Drive (${where})`
    case 'mount':
      return 'the mounted Google Drive'
  }
}

/** Tells of a choice that can't be seen in the command line or the environment. */
export function choiceNote(chosen: ChosenStore): string | undefined {
  const { by, name, location } = chosen
  if (by === 'folder' || by === 'global') return `the store is ${describeStore(chosen)}, set by ${describeChoice(chosen)}`
  return name !== undefined && existsSync(name) ? `${name} is the store ${location}; for the folder here write ./${name}` : undefined
}
