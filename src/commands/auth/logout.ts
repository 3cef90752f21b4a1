import { revokeToken } from '../../auth/token-endpoint.ts'
import { readLogin, removeLogin } from '../../auth/token-file.ts'
import { isAppError } from '../../util/errors.ts'
import { authContext, loginFile } from '../shared/credentials.ts'
import type { Outcome, Session } from '../shared/session.ts'

/** Tells Google to forget the saved login, and removes it. It is removed here even if Google can't be told: `partly`. */
export async function authLogoutCommand(session: Session): Promise<Outcome> {
  const path = loginFile(session)
  const revoked = await revoke(session, path)
  const removed = await removeLogin(path)
  const text = removed ? `Logged out: ${path} is removed.` : 'Nobody was logged in: there is no saved login.'
  session.console.result(text, { command: 'auth logout', removed, revoked })
  return removed && !revoked ? 'partly' : 'done'
}

/** False when there is nothing to revoke or it could not be done. */
async function revoke(session: Session, path: string): Promise<boolean> {
  const context = authContext(session)
  try {
    const login = await readLogin(path)
    if (login === undefined) return false
    await revokeToken(context, login.refreshToken, session.signal)
    return true
  } catch (error) {
    if (!isAppError(error, 'unavailable', 'unauthenticated')) throw error
    session.console.reporter.warn(
      `Google could not be told, so the login stays valid there: ${error.message} Remove colab-escape at https://myaccount.google.com/connections`,
    )
    return false
  }
}
