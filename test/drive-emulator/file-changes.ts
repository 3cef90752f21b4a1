import { findFile, findParent, requireChange, requireRight, requireSpace, requireWriting } from './access.ts'
import type { Caller } from './access.ts'
import { Content } from './content.ts'
import type { Drive } from './drive.ts'
import { badRequest, GoogleError, insufficientFilePermissions, invalidValue } from './errors.ts'
import { mergeProperties } from './file-metadata.ts'
import type { Metadata } from './file-metadata.ts'
import { FOLDER, SHORTCUT, sizeOf } from './file-store.ts'
import type { DriveFile } from './file-store.ts'
import { driveIdOf } from './sharing.ts'
import { randomText } from './surroundings.ts'

/** The content of an upload and what the client called its type. */
export interface Media {
  bytes: Buffer
  type: string | undefined
}

const NATIVE = 'application/vnd.google-apps.'

function requireRoom(drive: Drive, caller: Caller, more: number): void {
  if (caller.user.serviceAccount)
    throw new GoogleError(
      403,
      'storageQuotaExceeded',
      'Service Accounts do not have storage quota. Leverage shared drives, or use OAuth delegation instead.',
      { domain: 'usageLimits' },
    )
  if (caller.user.quota !== undefined && more > 0 && drive.store.usage(caller.user.email) + more > caller.user.quota)
    throw new GoogleError(403, 'storageQuotaExceeded', "The user's Drive storage quota has been exceeded.", { domain: 'usageLimits' })
}

/** All that can be known to be wrong with a creation before its content is there. Returns the parent. */
export function checkCreation(drive: Drive, caller: Caller, metadata: Metadata, bytes: number | undefined): DriveFile {
  requireWriting(caller)
  const { parents = ['root'], id, mimeType } = metadata
  if (parents.length > 1) throw new GoogleError(403, 'cannotAddParent', 'Increasing the number of parents is not allowed')
  const parent = findParent(drive.store, caller, parents[0] ?? 'root', drive)
  drive.conduct.requireThere(parent, parent.id)
  requireSpace(caller, parent.space)
  // the root is nobody's file, but open to every app that may write
  if (!drive.store.isRoot(parent.id) || parent.isSharedDrive === true) requireChange(drive.store, caller, parent)
  if (id !== undefined) {
    if (drive.store.isTaken(id))
      throw new GoogleError(409, 'fileIdInUse', 'A file already exists with the provided ID.', {
        location: 'file.id',
        locationType: 'other',
      })
    if (!drive.isGenerated(id, caller, parent.space))
      throw new GoogleError(400, 'invalid', 'The provided file ID is not usable.', { location: 'file.id', locationType: 'other' })
  }
  if ((mimeType === SHORTCUT) !== (metadata.target !== undefined)) throw badRequest('A shortcut has a target, and nothing else has.')
  // throws where the caller does not know of the target
  if (metadata.target !== undefined) findFile(drive.store, caller, metadata.target, drive)
  if (mimeType !== undefined && mimeType !== FOLDER && mimeType !== SHORTCUT && mimeType.startsWith(NATIVE))
    throw badRequest(`This emulator makes no ${mimeType}.`)
  if ((mimeType === FOLDER || mimeType === SHORTCUT) && bytes !== undefined) throw badRequest('A folder or shortcut has no content.')
  // what is in a shared drive takes nobody's storage
  if (mimeType !== FOLDER && mimeType !== SHORTCUT && driveIdOf(drive.store, parent) === undefined) requireRoom(drive, caller, bytes ?? 0)
  return parent
}

/** Makes a file (empty without media) or, by its mimeType, a folder. */
export function createFile(drive: Drive, caller: Caller, metadata: Metadata, media?: Media): DriveFile {
  const parent = checkCreation(drive, caller, metadata, media?.bytes.length)
  const now = drive.surroundings.now()
  const isEmpty = metadata.mimeType === FOLDER || metadata.mimeType === SHORTCUT
  const file: DriveFile = {
    id: metadata.id ?? drive.newId(),
    name: metadata.name ?? 'Untitled',
    mimeType: metadata.mimeType ?? media?.type ?? 'application/octet-stream',
    parent: parent.id,
    space: parent.space,
    owner: driveIdOf(drive.store, parent) === undefined ? caller.user.email : '',
    target: metadata.target,
    clientId: caller.clientId,
    createdTime: metadata.createdTime ?? now,
    modifiedTime: metadata.modifiedTime ?? now,
    trashed: false,
    starred: metadata.starred ?? false,
    description: metadata.description,
    originalFilename: metadata.originalFilename,
    properties: mergeProperties({}, metadata.properties ?? {}),
    appProperties: new Map([[caller.clientId, mergeProperties({}, metadata.appProperties ?? {})]]),
    content: isEmpty ? undefined : new Content(media?.bytes ?? Buffer.alloc(0)),
    headRevisionId: isEmpty ? undefined : newRevision(drive),
    version: 1,
    born: now,
  }
  drive.store.add(file)
  return file
}

