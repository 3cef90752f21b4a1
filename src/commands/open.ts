import { openForReading, type OpenRepository } from '../repository/context.ts'
import type { Session } from './session.ts'
import { chooseStore } from './store.ts'

/** Opens the repository for a command that only looks. */
export async function openRepository(session: Session): Promise<OpenRepository> {
  const { storage } = await chooseStore(session)
  return openForReading(session.context(storage, 0))
}
