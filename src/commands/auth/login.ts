import { readFile } from 'node:fs/promises'
import { readAccount } from '../../auth/account.ts'
import { beginAuthorization, finishAuthorization, readPasted, type Authorization } from '../../auth/authorization.ts'
import { openBrowser } from '../../auth/browser.ts'
import { COLAB_CELL } from '../../auth/colab.ts'
import type { AuthContext } from '../../auth/context.ts'
import { parseClientFile, SCOPES, type ClientFile, type ScopeName } from '../../auth/credentials.ts'
import { authorizeInBrowser } from '../../auth/loopback.ts'
import { readLogin, writeLogin, type SavedLogin } from '../../auth/token-file.ts'
import { CachedTokenSource } from '../../auth/token-source.ts'
import { localTime } from '../../ui/format.ts'
import { AppError, isAppError, messageOf } from '../../util/errors.ts'
import { authContext, loginFile, sessionCredentials } from '../shared/credentials.ts'
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
  const authorize = options.browser && !inColab ? inBrowser : byPasting
  const { authorization, code } = await authorize(session, client, options.scope, context)
  const login = await finishAuthorization(authorization, code, context, signal)
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
  const used = await sessionCredentials(session, context)
  if (used !== undefined && used.kind !== 'saved-login')
    console.reporter.warn(`${used.origin} is set and takes precedence over this login: unset it to use the login.`)
  return 'done'
}

type Authorized = Promise<{ authorization: Authorization; code: string }>

function inBrowser(
  { console, options, settings, signal }: Session,
  client: ClientFile,
  scope: ScopeName,
  context: AuthContext,
): Authorized {
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
  return authorizeInBrowser({ client, scope, open, signal }, context).finally(() => close())
}

const FIRST_PRIVATE_PORT = 49_152

async function byPasting({ signal }: Session, client: ClientFile, scope: ScopeName, context: AuthContext): Authorized {
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
  const code = readPasted(await ask(question.join('\n'), signal), authorization)
  return { authorization, code }
}

/** The client from the file, else from the environment, else the one of the last login. */
async function chooseClient({ settings }: Session, file: string | undefined, saved: string): Promise<ClientFile> {
  if (file !== undefined) {
    const text = await readFile(file, 'utf8').catch((error: unknown) => {
      throw new AppError('usage', `--client-secret-file can't be read: ${messageOf(error)}`, {
        hint: 'Give the JSON file that Google gave for your OAuth client (`colab-escape auth setup` shows how to get one).',
      })
    })
    return parseClientFile(text, file)
  }
  const { clientId, clientSecret } = settings.google
  if (clientId !== undefined) return { id: clientId, secret: clientSecret, redirectUri: undefined }
  const last = await readLogin(saved).catch((error: unknown) => {
    // a new login replaces a damaged one
    if (isAppError(error, 'unauthenticated')) return undefined
    throw error
  })
  if (last !== undefined) return { ...last.client, redirectUri: undefined }
  const inFolder = settings.passedOver.includes('GOOGLE_CLIENT_ID')
  throw new AppError('usage', 'No OAuth client is set, but Google requires one to log in.', {
    hint: inFolder
      ? 'To use the client that .env of the current folder names, add --settings-file .env.'
      : 'Run `colab-escape auth setup`: it shows how to make your own client (5 minutes, once) and where to put its id.',
  })
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
