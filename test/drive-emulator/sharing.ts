import type { DriveFile, FileStore } from './file-store.ts'

/**
 * What somebody may do with a file, the least first. `owner` is in My Drive alone, the two before it in shared drives.
 */
export const ROLES = ['reader', 'commenter', 'writer', 'fileOrganizer', 'organizer', 'owner'] as const
export type Role = (typeof ROLES)[number]

/** The shared drive that a file is in, or is. */
export function driveIdOf(store: FileStore, file: DriveFile): string | undefined {
  const top = store.lineOf(file).at(-1)
  return top?.isSharedDrive === true ? top.id : undefined
}

/**
 * The most that a user may do with a file: as its owner, or by what was shared of it or of a folder above. Whoever owns
 * a folder may change what others put into it, and no more: it stays theirs.
 */
export function roleOf(store: FileStore, email: string, file: DriveFile): Role | undefined {
  if (file.owner === email) return 'owner'
  let best = -1
  for (const { owner, shares } of store.lineOf(file)) {
    const role = owner === email ? 'writer' : shares?.get(email)
    if (role !== undefined) best = Math.max(best, ROLES.indexOf(role))
  }
  return ROLES[best]
}

const atLeast = (role: Role | undefined, least: Role): boolean => role !== undefined && ROLES.indexOf(role) >= ROLES.indexOf(least)

export interface Rights {
  edit: boolean
  trash: boolean
  delete: boolean
}

/**
 * In My Drive only owners move files to the trash and delete them: rclone#34 (March 2015), #1029 (January 2017), #3998
 * (February 2020). In a shared drive managers do, and content managers may use the trash
 * (developers.google.com/workspace/drive/api/guides/ref-roles).
 */
export function rightsOf(store: FileStore, email: string, file: DriveFile): Rights {
  const role = roleOf(store, email, file)
  const isShared = driveIdOf(store, file) !== undefined
  return {
    edit: atLeast(role, 'writer'),
    trash: isShared ? atLeast(role, 'fileOrganizer') : role === 'owner',
    delete: isShared ? atLeast(role, 'organizer') : role === 'owner',
  }
}
