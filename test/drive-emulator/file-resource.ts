import type { Caller } from './access.ts'
import type { Schema } from './field-mask.ts'
import { FOLDER, sizeOf } from './file-store.ts'
import type { DriveFile, FileStore } from './file-store.ts'
import { permissionsOf, PERMISSION_FIELDS } from './permissions.ts'
import { driveIdOf, rightsOf, roleOf } from './sharing.ts'
import type { Rights } from './sharing.ts'
import { formatTime } from './time.ts'

const names = <V extends 'leaf' | 'map'>(text: string, value: V): Record<string, V> =>
  Object.fromEntries(
    text
      .trim()
      .split(/\s+/)
      .map(name => [name, value]),
  )

export const USER_FIELDS: Schema = names('kind displayName photoLink me permissionId emailAddress', 'leaf')

/**
 * Every field of a v3 file, whether this emulator fills it or not: selecting a field that a file does not have is no
 * error.
 */
export const FILE_FIELDS: Schema = {
  ...names(
    `kind id name mimeType description starred trashed explicitlyTrashed trashedTime parents spaces version webContentLink webViewLink iconLink
     hasThumbnail thumbnailLink thumbnailVersion viewedByMe viewedByMeTime createdTime modifiedTime modifiedByMe modifiedByMeTime sharedWithMeTime
     driveId teamDriveId shared ownedByMe hasAugmentedPermissions viewersCanCopyContent copyRequiresWriterPermission writersCanShare
     folderColorRgb originalFilename fullFileExtension fileExtension md5Checksum sha1Checksum sha256Checksum size quotaBytesUsed headRevisionId
     isAppAuthorized resourceKey permissionIds inheritedPermissionsDisabled`,
    'leaf',
  ),
  ...names(
    `appProperties properties exportLinks shortcutDetails imageMediaMetadata videoMediaMetadata contentHints contentRestrictions
     linkShareMetadata labelInfo downloadRestrictions clientEncryptionDetails`,
    'map',
  ),
  capabilities: names(
    `canAcceptOwnership canAddChildren canAddMyDriveParent canChangeCopyRequiresWriterPermission canComment canCopy canDelete canDownload canEdit
     canListChildren canModifyContent canModifyLabels canMoveChildrenWithinDrive canMoveItemOutOfDrive canMoveItemWithinDrive canReadLabels
     canReadRevisions canRemoveChildren canRemoveMyDriveParent canRename canShare canTrash canUntrash`,
    'leaf',
  ),
  owners: USER_FIELDS,
  lastModifyingUser: USER_FIELDS,
  sharingUser: USER_FIELDS,
  trashingUser: USER_FIELDS,
  permissions: PERMISSION_FIELDS,
}

export const LIST_FIELDS: Schema = { ...names('kind nextPageToken incompleteSearch', 'leaf'), files: FILE_FIELDS }

export const userResource = (user: Caller['user']) => ({
  kind: 'drive#user',
  displayName: user.name,
  me: true,
  permissionId: user.permissionId,
  emailAddress: user.email,
})

const SUMS = [
  ['md5Checksum', 'md5'],
  ['sha1Checksum', 'sha1'],
  ['sha256Checksum', 'sha256'],
] as const

function capabilities(file: DriveFile, root: boolean, rights: Rights) {
  const folder = file.mimeType === FOLDER
  return {
    canAddChildren: folder && rights.edit,
    canAddMyDriveParent: false,
    canComment: true,
    canCopy: !folder,
    canDelete: rights.delete && !root,
    canDownload: !folder,
    canEdit: rights.edit,
    canListChildren: folder,
    canModifyContent: rights.edit,
    canMoveChildrenWithinDrive: folder,
    canMoveItemWithinDrive: !root,
    canReadRevisions: !folder,
    canRemoveChildren: folder,
    canRename: rights.edit && !root,
    canShare: true,
    canTrash: rights.trash && !root,
    canUntrash: rights.trash && !root,
  }
}

/** The whole `drive#file` as `caller` sees it; sizes are decimal text, as Google's JSON has 64-bit numbers. */
export function fileResource(file: DriveFile, caller: Caller, store: FileStore) {
  const own = file.appProperties.get(caller.clientId) ?? {}
  const user = userResource(caller.user)
  const root = store.isRoot(file.id)
  const parent = file.parent === undefined ? undefined : store.files.get(file.parent)
  const driveId = driveIdOf(store, file)
  const target = file.target === undefined ? undefined : store.files.get(file.target)
  const content = file.content
  const permissions = permissionsOf(file, caller, store)
  const extension = /\.([^.]+)$/.exec(file.name)?.[1] ?? ''
  const resource = {
    kind: 'drive#file',
    id: file.id,
    name: file.name,
    mimeType: file.mimeType,
    ...(file.description === undefined ? {} : { description: file.description }),
    starred: file.starred,
    trashed: store.isTrashed(file),
    explicitlyTrashed: file.trashed,
    ...(parent === undefined || roleOf(store, caller.user.email, parent) === undefined ? {} : { parents: [parent.id] }),
    spaces: [file.space],
    version: String(file.version),
    ...(content === undefined ? {} : { webContentLink: `https://drive.google.com/uc?id=${file.id}&export=download` }),
    webViewLink: `https://drive.google.com/${file.mimeType === FOLDER ? `drive/folders/${file.id}` : `file/d/${file.id}/view?usp=drivesdk`}`,
    hasThumbnail: false,
    createdTime: formatTime(file.createdTime),
    modifiedTime: formatTime(file.modifiedTime),
    modifiedByMe: true,
    modifiedByMeTime: formatTime(file.modifiedTime),
    ...(driveId === undefined ? { owners: [ownerResource(file, caller)] } : {}),
    lastModifyingUser: user,
    ...(driveId === undefined ? {} : { driveId, teamDriveId: driveId }),
    ...(file.target === undefined ? {} : { shortcutDetails: { targetId: file.target, targetMimeType: target?.mimeType ?? '' } }),
    ownedByMe: file.owner === caller.user.email,
    capabilities: capabilities(file, root, rightsOf(store, caller.user.email, file)),
    ...(driveId === undefined ? { shared: permissions.length > 1, permissions, permissionIds: permissions.map(({ id }) => id) } : {}),
    isAppAuthorized: file.clientId === caller.clientId,
    ...(Object.keys(own).length === 0 ? {} : { appProperties: own }),
    ...(Object.keys(file.properties).length === 0 ? {} : { properties: file.properties }),
    quotaBytesUsed: String(sizeOf(file)),
    ...(content === undefined
      ? {}
      : {
          originalFilename: file.originalFilename ?? file.name,
          fileExtension: extension,
          fullFileExtension: extension,
          size: String(sizeOf(file)),
          headRevisionId: file.headRevisionId,
        }),
  }
  if (content !== undefined && store.conduct.hasSums(file)) {
    // worked out when a mask keeps them: not every caller wants every sum
    for (const [field, algorithm] of SUMS) Object.defineProperty(resource, field, { enumerable: true, get: () => content.sum(algorithm) })
  }
  return resource
}

const ownerResource = ({ owner }: DriveFile, { user }: Caller) =>
  owner === user.email ? userResource(user) : { kind: 'drive#user', displayName: owner, me: false, emailAddress: owner }
