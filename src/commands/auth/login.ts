import { readAccount } from '../../auth/account.ts'
import { beginAuthorization, finishAuthorization, readPasted } from '../../auth/authorization.ts'
import { openBrowser } from '../../auth/browser.ts'
import { COLAB_CELL } from '../../auth/colab.ts'
import type { AuthContext } from '../../auth/context.ts'
import { SCOPES, type ClientFile, type ScopeName } from '../../auth/credentials.ts'
import { readClientFile } from '../../auth/find-client-file.ts'
import { authorizeInBrowser } from '../../auth/loopback.ts'
import { readLogin, writeLogin, type SavedLogin } from '../../auth/token-file.ts'
import { CachedTokenSource } from '../../auth/token-source.ts'
import { localTime } from '../../ui/format.ts'
import { AppError, isAppError } from '../../util/errors.ts'
import { authContext, sessionCredentials } from '../shared/credentials.ts'
import { loginFile } from '../shared/login-file.ts'
import { ask } from '../shared/prompt.ts'
import type { Outcome, Session } from '../shared/session.ts'

export interface LoginOptions {
  /** False for `--no-browser`. */
  browser: boolean
  clientSecretFile?: string
  scope: ScopeName
}

/** Logs in to Google Drive and saves the login. */
export async function authLoginCommand(session: Session, options: LoginOptions): Promise<Outcome> {
  const { console, signal } = session
  const context = authContext(session)
  const path = loginFile(session)
  const client = await chooseClient(session, options.clientSecretFile, path)
  // in Colab, the user's browser is on another machine
  const inColab = session.settings.google.colabBroker !== undefined
  if (inColab) console.reporter.note(`A notebook in Colab needs no login: run this in a cell instead: ${COLAB_CELL}`)
  const login =
    options.browser && !inColab
      ? await logInByBrowser(session, client, options.scope, context)
      : await logInByPasting(client, options.scope, context, question => ask(question, signal), signal)
  const account = await accountOf(session, login, context)
  await writeLogin(path, { ...login, account })

  if (login.endsAt !== undefined)
    console.reporter.warn(
      `This login ends at ${localTime(login.endsAt)}, because its OAuth client is in "testing": publish the client (\`colab-escape auth setup\`).`,
    )
  const { scope } = options
  console.result(
    [`Logged in${account === undefined ? '' : ` as ${account}`} (${scope}: ${SCOPES[scope].description}).`, `  Saved in ${path}`],
    {
      command: 'auth login',
      account: account ?? null,
      scope,
      ends: login.endsAt === undefined ? null : new Date(login.endsAt).toISOString(),
      file: path,
    },
  )
  await warnOfPrecedence(session, context)
  return 'done'
}

/** Credentials that go before the saved login. */
export async function warnOfPrecedence(session: Session, context: AuthContext): Promise<void> {
  const used = await sessionCredentials(session, context)
  if (used !== undefined && used.kind !== 'saved-login')
    session.console.reporter.warn(`${used.origin} is set and takes precedence over this login: unset it to use the login.`)
}

/** A login that is not saved yet. Opens the consent page in the browser. */
export async function logInByBrowser(
  { console, options, settings, signal }: Pick<Session, 'console' | 'options' | 'settings' | 'signal'>,
  client: ClientFile,
  scope: ScopeName,
  context: AuthContext,
): Promise<SavedLogin> {
  const { reporter } = console
  let close = (): void => undefined
  const open = (url: string): void => {
    const text = `Opening your browser. If no page appears there, open this address on this machine: ${url}`
    if (options.quiet === true) reporter.warn(text)
    else reporter.note(text)
    const onFailure = (): void =>
      reporter.warn('No browser could be opened. If your browser is on another machine, stop this and run it with --no-browser.')
    close = openBrowser(url, { platform: process.platform, env: settings.programEnv, onFailure })
  }
  const { authorization, code } = await authorizeInBrowser({ client, scope, open, signal }, context).finally(() => close())
  return finishAuthorization(authorization, code, context, signal)
}

const FIRST_PRIVATE_PORT = 49_152

/** A login that is not saved yet. Shows the address of the consent page, and takes the one that it leads to. */
export async function logInByPasting(
  client: ClientFile,
  scope: ScopeName,
  context: AuthContext,
  askFor: (question: string) => Promise<string>,
  signal: AbortSignal,
): Promise<SavedLogin> {
  // nothing listens on this port: only the address in the browser is needed
  const [high, low] = context.random(2)
  const port = FIRST_PRIVATE_PORT + (((high! << 8) | low!) & 0x3fff)
  const authorization = beginAuthorization(client, scope, client.redirectUri ?? `http://127.0.0.1:${port}/`, context)
  const question = [
    'Open this address in any browser and allow access:',
    '',
    authorization.url,
    '',
    'You then come to a page that cannot be opened (http://127.0.0.1:...). That is expected: copy its whole address from the address bar.',
    'Paste it here: ',
  ]
  const code = readPasted(await askFor(question.join('\n')), authorization)
  return finishAuthorization(authorization, code, context, signal)
}

/** The client from the file, else from the environment, else the one of the last login. */
async function chooseClient(session: Session, file: string | undefined, saved: string): Promise<ClientFile> {
  if (file !== undefined) return readClientFile(file, '--client-secret-file')
  const known = await knownClient(session, saved)
  if (known !== undefined) return known.client
  const inFolder = session.settings.passedOver.includes('GOOGLE_CLIENT_ID')
  throw new AppError('usage', 'No OAuth client is set, but Google requires one to log in.', {
    hint: inFolder
      ? 'To use the client that .env of the current folder names, add --settings-file .env.'
      : 'Run `colab-escape auth setup`: it shows how to make your own client (5 minutes, once) and where to put its id.',
  })
}

/** The client that the environment names, else the one of the last login, and what knows it. */
export async function knownClient({ settings }: Session, saved: string): Promise<{ client: ClientFile; from: string } | undefined> {
  const { clientId, clientSecret } = settings.google
  if (clientId !== undefined) return { client: { id: clientId, secret: clientSecret, redirectUri: undefined }, from: 'GOOGLE_CLIENT_ID' }
  const last = await readLogin(saved).catch((error: unknown) => {
    // a new login replaces a damaged one
    if (isAppError(error, 'unauthenticated')) return undefined
    throw error
  })
  return last && { client: { ...last.client, redirectUri: undefined }, from: 'the last login' }
}

/** The account of the login. The login is valid even if Google can't be reached now. */
async function accountOf({ console, signal }: Session, { access }: SavedLogin, context: AuthContext): Promise<string | undefined> {
  const source = new CachedTokenSource('new login', async () => access!, context.now)
  try {
    return (await readAccount(context, source, signal)).email
  } catch (error) {
    if (!isAppError(error, 'denied', 'unavailable', 'unauthenticated')) throw error
    console.reporter.warn(`The login is saved, but Drive can't be used yet: ${error.message} ${error.hint ?? ''}`)
    return undefined
  }
}
