import { readdirSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Inventory } from '../../repository/format/object-names.ts'
import { nameNotedIn } from '../../repository/versions/noted-version.ts'
import { firstOf } from '../../ui/format.ts'
import { AppError, errnoOf } from '../../util/errors.ts'
import type { Session } from './session.ts'

const COLAB = '/content'
/** A path that is on Drive if Drive is mounted, with the mount point. */
const ON_MOUNT = /^(\/content\/(?:drive(?=\/|$)|[^/]+(?=\/(?:MyDrive|My Drive|Shareddrives|Shared drives)(?:\/|$))))/
const NAMES_SHOWN = 5

/**
 * Refuses a path below a mount point of Drive where nothing is mounted. What is written there is on the disk of the
 * virtual machine, and gone with it.
 */
export function refuseUnmounted(path: string): void {
  const mountPoint = ON_MOUNT.exec(path)?.[1]
  if (mountPoint === undefined || isOnMount(path)) return
  const isInTheWay = namesIn(mountPoint).length > 0
  throw new AppError('unavailable', `Google Drive is not mounted at ${mountPoint}, so there is no ${path}.`, {
    hint: `${isInTheWay ? `Move away what is in ${mountPoint}, because Drive is only mounted there if it is empty. Then run` : 'Run'} this in a cell, and try again: from google.colab import drive; drive.mount('${mountPoint}')`,
  })
}

/** Whether the existing part of a path below /content is on another file system than /content. */
function isOnMount(path: string): boolean {
  for (let existing = path; existing !== COLAB; existing = dirname(existing)) {
    try {
      return statSync(existing).dev !== statSync(COLAB).dev
    } catch (error) {
      // any other error comes from a mount whose program has ended
      if (!['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return false
    }
  }
  return false
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/**
 * Refuses to make a repository in a store without one, if this machine has noted versions that were there: a disk may
 * be unplugged, or a folder renamed. What was noted since `begun` (ms since 1970, before the store was listed) is of
 * another push that makes the repository at this moment.
 */
export function refuseLost(session: Session, location: string, begun: number): (inventory: Inventory) => Promise<void> {
  return async ({ hasConfig, snapshots }) => {
    if (hasConfig || snapshots.length > 0) return
    const names = await notedNames(session, location, begun)
    if (names.length === 0) return
    const where = location.startsWith('drive:')
      ? 'Check the account (colab-escape auth status), and whether the folder was renamed or lies in the trash'
      : 'Plug in or mount what it is on, or move its folder back'
    throw new AppError('not-found', `${location} holds no repository any more, but it had versions of ${firstOf(names, NAMES_SHOWN)}.`, {
      hint: `${where}. Or make a new repository there with --create.`,
    })
  }
}

/** Names that had a version in this store when this machine last asked, before a moment. */
async function notedNames(session: Session, location: string, before: number): Promise<string[]> {
  const any = session.notedVersionFile(location, '')
  if (any === undefined) return []
  const folder = dirname(any)
  const names: string[] = []
  // also those of another login: this one may be the wrong one
  const keys = session.stores.keysOf(location)
  for (const file of await readdir(folder).catch(() => [])) {
    const path = join(folder, file)
    const noted = await nameNotedIn(path)
    if (noted !== undefined && noted.mtimeMs < before && keys.some(key => session.notedVersionFileOf(key, noted.name) === path))
      names.push(noted.name)
  }
  return names.sort()
}
