import { existsSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { realPathOf } from '../../local/real-path.ts'
import { CONFIG_NAME, isOurs, type Inventory } from '../../repository/format/object-names.ts'
import { CountingStorage } from '../../storage/counting.ts'
import type { DriveStorage } from '../../storage/drive/drive-storage.ts'
import { locationOf, MY_DRIVE, parsePlace, type DrivePlace } from '../../storage/drive/place.ts'
import { FolderStorage } from '../../storage/folder.ts'
import { LimitingStorage } from '../../storage/limiting.ts'
import { storedHashInName } from '../../repository/sealing/sealed-names.ts'
import { EncryptableStorage } from '../../repository/sealing/encryptable-storage.ts'
import type { Storage } from '../../storage/storage.ts'
import { plural } from '../../ui/format.ts'
import { AppError, NO_REPOSITORY } from '../../util/errors.ts'
import { inHome } from '../../util/paths.ts'
import { silentReporter } from '../../util/reporter.ts'
import { prepareCacheFolder } from './cache-folder.ts'
import { choiceNote, givenStore, type ChosenStore } from './chosen-store.ts'
import { latelyStoredFile } from './lately-stored-file.ts'
import { refuseUnmounted } from './lost-store.ts'
import { isMounted } from './mounts.ts'
import { noteMade, noteRemoved, noteState, refuseOpenedUp, refusePlainObject, wasEncrypted } from './seen-state.ts'
import type { Session } from './session.ts'
import { isStoreName } from './stores-file.ts'

const MOUNTED_STORE = '/content/drive/MyDrive/colab-escape'
const DRIVE_FOLDER = 'colab-escape'
export const DRIVE_LIMITS = { maxConcurrent: 8, maxInFlightBytes: 128 * 1024 * 1024 }

interface StoreBase {
  storage: Storage
  /** Seals what `storage` stores, if the store is encrypted. */
  encryption: EncryptableStorage
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
export type StoreSession = Pick<
  Session,
  'options' | 'settings' | 'program' | 'console' | 'signal' | 'trash' | 'patience' | 'stores' | 'storeNoted' | 'keys'
>

/** Opens the store that counts, and tells why it counts if nothing shows that. Sets the session's trash. */
export async function chooseStore(session: StoreSession): Promise<Store> {
  const chosen = await storeChoice(session)
  const note = session.storeNoted ? undefined : choiceNote(chosen)
  if (note !== undefined) session.console.reporter.note(note)
  session.storeNoted = true
  return openStore(session, chosen.location)
}

/**
 * The store that counts: the one that a person has chosen, else Drive if there are credentials, else the folder on a
 * mounted Drive. Errors: `usage` when there is none of them.
 */
export async function storeChoice(session: StoreSession): Promise<ChosenStore> {
  const given = givenStore(session)
  if (given) return given
  const { authContext, sessionCredentials } = await import('./credentials.ts')
  const { isUsable } = await import('../../auth/choose.ts')
  const credentials = await sessionCredentials(session, authContext(session))
  const isThere = existsSync(MOUNTED_STORE)
  if (credentials !== undefined && (!isThere || (await isUsable(credentials, session.signal))))
    return { location: driveLocation({ start: MY_DRIVE, path: [] }), by: 'login', where: credentials.origin }
  if (isThere) return { location: MOUNTED_STORE, by: 'mount' }
  throw noStore(session)
}

/** The session's `explain` adds the stores that this machine has used. */
function noStore({ settings }: StoreSession): AppError {
  const inFolder = settings.passedOver.includes('COLAB_ESCAPE_STORE')
    ? 'Use the store that .env of the current folder sets, if you trust that file, with --settings-file .env. Or log in'
    : 'Log in'
  return new AppError('usage', 'No repository chosen: not logged in to Drive and no --store.', {
    reason: NO_REPOSITORY,
    hint: `${inFolder} to Google Drive (colab-escape auth login), choose a folder with --store <folder>, COLAB_ESCAPE_STORE or \`colab-escape use\`, or, in Colab, mount Drive and create the folder ${MOUNTED_STORE}.`,
  })
}

/** Opens a store. Sets the session's trash. */
export async function openStore(session: StoreSession, location: string): Promise<Store> {
  const place = placeOf(location)
  return place ? openDrive(session, place) : openFolder(session, location)
}

async function openDrive(session: StoreSession, { start, path }: DrivePlace): Promise<DriveStore> {
  const { drive, requests, account } = await connectDrive(session, repositoryIn({ start, path }))
  session.trash = drive.trash()
  session.stores.open({
    location: drive.location,
    login: account,
    folder: () => drive.folderId,
    isUsed: () => drive.knows(CONFIG_NAME),
  })
  const storage = encryptable(session, new LimitingStorage(drive, DRIVE_LIMITS))
  return { kind: 'drive', storage, encryption: storage, requests, owner: () => drive.owner, link: () => drive.link }
}

/** A store that asks for the keys when a listing shows that it is encrypted. */
function encryptable(session: StoreSession, inner: Storage): EncryptableStorage {
  return new EncryptableStorage(inner, {
    isExpected: () => wasEncrypted(session, inner.location),
    unlock: async locked => (await import('./encryption.ts')).unlockStore(session, locked),
    onPlain: listing => refuseOpenedUp(session, inner.location, listing),
    beforePlainPut: () => refusePlainObject(session, inner.location),
    onMade: keyId => noteMade(session, inner.location, keyId),
    onSealed: (keyId, listing) => noteState(session, inner.location, keyId, listing),
    onRemoved: (keyId, name) => noteRemoved(session, inner.location, keyId, name),
  })
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

/** Opens a folder on Drive. Its client and the login are large, so they are loaded only when Drive is used. */
export async function connectDrive(
  session: StoreSession,
  { start, path }: DrivePlace,
): Promise<{ drive: DriveStorage; requests: StoreBase['requests']; account: string }> {
  const { authContext, sessionCredentials } = await import('./credentials.ts')
  const { noCredentials } = await import('../../auth/choose.ts')
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
    hashInName: storedHashInName,
    latelyStored: latelyStoredFile(prepareCacheFolder(session.settings.cacheFolder, silentReporter), locationOf({ start, path })),
    onRequest: kind => (requests[kind] = (requests[kind] ?? 0) + 1),
  })
  return { drive, requests: () => ({ ...requests }), account: credentials.account }
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

/** The absolute path of a folder store. */
function pathOf(location: string): string {
  const expanded = inHome(location)
  if (/^~/.test(expanded) && !existsSync(expanded.split(/[/\\]/, 1)[0]!))
    throw new AppError('usage', `${JSON.stringify(location)} isn't expanded: only ~ and ~/ stand for your home folder.`, {
      hint: `Write the whole path. For a folder of that name here write ${JSON.stringify(`./${location}`)}.`,
    })
  return resolve(expanded)
}

function openFolder(session: StoreSession, location: string): FolderStore {
  const path = realPathOf(pathOf(location))
  // a repository that was made there by mistake can be read
  if (!existsSync(join(path, CONFIG_NAME))) refuseUnmounted(path)
  if (existsSync(path) && !statSync(path).isDirectory())
    throw new AppError('not-a-repository', `${path} is a file, not a folder.`, { hint: 'Set --store to the folder of the repository.' })
  const folder = new FolderStorage(path)
  const counting = new CountingStorage(folder)
  const storage = encryptable(session, counting)
  session.stores.open({ location: path, login: '', folder: () => undefined, isUsed: () => existsSync(join(path, CONFIG_NAME)) })
  return { kind: 'folder', storage, encryption: storage, folder, requests: () => ({ ...counting.calls }), path, mounted: isMounted(path) }
}

/**
 * How a push checks a folder in the end. It does not read through a mount, where content may still have to arrive.
 * Drive confirms checksums itself.
 */
export function readBackFrom(store: Store): { storage: Storage; content: boolean } | undefined {
  if (store.kind !== 'folder') return undefined
  const { encryption, folder, mounted } = store
  return {
    // whether it is encrypted may be known only after the first listing
    get storage() {
      return encryption.over(folder)
    },
    content: !mounted,
  }
}

/** A location that means the same in every folder. */
export function keptLocation(location: string): string {
  const place = placeOf(location)
  return place ? locationOf(place) : pathOf(location)
}

/** Whether a store may have this name: nothing else is written like it. */
export function isKeptName(name: string): boolean {
  try {
    return isStoreName(name) && parsePlace(name, () => false) === undefined
  } catch {
    return false
  }
}

/** Throws `not-a-repository` if a push may make no repository in a store, because other files are there. */
export async function refuseOthersFiles(store: Store, { empty, foreign }: Inventory): Promise<void> {
  if (store.kind === 'folder') await refuseStrangers(store)
  else if (empty && foreign > 0)
    throw new AppError('not-a-repository', `${store.storage.location} is not a repository and contains ${plural(foreign, 'other file')}.`, {
      hint: 'Choose an empty or a new folder.',
    })
}

async function refuseStrangers({ folder, path }: FolderStore): Promise<void> {
  const strangers = existsSync(join(path, CONFIG_NAME)) ? [] : await folder.strangers(isOurs, 3)
  if (strangers.length > 0)
    throw new AppError('not-a-repository', `${path} is not a repository and contains other files (${strangers.join(', ')}).`, {
      hint: `Name an empty or a new folder, e.g. ${join(path, 'colab-escape')}`,
    })
}

/**
 * Prepares a folder store for a push. Refuses a folder with other files, and one of a Drive that is not mounted.
 * Removes temporary files of killed writers.
 */
export async function prepareForPush(store: Store, dryRun: boolean): Promise<void> {
  if (store.kind !== 'folder') return
  refuseUnmounted(store.path)
  await refuseStrangers(store)
  if (!dryRun) await store.folder.removeStaleTemporaries()
}
