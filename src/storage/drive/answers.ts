import { AppError } from '../../util/errors.ts'
import { isRecord } from '../../util/json-fields.ts'
import type { Quota } from '../storage.ts'

/** The requested fields of a file or folder. */
export interface DriveFile {
  id: string
  name: string
  /** Bytes; 0 for folders. */
  size: number
  /** ms since 1970 by Drive's clock. */
  created: number
  sha256: string | undefined
  md5: string | undefined
  isFolder: boolean
  /** Ids of the folders that it is in, where this was asked for. */
  parents: readonly string[] | undefined
  /** What a shortcut leads to. `isFolder`: when the shortcut was made; undefined if Drive does not tell. */
  target: { id: string; isFolder: boolean | undefined } | undefined
  /** The shared drive that it is in. */
  driveId: string | undefined
  /** Who owns it, where it is not this login: an e-mail address or a name. Nobody owns what is in a shared drive. */
  owner: string | undefined
  /** False if this login may not delete it. */
  canDelete: boolean
  /** In the trash. `by-folder`: only because a folder above it is there. */
  trashed: boolean | 'by-folder'
}

export const FOLDER = 'application/vnd.google-apps.folder'
export const SHORTCUT = 'application/vnd.google-apps.shortcut'

/** Ids become part of addresses and queries, so nothing else may be in them. */
const ID = /^[\w-]{1,200}$/

export interface DrivePage {
  files: DriveFile[]
  nextPageToken: string | undefined
}

export function misunderstood(what: string): AppError {
  return new AppError('unavailable', `Drive described ${what} in a way that can't be understood.`, {
    hint: 'Is there a proxy or a login page in between? Check the network and run the same command again.',
  })
}

export function toDriveFile(file: unknown): DriveFile {
  if (!isRecord(file)) throw misunderstood('a file')
  const { id, name, createdTime, trashed, explicitlyTrashed } = file
  const created = typeof createdTime === 'string' ? Date.parse(createdTime) : NaN
  if (typeof id !== 'string' || !ID.test(id) || typeof name !== 'string' || Number.isNaN(created)) throw misunderstood('a file')
  return {
    id,
    name,
    size: toNumber(file.size, 'the size of a file') ?? 0,
    created,
    sha256: toHash(file.sha256Checksum, 64),
    md5: toHash(file.md5Checksum, 32),
    isFolder: file.mimeType === FOLDER,
    parents: Array.isArray(file.parents) ? file.parents.filter(parent => typeof parent === 'string') : undefined,
    target: toTarget(file.shortcutDetails),
    driveId: typeof file.driveId === 'string' && ID.test(file.driveId) ? file.driveId : undefined,
    owner: toOwner(file.owners),
    canDelete: !(isRecord(file.capabilities) && file.capabilities.canDelete === false),
    trashed: trashed === true && (explicitlyTrashed === false ? 'by-folder' : true),
  }
}

function toTarget(details: unknown): DriveFile['target'] {
  if (details === undefined || details === null) return undefined
  if (!isRecord(details) || typeof details.targetId !== 'string' || !ID.test(details.targetId)) throw misunderstood('a shortcut')
  const type = details.targetMimeType
  return { id: details.targetId, isFolder: typeof type === 'string' && type !== '' ? type === FOLDER : undefined }
}

function toOwner(owners: unknown): string | undefined {
  const owner: unknown = Array.isArray(owners) ? owners[0] : undefined
  if (!isRecord(owner) || owner.me !== false) return undefined
  return [owner.emailAddress, owner.displayName].find((name): name is string => typeof name === 'string' && name !== '') ?? 'somebody else'
}

/** Who alone may delete a file that this login may not delete. Undefined if it may. */
export function keeperOf({ canDelete, owner, driveId }: DriveFile): string | undefined {
  if (canDelete) return undefined
  return owner ?? (driveId === undefined ? 'its owner' : 'a manager of the shared drive')
}

/** A shared drive. */
export interface SharedDrive {
  id: string
  name: string
}

export function toSharedDrives(data: unknown): { drives: SharedDrive[]; nextPageToken: string | undefined } {
  if (!isRecord(data)) throw misunderstood('the shared drives')
  const { drives, nextPageToken = null } = data
  if (!Array.isArray(drives) || (nextPageToken !== null && typeof nextPageToken !== 'string')) throw misunderstood('the shared drives')
  const found = drives.map((drive: unknown) => {
    if (!isRecord(drive) || typeof drive.id !== 'string' || !ID.test(drive.id) || typeof drive.name !== 'string')
      throw misunderstood('the shared drives')
    return { id: drive.id, name: drive.name }
  })
  return { drives: found, nextPageToken: nextPageToken ?? undefined }
}

/** Throws `unavailable` for a search that Drive calls incomplete: what it leaves out would count as absent. */
export function toPage(data: unknown): DrivePage {
  if (!isRecord(data)) throw misunderstood('a folder')
  if (data.incompleteSearch === true)
    throw new AppError('unavailable', 'Drive listed only a part of the folder (incompleteSearch).', { hint: 'Run the same command again.' })
  const { files = data.incompleteSearch === false ? [] : undefined, nextPageToken = null } = data
  // Drive says at least that it searched all: an answer without both is not Drive's
  if (!Array.isArray(files) || (nextPageToken !== null && typeof nextPageToken !== 'string')) throw misunderstood('a folder')
  return { files: files.map(toDriveFile), nextPageToken: nextPageToken ?? undefined }
}

export function toIds(data: unknown): string[] {
  const ids: unknown = isRecord(data) ? data.ids : undefined
  if (!Array.isArray(ids) || !ids.every((id): id is string => typeof id === 'string' && ID.test(id))) throw misunderstood('new ids')
  return ids
}

export function toQuota(data: unknown): Quota {
  const quota = isRecord(data) && isRecord(data.storageQuota) ? data.storageQuota : {}
  const number = (field: string): number | undefined => toNumber(quota[field], 'its free space')
  return {
    used: number('usage'),
    limit: number('limit'),
    inDrive: number('usageInDrive'),
    inTrash: number('usageInDriveTrash'),
  }
}

/** Drive sends 64-bit numbers as strings. */
function toNumber(value: unknown, what: string): number | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string' || !/^\d{1,15}$/.test(value)) throw misunderstood(what)
  return Number(value)
}

function toHash(value: unknown, digits: number): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string' || value.length !== digits || !/^[0-9a-f]+$/.test(value)) throw misunderstood('a checksum')
  return value
}
