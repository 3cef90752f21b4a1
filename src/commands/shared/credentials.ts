import { chooseCredentials, type CredentialChoice } from '../../auth/choose.ts'
import { realAuthContext, type AuthContext } from '../../auth/context.ts'
import { createFetch } from '../../util/http.ts'
import { loginFile } from './login-file.ts'
import type { Session } from './session.ts'

export function authContext({ settings, program, patience }: Pick<Session, 'settings' | 'program' | 'patience'>): AuthContext {
  return realAuthContext(naming(program, createFetch(settings.proxy)), patience, settings.google.endpoint)
}

/**
 * Google compresses answers only for programs whose name says that they understand it
 * (developers.google.com/workspace/drive/api/guides/performance).
 */
function naming(program: string, doFetch: typeof fetch): typeof fetch {
  const name = `${program.replace(' ', '/')} (gzip)`
  return (input, init) => {
    const headers = new Headers(init?.headers)
    headers.set('user-agent', name)
    return doFetch(input, { ...init, headers })
  }
}

/** The credentials for Google; undefined when there are none. */
export function sessionCredentials(
  session: Pick<Session, 'settings' | 'options'>,
  context: AuthContext,
): Promise<CredentialChoice | undefined> {
  return chooseCredentials(
    { ...session.settings.google, token: session.options.token ?? session.settings.google.token, loginFile: loginFile(session) },
    context,
  )
}
