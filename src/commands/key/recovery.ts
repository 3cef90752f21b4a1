import { newRecovery, recoveryLines } from '../shared/encrypt-store.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { shortIdOf, unlock } from './unlocked.ts'

export async function keyRecoveryCommand(session: Session): Promise<Outcome> {
  const { location, storage, keys } = await unlock(session)
  const { code, object } = await newRecovery(session, keys)
  await storage.put(object.name, object.bytes, { signal: session.signal })
  session.console.print(recoveryLines(code), { command: 'key recovery', location, id: shortIdOf(object.name), recoveryCode: code })
  return 'done'
}
