import { revokeToken } from '../../auth/token-endpoint.ts'
import { readLogin, removeLogin } from '../../auth/token-file.ts'
import { isAppError } from '../../util/errors.ts'
import { asSentence } from '../../util/words.ts'
import { authContext } from '../shared/credentials.ts'
import { loginFile } from '../shared/login-file.ts'
import type { Outcome, Session } from '../shared/session.ts'

/** Revokes the saved login and removes it. If it can't be revoked, it is removed all the same: `partly`. */
export async function authLogoutCommand(session: Session): Promise<Outcome> {
  const path = loginFile(session)
  const revoked = await revoke(session, path)
  const removed = await removeLogin(path)
  const text = removed ? `Logged out: removed ${path}.` : 'Nobody was logged in: there is no saved login.'
  session.console.result([text], { command: 'auth logout', removed, revoked })
  return removed && !revoked ? 'partly' : 'done'
}

/** False when there is nothing to revoke or when revoking failed. */
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
      `The login could not be revoked and stays valid at Google: ${asSentence(error.message)} Remove colab-escape at https://myaccount.google.com/connections`,
    )
    return false
  }
}
