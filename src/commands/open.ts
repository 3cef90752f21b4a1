import { openForReading, type OpenRepository } from '../repository/context.ts'
import type { StoredSnapshot } from '../repository/snapshot.ts'
import { resolveVersion, type VersionSpec } from '../repository/versions.ts'
import type { Session } from './session.ts'
import { chooseStore } from './store.ts'

/** Opens the repository for a command that only looks. */
export async function openRepository(session: Session): Promise<OpenRepository> {
  const { storage } = await chooseStore(session)
  return openForReading(session.context(storage, 0))
}

/** Finds a version, and warns of other ones that could not be read on the way: one of them may be the one that was meant. */
export async function findVersion(session: Session, repository: OpenRepository, spec: VersionSpec): Promise<StoredSnapshot> {
  const { problems } = repository.view
  const before = problems.length
  const snapshot = await resolveVersion(repository, repository.view, spec)
  for (const { message } of problems.slice(before)) session.console.reporter.warn(message)
  return snapshot
}
