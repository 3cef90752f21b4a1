import { freeOf, readAccount, type Account } from '../../auth/account.ts'
import { noCredentials, type CredentialChoice } from '../../auth/choose.ts'
import { SCOPES, shortScope } from '../../auth/credentials.ts'
import { readLogin } from '../../auth/token-file.ts'
import type { AccessToken } from '../../auth/token-source.ts'
import { formatRemaining, localTime } from '../../ui/format.ts'
import { renderTable } from '../../ui/table.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { authContext, sessionCredentials } from '../shared/credentials.ts'
import { loginFile } from '../shared/login-file.ts'
import type { Outcome, Session } from '../shared/session.ts'

/** Shows who is logged in, with which credentials, and how much space is left. Errors: `unauthenticated`. */
export async function authStatusCommand(session: Session): Promise<Outcome> {
  const context = authContext(session)
  const chosen = await sessionCredentials(session, context)
  if (chosen === undefined) throw noCredentials()
  const account = await readAccount(context, chosen.source, session.signal)
  const login = chosen.kind === 'saved-login' ? await readLogin(loginFile(session)) : undefined
  const token = chosen.source.last
  const now = context.now()
  session.console.print(human(account, chosen, token, login?.endsAt, now, session.console.columns), {
    command: 'auth status',
    account: account.email,
    name: account.name ?? null,
    kind: chosen.kind,
    origin: chosen.origin,
    scope: shortScope(token?.scope) || null,
    tokenExpires: isoTime(token?.expiresAt),
    loginEnds: isoTime(login?.endsAt),
    quota: { used: account.used, limit: account.limit ?? null, free: freeOf(account) ?? null },
  })
  if (chosen.note !== undefined) session.console.reporter.warn(chosen.note)
  return 'done'
}

function human(
  account: Account,
  { source, origin }: CredentialChoice,
  token: AccessToken | undefined,
  loginEnds: number | undefined,
  now: number,
  columns: number,
): string[] {
  const free = freeOf(account)
  const used = formatBytes(account.used)
  const expires = token === undefined || token.expiresAt === Infinity ? undefined : formatRemaining(token.expiresAt - now)
  const rows = [
    ['account', account.name === undefined ? account.email : `${account.email} (${account.name})`],
    ['by', source.description],
    ['from', origin],
    ['scope', scopeText(token?.scope)],
    ['token', expires === undefined ? 'its end is unknown' : `ends in ${expires}, then it is renewed`],
    ...(loginEnds === undefined ? [] : [['login', `ends at ${localTime(loginEnds)}: its OAuth client is in "testing"`]]),
    ['space', free === undefined ? `${used} used, no limit` : `${used} of ${formatBytes(account.limit!)} used, ${formatBytes(free)} free`],
  ]
  return renderTable([{ title: '' }, { title: '' }], rows, columns)
}

function scopeText(scope: string | undefined): string {
  const names = shortScope(scope)
  if (names === '') return 'unknown'
  return names === 'drive' || names === 'drive.file' ? `${names}: ${SCOPES[names].description}` : names
}

function isoTime(ms: number | undefined): string | null {
  return ms === undefined || ms === Infinity ? null : new Date(ms).toISOString()
}
