import { readSequence } from '../../repository/read/read-chunks.ts'
import { parseVersionedPath } from '../../repository/versions/versions.ts'
import { findFile, findVersion, openRepository } from '../shared/find-version.ts'
import type { Outcome, Session } from '../shared/session.ts'

/** Writes one file of a version to stdout. Each chunk is verified before it is written. */
export async function catCommand(session: Session, versionedPath: string): Promise<Outcome> {
  const { version, path } = parseVersionedPath(versionedPath)
  const repository = await openRepository(session)
  const snapshot = await findVersion(session, repository, version)
  const entry = await findFile(repository, snapshot, path)
  for await (const chunk of readSequence(repository, entry.chunks, entry.path)) if (!(await session.console.write(chunk))) break
  return 'done'
}
