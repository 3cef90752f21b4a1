import { readdirSync, writeFileSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { OwnFiles, type OwnFile } from '../../local/own-files.ts'
import { realPathOf } from '../../local/real-path.ts'
import { isTemporaryOf } from '../../local/replace-file.ts'
import { errnoOf, messageOf } from '../../util/errors.ts'
import { LOGIN_NAME } from './login-file.ts'
import type { Session } from './session.ts'
import type { Store } from './store.ts'
import { STORES_NAME } from './stores-file.ts'

/** Marks a cache for all backup programs (https://bford.info/cachedir/). */
const CACHE_TAG = 'CACHEDIR.TAG'
const CACHE_TAG_TEXT = `Signature: 8a477f597d28d172789f06886806bc55
# This folder is a cache of colab-escape: everything in it can be made again.
# See https://bford.info/cachedir/
`
/** Whoever could replace these would decide where data goes. */
const SETTINGS_NAMES = [LOGIN_NAME, STORES_NAME]
const CACHE_NAMES = new Set([
  CACHE_TAG,
  'compile-cache',
  'drive',
  'files',
  'lines',
  'stores',
  'tensors',
  'update.json',
  'versions',
  'watches',
])

type Settings = Pick<Session, 'settings'>

/** What no version and no archive holds, and no pull deletes: the store, the cache, the login and the chosen stores. */
export function ownFiles({ settings }: Settings, store: Store | undefined, others: readonly OwnFile[] = []): OwnFiles {
  return new OwnFiles([
    ...(store?.kind === 'folder' ? [{ path: store.path, what: 'the store itself' }] : []),
    ...partsOf(settings.cacheFolder, "colab-escape's cache", isInCache),
    ...partsOf(settings.configFolder, "colab-escape's saved login", isSetting).map(named),
    ...others,
  ])
}

const named = (part: OwnFile): OwnFile => (basename(part.path) === STORES_NAME ? { ...part, what: "colab-escape's file of stores" } : part)
const isInCache = (name: string): boolean => CACHE_NAMES.has(name)
const isSetting = (name: string): boolean => SETTINGS_NAMES.some(own => name === own || isTemporaryOf(name, own))

/**
 * The whole folder if it is ours: nothing else is in it, or it has our name. In a folder that a person has named and
 * uses for other files too, only our parts.
 */
function partsOf(folder: string, what: string, isOurs: (name: string) => boolean): OwnFile[] {
  const names = namesIn(folder)
  if (names === undefined) return []
  const path = realPathOf(resolve(folder))
  if (isWhole(path, names, isOurs)) return [{ path, what }]
  return names.filter(isOurs).map(name => ({ path: join(path, name), what }))
}

const isWhole = (path: string, names: readonly string[], isOurs: (name: string) => boolean): boolean =>
  basename(path) === 'colab-escape' || names.every(isOurs)

/** Undefined if there is no such folder, or it can't be read. */
function namesIn(folder: string): string[] | undefined {
  try {
    return readdirSync(folder)
  } catch {
    return undefined
  }
}

/**
 * Makes the cache folder, with its tag. It has to be there before a source is listed, because it changes the time of
 * the folder above it. Without a cache a command only takes longer.
 */
export function prepareCache(session: Pick<Session, 'cacheFolder' | 'console'>): void {
  const folder = session.cacheFolder()
  if (folder === undefined) return
  try {
    if (isWhole(folder, readdirSync(folder), isInCache)) writeFileSync(join(folder, CACHE_TAG), CACHE_TAG_TEXT, { flag: 'wx' })
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') session.console.reporter.detail(`the cache ${folder} can't be written to (${messageOf(error)})`)
  }
}
