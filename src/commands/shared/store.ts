import { existsSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { isUsable, noCredentials } from '../../auth/choose.ts'
import { realPathOf } from '../../local/real-path.ts'
import { CONFIG_NAME, hashInName, isOurs } from '../../repository/format/object-names.ts'
import { CountingStorage } from '../../storage/counting.ts'
import type { DriveStorage } from '../../storage/drive/drive-storage.ts'
import { locationOf, MY_DRIVE, parsePlace, type DrivePlace } from '../../storage/drive/place.ts'
import { FolderStorage } from '../../storage/folder.ts'
import { LimitingStorage } from '../../storage/limiting.ts'
import type { Storage } from '../../storage/storage.ts'
import { AppError } from '../../util/errors.ts'
import { silentReporter } from '../../util/reporter.ts'
import { prepareCacheFolder } from './cache-folder.ts'
import { authContext, sessionCredentials } from './credentials.ts'
import { latelyStoredFile } from './lately-stored-file.ts'
import { refuseUnmounted } from './lost-store.ts'
import type { Session } from './session.ts'

const MOUNTED_STORE = '/content/drive/MyDrive/colab-escape'
const DRIVE_FOLDER = 'colab-escape'
export const DRIVE_LIMITS = { maxConcurrent: 8, maxInFlightBytes: 128 * 1024 * 1024 }

interface StoreBase {
  storage: Storage
  /** Requests so far, by kind. */
  requests: () => Record<string, number>
}

interface FolderStore extends StoreBase {
  kind: 'folder'
  folder: FolderStorage
  /** Absolute path. Links in its existing part are resolved. */
  path: string
  /** Whether the folder is on a mounted Drive, which uploads later: data written there is not safe yet. */
  mounted: boolean
}

interface DriveStore extends StoreBase {
  kind: 'drive'
  /** Who owns its folder, where it is not this login, as far as is known. */
  owner: () => string | undefined
  /** Its folder's address in the browser, as far as is known. */
  link: () => string | undefined
}

export function totalRequests(requests: Record<string, number>): number {
  return Object.values(requests).reduce((sum, count) => sum + count, 0)
}

export function requestsSince(before: Record<string, number>, now: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(now).map(([kind, count]) => [kind, count - (before[kind] ?? 0)]))
}

export function requestsByKind(requests: Record<string, number>): string {
  const kinds = Object.entries(requests).filter(([, count]) => count > 0)
  return `requests: ${kinds.map(([kind, count]) => `${count} ${kind}`).join(', ') || 'none'}`
}

export type Store = FolderStore | DriveStore

/** The parts of a session that the choice depends on. */
export type StoreSession = Pick<Session, 'options' | 'settings' | 'program' | 'console' | 'signal' | 'trash' | 'patience'>

/**
 * Opens the store: `--store`, else COLAB_ESCAPE_STORE, else Drive if there are credentials, else the folder on a
 * mounted Drive. Sets the session's trash. Errors: `usage` when there is none of them.
 */
export async function chooseStore(session: StoreSession): Promise<Store> {
  const location = session.options.store ?? session.settings.store
  if (location !== undefined && location !== '') {
    const place = placeOf(location)
    return place ? openDrive(session, place) : openFolder(location)
  }
  const credentials = await sessionCredentials(session, authContext(session))
  const mounted = existsSync(MOUNTED_STORE)
  if (credentials !== undefined && (!mounted || (await isUsable(credentials, session.signal))))
    return openDrive(session, { start: MY_DRIVE, path: [] })
  if (mounted) return openFolder(MOUNTED_STORE)
  const inFolder = session.settings.passedOver.includes('COLAB_ESCAPE_STORE')
    ? 'Use the store that .env of the current folder sets, if you trust that file, with --settings-file .env. Or log in'
    : 'Log in'
  throw new AppError('usage', 'No store is set and there is no login, so colab-escape does not know where the repository is.', {
    hint: `${inFolder} to Google Drive (colab-escape auth login), set a folder with --store <folder> or COLAB_ESCAPE_STORE, or, in Colab, mount Drive and create the folder ${MOUNTED_STORE}.`,
  })
}

async function openDrive(session: StoreSession, { start, path }: DrivePlace): Promise<DriveStore> {
  const { drive, requests } = await connectDrive(session, repositoryIn({ start, path }))
  session.trash = drive.trash()
  return { kind: 'drive', storage: new LimitingStorage(drive, DRIVE_LIMITS), requests, owner: () => drive.owner, link: () => drive.link }
}

/** A repository in a whole Drive lies in a folder of its own. */
function repositoryIn({ start, path }: DrivePlace): DrivePlace {
  return { start, path: path.length === 0 && start.in !== 'id' ? [DRIVE_FOLDER] : path }
}

