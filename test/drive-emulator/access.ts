import { fileNotFound, GoogleError, insufficientFilePermissions, insufficientScopes } from './errors.ts'
import type { DriveFile, FileStore, Space } from './file-store.ts'
import { FOLDER } from './file-store.ts'
import { driveIdOf, rightsOf, roleOf } from './sharing.ts'

export interface User {
  readonly email: string
  readonly name: string
  readonly permissionId: string
  readonly rootId: string
  /** Has no storage of its own. */
  readonly serviceAccount: boolean
  /** Bytes; undefined for no limit. */
  quota: number | undefined
}

/** Who asks: a user by way of an app, with what the user allowed that app. */
export interface Caller {
  user: User
  clientId: string
  scopes: ReadonlySet<string>
  /** Knows of shared drives: without it they do not exist for this call. */
  allDrives?: boolean
}

const PREFIX = 'https://www.googleapis.com/auth/'
export const SCOPES = {
  drive: `${PREFIX}drive`,
  file: `${PREFIX}drive.file`,
  readonly: `${PREFIX}drive.readonly`,
  appData: `${PREFIX}drive.appdata`,
  email: `${PREFIX}userinfo.email`,
  profile: `${PREFIX}userinfo.profile`,
} as const

/** Every scope that the consent page knows. */
export const KNOWN_SCOPES: readonly string[] = [...Object.values(SCOPES), 'openid', 'email', 'profile']

/** `drive.file` -> its full name; a full name stays. */
export const fullScope = (scope: string): string => (scope.startsWith('drive') ? PREFIX + scope : scope)

const hasAny = (caller: Caller, ...scopes: string[]) => scopes.some(scope => caller.scopes.has(scope))

export const requireReading = (caller: Caller): void => {
  if (!hasAny(caller, SCOPES.drive, SCOPES.file, SCOPES.readonly, SCOPES.appData)) throw insufficientScopes()
}

export const requireWriting = (caller: Caller): void => {
  if (!hasAny(caller, SCOPES.drive, SCOPES.file, SCOPES.appData)) throw insufficientScopes()
}

export function requireSpace(caller: Caller, space: Space): void {
  if (space === 'appDataFolder' ? !hasAny(caller, SCOPES.appData) : !hasAny(caller, SCOPES.drive, SCOPES.file, SCOPES.readonly))
    throw insufficientScopes()
}

/**
 * A user sees what is their own or shared with them, and what others have put into their folders. `drive.file` shows
 * what the same client id made, and nothing else; app data is its client's own under any scope.
 */
export function canSee(store: FileStore, caller: Caller, file: DriveFile): boolean {
  if (roleOf(store, caller.user.email, file) === undefined) return false
  if (caller.allDrives !== true && driveIdOf(store, file) !== undefined) return false
  if (file.space === 'appDataFolder') return hasAny(caller, SCOPES.appData) && file.clientId === caller.clientId
  return hasAny(caller, SCOPES.drive, SCOPES.readonly) || (hasAny(caller, SCOPES.file) && file.clientId === caller.clientId)
}

/** What to call the roots; the app data folder of a client appears when it is first asked for. */
export interface Roots {
  appDataId: (caller: Caller) => string
}

export function resolveAlias(alias: string, caller: Caller, roots: Roots): string {
  if (alias === 'root') return caller.user.rootId
  if (alias === 'appDataFolder') {
    requireSpace(caller, 'appDataFolder')
    return roots.appDataId(caller)
  }
  return alias
}

/** A link opens a file for everybody, but shows it in no listing. */
function isOpenByLink(store: FileStore, caller: Caller, file: DriveFile): boolean {
  const isKnown = caller.allDrives === true || driveIdOf(store, file) === undefined
  return isKnown && hasAny(caller, SCOPES.drive, SCOPES.readonly) && store.lineOf(file).some(({ linkRole }) => linkRole !== undefined)
}

/** The file that `id` names, if the caller may know about it; an error 404 otherwise. */
export function findFile(store: FileStore, caller: Caller, id: string, roots: Roots): DriveFile {
  const file = store.files.get(resolveAlias(id, caller, roots))
  if (file === undefined || !(canSee(store, caller, file) || isOpenByLink(store, caller, file)))
    throw fileNotFound(id === 'root' ? caller.user.rootId : id)
  return file
}

/** Reading is more than `drive.file` gives for the files of others. */
export function requireChange(store: FileStore, caller: Caller, file: DriveFile): void {
  requireWriting(caller)
  if (!rightsOf(store, caller.user.email, file).edit) throw insufficientFilePermissions()
  if (file.space === 'drive' && !hasAny(caller, SCOPES.drive) && file.clientId !== caller.clientId)
    throw new GoogleError(
      403,
      'appNotAuthorizedToFile',
      `The user has not granted the app ${caller.clientId} write access to the file ${file.id}.`,
    )
}

/** Whoever may change a file may not also delete it or move it to the trash. */
export function requireRight(store: FileStore, caller: Caller, file: DriveFile, right: 'trash' | 'delete'): void {
  if (!rightsOf(store, caller.user.email, file)[right]) throw insufficientFilePermissions()
}

/**
 * The folder that something is to be put into. The root is open to every app that may write, though `drive.file` cannot
 * look at it.
 */
export function findParent(store: FileStore, caller: Caller, id: string, roots: Roots): DriveFile {
  const parent = store.files.get(resolveAlias(id, caller, roots))
  if (parent === undefined || (parent.id !== caller.user.rootId && !canSee(store, caller, parent))) throw fileNotFound(id)
  if (parent.mimeType !== FOLDER)
    throw new GoogleError(403, 'parentNotAFolder', 'The specified parent is not a folder.', { location: 'fileId' })
  return parent
}
