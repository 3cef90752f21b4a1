import { isAppError, throwIfAborted } from '../../util/errors.ts'
import type { SnapshotRef } from '../format/object-names.ts'
import { isPending, type StoredSnapshot } from '../format/snapshot.ts'
import type { OpenRepository } from '../open/open.ts'
import { isComplete, readManifest } from '../read/read-manifest.ts'
import { readSnapshot, readTags } from '../versions/versions.ts'
import type { Blame } from './blame.ts'

export interface AffectedFile {
  name: string
  /** Id of the snapshot, its first 16 digits. */
  version: string
  /** Undefined if the whole version is affected. */
  path: string | undefined
  why: string
}

export interface VersionsReport {
  snapshots: number
  /** Number of snapshots that are not complete and not damaged. */
  incomplete: number
  files: number
  affected: AffectedFile[]
  /** Damaged labels, in words. */
  problems: string[]
  /** Versions that could not be read because of the disk. */
  failures: number
}

/**
 * Checks that all chunks of all versions can be read. With `arriving`, a version that lacks chunks is not damaged.
 * Time: linear in the plain bytes of all manifests.
 */
export async function checkVersions(repository: OpenRepository, blame: Blame, arriving: boolean): Promise<VersionsReport> {
  const { storage, view, signal } = repository
  const result: VersionsReport = { snapshots: 0, incomplete: 0, files: 0, affected: [], problems: [], failures: 0 }
  const read: StoredSnapshot[] = []
  for (const ref of view.inventory.snapshots) {
    throwIfAborted(signal)
    const checked = await checkVersion(repository, blame, ref)
    if (!checked) continue
    const { snapshot, files, affected } = checked
    result.snapshots++
    result.files += files
    result.failures += checked.failures
    const mayLackParts = snapshot && (isPending(snapshot, view.inventory) || (arriving && !(await isComplete(repository, snapshot))))
    if (affected.length > 0 && mayLackParts) result.incomplete++
    else result.affected.push(...affected)
    if (snapshot) read.push(snapshot)
  }
  const known = view.problems.length
  await readTags(storage, view, read, signal)
  result.problems.push(...view.problems.slice(known).map(problem => problem.message))
  return result
}

interface VersionReport {
  /** Undefined if it can't be read. */
  snapshot: StoredSnapshot | undefined
  files: number
  affected: AffectedFile[]
  failures: number
}

/** Undefined if the version was forgotten after the listing. */
async function checkVersion(repository: OpenRepository, blame: Blame, ref: SnapshotRef): Promise<VersionReport | undefined> {
  const checked: VersionReport = { snapshot: undefined, files: 0, affected: [], failures: 0 }
  const fail = (path: string | undefined, why: string): void =>
    void checked.affected.push({ name: ref.name, version: ref.shortId, path, why })
  try {
    checked.snapshot = await readSnapshot(repository.storage, ref, repository.signal)
    for await (const entry of readManifest(repository, checked.snapshot)) {
      if (entry.type !== 'file') continue
      checked.files++
      const why = blame.whyLost(entry)
      if (why !== undefined) fail(entry.path, why)
    }
  } catch (error) {
    if (isAppError(error, 'not-found') && !checked.snapshot) return undefined
    if (!isAppError(error, 'corrupt', 'newer-format', 'io')) throw error
    if (error.code === 'io') checked.failures++
    fail(undefined, error.message)
  }
  return checked
}
