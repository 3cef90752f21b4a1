import { readSequence } from '../repository/chunk-reader.ts'
import type { OpenRepository } from '../repository/context.ts'
import type { FileEntry } from '../repository/manifest.ts'
import { readManifest } from '../repository/manifest-reader.ts'
import type { StoredSnapshot } from '../repository/snapshot.ts'
import { parseVersionedPath } from '../repository/versions.ts'
import { AppError } from '../util/errors.ts'
import { findVersion, openRepository } from './open.ts'
import type { Outcome, Session } from './session.ts'

/** Writes one file of a version to stdout, as it is, each piece verified before it is written. */
export async function catCommand(session: Session, what: string): Promise<Outcome> {
  const { version, path } = parseVersionedPath(what)
  const repository = await openRepository(session)
  const snapshot = await findVersion(session, repository, version)
  const entry = await findFile(repository, snapshot, path.replace(/^\.?\/+/, ''))
  for await (const chunk of readSequence(repository, entry.chunks, entry.path)) if (!(await session.console.write(chunk))) break
  return 'done'
}

async function findFile(repository: OpenRepository, snapshot: StoredSnapshot, path: string): Promise<FileEntry> {
  const version = `${snapshot.name}@${snapshot.id.slice(0, 8)}`
  for await (const entry of readManifest(repository, snapshot)) {
    if (entry.path !== path) continue
    if (entry.type === 'file') return entry
    throw new AppError('usage', `${path} in ${version} is a ${entry.type === 'directory' ? 'folder' : 'symlink'}, not a file.`, {
      hint: `List it: colab-escape ls ${version} ${path}`,
    })
  }
  throw new AppError('not-found', `${JSON.stringify(path)} is not in ${version}.`, {
    hint: `List what is there: colab-escape ls ${version}`,
  })
}