const newRevision = (drive: Drive) => `0B${randomText(drive.surroundings.random, 49)}`

export interface ParentChange {
  add: string | undefined
  remove: string | undefined
}

/** A file has one parent: adding one takes removing the other in the same call. */
function changeParent(drive: Drive, caller: Caller, file: DriveFile, { add, remove }: ParentChange): void {
  const one = (ids: string | undefined) => {
    const list = ids?.split(',') ?? []
    if (list.length > 1) throw new GoogleError(403, 'cannotAddParent', 'Increasing the number of parents is not allowed')
    return list[0]
  }
  const [added, removed] = [one(add), one(remove)]
  const removedId = removed === undefined ? undefined : findParent(drive.store, caller, removed, drive).id
  if (removedId !== undefined && removedId !== file.parent)
    throw new GoogleError(400, 'invalid', 'The specified parent is not a parent of the file.', { location: 'removeParents' })
  if (added === undefined) {
    if (removed !== undefined) throw badRequest('A file must have exactly one parent.')
    return
  }
  const parent = findParent(drive.store, caller, added, drive)
  if (parent.id === file.parent) return
  if (drive.store.isRoot(file.id)) throw new GoogleError(403, 'insufficientFilePermissions', 'The root folder cannot be moved.')
  if (removedId === undefined) throw new GoogleError(403, 'cannotAddParent', 'Increasing the number of parents is not allowed')
  if (parent.space !== file.space) throw invalidValue('addParents', 'Files cannot be moved between spaces.')
  drive.store.move(file, parent.id)
}

/** All that can be known to be wrong with an update before its content is there. */
export function checkUpdate(drive: Drive, caller: Caller, file: DriveFile, metadata: Metadata, bytes: number | undefined): void {
  requireChange(drive.store, caller, file)
  if (metadata.trashed !== undefined) requireRight(drive.store, caller, file, 'trash')
  if (drive.store.isRoot(file.id) && (metadata.trashed === true || metadata.name !== undefined)) throw insufficientFilePermissions()
  const type = metadata.mimeType
  if (type !== undefined && (type === FOLDER || file.mimeType === FOLDER) && type !== file.mimeType)
    throw badRequest('A folder stays a folder, a file a file.')
  if (bytes === undefined) return
  if (file.mimeType === FOLDER || file.mimeType === SHORTCUT) throw badRequest('A folder or shortcut has no content.')
  if (driveIdOf(drive.store, file) === undefined) requireRoom(drive, caller, bytes - sizeOf(file))
}

export function updateFile(
  drive: Drive,
  caller: Caller,
  file: DriveFile,
  metadata: Metadata,
  parents: ParentChange = { add: undefined, remove: undefined },
  media?: Media,
): void {
  checkUpdate(drive, caller, file, metadata, media?.bytes.length)
  const properties = mergeProperties(file.properties, metadata.properties ?? {})
  const appProperties = mergeProperties(file.appProperties.get(caller.clientId) ?? {}, metadata.appProperties ?? {})
  changeParent(drive, caller, file, parents)
  file.properties = properties
  file.appProperties.set(caller.clientId, appProperties)
  const { name, mimeType = media?.type, description, originalFilename, starred, trashed, modifiedTime } = metadata
  if (name !== undefined) file.name = name
  if (mimeType !== undefined) file.mimeType = mimeType
  if (description !== undefined) file.description = description
  if (originalFilename !== undefined) file.originalFilename = originalFilename
  if (starred !== undefined) file.starred = starred
  if (trashed !== undefined) {
    file.trashed = trashed
    file.trashedTime = trashed ? drive.surroundings.now() : undefined
  }
  if (media !== undefined) drive.store.setContent(file, new Content(media.bytes), newRevision(drive))
  // a move or the trash leaves the time of the last change alone
  const changed = media !== undefined || name !== undefined || description !== undefined || metadata.properties !== undefined
  if (modifiedTime !== undefined) file.modifiedTime = modifiedTime
  else if (changed || metadata.appProperties !== undefined) file.modifiedTime = drive.surroundings.now()
  file.version++
}