/** The location of the repository in a place on Drive. */
export const driveLocation = (place: DrivePlace): string => locationOf(repositoryIn(place))

/** The locations where a repository may be if no store is set. */
export function defaultLocations(): string[] {
  return [driveLocation({ start: MY_DRIVE, path: [] }), ...(existsSync(MOUNTED_STORE) ? [MOUNTED_STORE] : [])]
}

/** Opens a folder on Drive. The client for Drive is large, so it is loaded only when Drive is used. */
export async function connectDrive(
  session: StoreSession,
  { start, path }: DrivePlace,
): Promise<{ drive: DriveStorage; requests: StoreBase['requests'] }> {
  const context = authContext(session)
  const credentials = await sessionCredentials(session, context)
  if (credentials === undefined) throw noCredentials()
  session.console.reporter.detail(`using ${credentials.source.description}`)
  if (credentials.note !== undefined) session.console.reporter.note(credentials.note)
  const { DriveStorage } = await import('../../storage/drive/drive-storage.ts')
  const requests: Record<string, number> = {}
  const drive = new DriveStorage({
    tokens: credentials.source,
    start,
    path,
    baseUrl: context.endpoints.api,
    fetch: context.fetch,
    patience: session.patience,
    hashInName,
    latelyStored: latelyStoredFile(prepareCacheFolder(session.settings.cacheFolder, silentReporter), locationOf({ start, path })),
    onRequest: kind => (requests[kind] = (requests[kind] ?? 0) + 1),
  })
  return { drive, requests: () => ({ ...requests }) }
}

/** The place on Drive that a location names; undefined for a path on the disk. Throws `usage` for near misses of it. */
export const placeOf = (location: string): DrivePlace | undefined => parsePlace(location, existsSync)

/** Refuses a place on Drive, or what looks like one, where files of the disk are stored. */
export function requireOnDisk(path: string): void {
  if (!existsSync(path) && placeOf(path) !== undefined)
    throw new AppError('usage', `${JSON.stringify(path)} is on Drive, but only what is on this disk can be stored.`, {
      hint: 'Name a folder or file of this disk. Drive can be mounted, or download it first.',
    })
}

/** Refuses a place on Drive, or what looks like one, where files are written to the disk. */
export function requireLocal(path: string): void {
  if (placeOf(path) !== undefined)
    throw new AppError('usage', `${JSON.stringify(path)} is on Drive, but files are written to this disk.`, {
      hint: `For a folder or file of that name here write ${JSON.stringify(`./${path}`)}.`,
    })
}

/** The folders where Colab mounts Drive, under any name, and where Google's own program puts it on a Mac. */
const MOUNTS = /^\/content\/[^/]+\/(MyDrive|My Drive|Shareddrives|Shared drives)(\/|$)|\/Library\/CloudStorage\/GoogleDrive-/

/** Whether a folder is on a mounted Drive: data written there is not safe yet, and missing data may still arrive. */
export function isMounted(path: string): boolean {
  return path.startsWith('/content/drive/') || MOUNTS.test(path)
}

function openFolder(location: string): FolderStore {
  const path = realPathOf(resolve(location.replace(/^~(?=\/|$)/, homedir())))
  // a repository that was made there by mistake can be read
  if (!existsSync(join(path, CONFIG_NAME))) refuseUnmounted(path)
  if (existsSync(path) && !statSync(path).isDirectory())
    throw new AppError('not-a-repository', `${path} is a file, not a folder.`, { hint: 'Set --store to the folder of the repository.' })
  const folder = new FolderStorage(path)
  const storage = new CountingStorage(folder)
  return { kind: 'folder', storage, folder, requests: () => ({ ...storage.calls }), path, mounted: isMounted(path) }
}

/**
 * How a push checks a folder in the end. It does not read through a mount, where content may still have to arrive.
 * Drive confirms checksums itself.
 */
export function readBackFrom(store: Store): { storage: Storage; content: boolean } | undefined {
  return store.kind === 'folder' ? { storage: store.folder, content: !store.mounted } : undefined
}

/**
 * Prepares a folder store for a push. Refuses a folder with other files, and one of a Drive that is not mounted.
 * Removes temporary files of killed writers.
 */
export async function prepareForPush(store: Store, dryRun: boolean): Promise<void> {
  if (store.kind !== 'folder') return
  const { folder, path } = store
  refuseUnmounted(path)
  const strangers = existsSync(join(path, CONFIG_NAME)) ? [] : await folder.strangers(isOurs, 3)
  if (strangers.length > 0)
    throw new AppError('not-a-repository', `${path} is not a repository and contains other files (${strangers.join(', ')}).`, {
      hint: `Name an empty or a new folder, e.g. --store ${join(path, 'colab-escape')}`,
    })
  if (!dryRun) await folder.removeStaleTemporaries()
}
