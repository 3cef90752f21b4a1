import type { Entry, FileEntry } from '../../repository/format/manifest.ts'
import { versionLabel, type StoredSnapshot } from '../../repository/format/snapshot.ts'
import { openForReading, type OpenRepository } from '../../repository/open/open.ts'
import { describeVersion, findEntry, isComplete, readManifest } from '../../repository/read/read-manifest.ts'
import { resolveVersion, type VersionSpec } from '../../repository/versions/versions.ts'
import { AppError } from '../../util/errors.ts'
import { isMounted } from './mounts.ts'
import type { Session } from './session.ts'
import { chooseStore } from './store.ts'

/** Opens the repository for a command that only reads. */
export async function openRepository(session: Session): Promise<OpenRepository> {
  const { storage } = await chooseStore(session)
  return openForReading(session.context(storage, 0))
}

/**
 * Finds a version. Warns about versions that could not be read, because one of them may be the one that was meant.
 * Throws `unavailable` on a mounted Drive where the version has arrived before its packs.
 */
export async function findVersion(session: Session, repository: OpenRepository, spec: VersionSpec): Promise<StoredSnapshot> {
  const { problems } = repository.view
  const before = problems.length
  const snapshot = await resolveVersion(repository, repository.view, spec)
  session.reading.push({ repository, snapshot })
  for (const { message } of problems.slice(before)) session.console.reporter.warn(message)
  if (isMounted(repository.storage.location) && !(await isComplete(repository, snapshot)))
    throw new AppError(
      'unavailable',
      `${describeVersion(snapshot)} is incomplete: not all of its packs have arrived in the mounted Drive yet.`,
      {
        hint: 'Nothing is damaged. Run drive.flush_and_unmount() where it was pushed, wait a few minutes, mount again and run the same command, or use --store drive:.',
      },
    )
  return snapshot
}

async function firstEntry(repository: OpenRepository, snapshot: StoredSnapshot): Promise<Entry | undefined> {
  for await (const entry of readManifest(repository, snapshot)) return entry
  return undefined
}

/** One file of a version. An empty path means the file of a version that is a single file. */
export async function findFile(repository: OpenRepository, snapshot: StoredSnapshot, written: string): Promise<FileEntry> {
  const entry = await findNamed(repository, snapshot, written)
  if (entry.type === 'file') return entry
  const version = versionLabel(snapshot)
  throw new AppError('usage', `${entry.path} in ${version} is a ${entry.type === 'directory' ? 'folder' : 'symlink'}, not a file.`, {
    hint: `List it: colab-escape ls ${version} ${entry.path}`,
  })
}

/** One entry of a version, as `findFile` finds it. */
export async function findNamed(repository: OpenRepository, snapshot: StoredSnapshot, written: string): Promise<Entry> {
  const path = written.replace(/^\.?\/+/, '')
  const version = versionLabel(snapshot)
  const entry =
    path === '' && snapshot.source.type === 'file' ? await firstEntry(repository, snapshot) : await findEntry(repository, snapshot, path)
  if (entry !== undefined) return entry
  throw new AppError('not-found', `${JSON.stringify(path)} is not in ${version}.`, {
    hint: `List what is there: colab-escape ls ${version}`,
  })
}

/** The files right in a folder of a version that `isWanted`, by name. An empty path means the whole version. */
export async function filesRightIn(
  repository: OpenRepository,
  snapshot: StoredSnapshot,
  folder: string,
  isWanted: (name: string) => boolean,
): Promise<Map<string, FileEntry>> {
  const files = new Map<string, FileEntry>()
  const start = folder === '' ? '' : `${folder}/`
  for await (const entry of readManifest(repository, snapshot)) {
    const name = entry.path.slice(start.length)
    if (entry.type === 'file' && entry.path.startsWith(start) && !name.includes('/') && isWanted(name)) files.set(name, entry)
  }
  return files
}
