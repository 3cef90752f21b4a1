import { unlink } from 'node:fs/promises'
import { homedir } from 'node:os'
import { DRIVE_API_PAGE, freeOf, readAccount, type Account } from '../../auth/account.ts'
import { hasBrowser, openPage } from '../../auth/browser.ts'
import type { CredentialChoice } from '../../auth/choose.ts'
import { COLAB_CELL } from '../../auth/colab.ts'
import type { AuthContext } from '../../auth/context.ts'
import { readClientFile, typedPath } from '../../auth/find-client-file.ts'
import { savedSource } from '../../auth/sources.ts'
import { keepAccess, readLogin, writeLogin, type SavedLogin } from '../../auth/token-file.ts'
import type { TokenSource } from '../../auth/token-source.ts'
import { localTime } from '../../ui/format.ts'
import { isAppError, throwIfAborted } from '../../util/errors.ts'
import { formatBytes } from '../../util/format-bytes.ts'
import { authContext, sessionCredentials } from '../shared/credentials.ts'
import { loginFile } from '../shared/login-file.ts'
import type { Outcome, Session } from '../shared/session.ts'
import { givenStore } from '../shared/chosen-store.ts'
import { placeOf } from '../shared/store.ts'
import { Dialogue, Quit } from './dialogue.ts'
import { makeClient, readNamed, type MadeClient, type OpenPage } from './find-client.ts'
import { knownClient, logInByBrowser, logInByPasting, warnOfPrecedence } from './login.ts'
import { AUDIENCE_PAGE, REFUSALS } from './setup-steps.ts'

export interface SetupOptions {
  /** False for `--no-browser`. */
  browser: boolean
}

const SCOPE = 'drive'

/** Leads through all that a login needs, from Google's pages to a push. Nothing is asked twice when it is run again. */
export async function guidedSetup(session: Session, options: SetupOptions): Promise<Outcome> {
  const setup = new GuidedSetup(session, options)
  try {
    return await setup.run()
  } catch (error) {
    if (!(error instanceof Quit)) throw error
    setup.talk.say('', setup.isDone ? 'Done.' : 'Stopped. Run `colab-escape auth setup` again to go on; s skips what is done.')
    return setup.isDone ? 'done' : 'partly'
  }
}

class GuidedSetup {
  readonly talk: Dialogue
  /** Whether Drive has answered with a login that is saved. */
  isDone = false
  private readonly session: Session
  private readonly context: AuthContext
  private readonly file: string
  private readonly open: OpenPage
  /** Whether the consent page is opened here. Else its answer is pasted. */
  private byBrowser: boolean

  constructor(session: Session, { browser }: SetupOptions) {
    const { settings } = session
    this.session = session
    this.talk = new Dialogue(session)
    this.context = authContext(session)
    this.file = loginFile(session)
    // in Colab, the user's browser is on another machine
    this.byBrowser = browser && settings.google.colabBroker === undefined && hasBrowser(process.platform, settings.environment)
    const onFailure = (): void => this.talk.say('No browser could be opened: open that address yourself.')
    this.open = this.byBrowser ? url => openPage(url, { platform: process.platform, env: settings.programEnv, onFailure }) : undefined
  }

  async run(): Promise<Outcome> {
    const { talk } = this
    talk.say(
      'Google lets a program into your Drive only with an OAuth client. This command',
      'helps you to make your own, and logs in: five minutes, once, free of charge.',
      'In a Colab notebook you need none of this.',
    )
    if (this.session.settings.google.colabBroker !== undefined) {
      talk.say('', 'This is a Colab notebook. Run this in a cell instead:', `   ${COLAB_CELL}`)
      if (!(await talk.confirm('Go on all the same?', false))) return 'done'
    }
    const present = await this.findLogin()
    const account = present ?? (await this.logIn())
    this.isDone = true
    talk.say('', `Drive answers: you are ${account.email}, with ${spaceOf(account)}.`)
    await warnOfPrecedence(this.session, this.context)
    return this.push()
  }

  /** The account of a login that works, if the user is content with it. */
  private async findLogin(): Promise<Account | undefined> {
    const { talk, context, session } = this
    let chosen: CredentialChoice | undefined
    try {
      chosen = await sessionCredentials(session, context)
      if (chosen === undefined) return undefined
      const account = await readAccount(context, chosen.source, session.signal)
      talk.say('', `You are logged in already as ${account.email}, from ${chosen.origin}.`)
      return (await talk.confirm('Make another login?', false)) ? undefined : account
    } catch (error) {
      if (chosen?.kind === 'saved-login' && isAppError(error, 'denied')) return this.askDrive(chosen.source, undefined)
      if (!isAppError(error, 'unauthenticated', 'unavailable', 'denied')) throw error
      // in Colab, the cell to run was named already
      if (chosen?.kind !== 'colab') talk.sayError(error)
      return undefined
    }
  }

  /** Makes a client or takes the known one, and logs in with it until that succeeds. */
  private async logIn(): Promise<Account> {
    const { talk, session } = this
    const known = await knownClient(session, this.file)
    const takesKnown = known && (await talk.confirm(`\nLog in with the client of ${known.from} (${known.client.id})?`, true))
    let made: MadeClient = takesKnown
      ? { client: known.client, path: undefined }
      : await makeClient(talk, this.open, session.settings.environment)
    talk.say('', `The client is ${made.client.id}.`)
    for (;;) {
      try {
        const login = await this.authorize(made)
        if (login) {
          await writeLogin(this.file, login)
          if (login.endsAt !== undefined && (await this.publish(login.endsAt))) continue
          return await this.finish(login, made)
        }
      } catch (error) {
        throwIfAborted(session.signal)
        if (!isAppError(error, 'unauthenticated', 'unavailable', 'usage', 'io')) throw error
        talk.sayError(error)
      }
      made = await this.askAgain(made)
    }
  }

  private async finish(login: SavedLogin, made: MadeClient): Promise<Account> {
    const account = await this.askDrive(savedSource(login, this.file, this.context), made)
    await keepAccess(this.file, login, { account: account.email, access: login.access })
    this.talk.say('', `Logged in as ${account.email}. The login is saved in ${this.file}.`)
    await this.offerDeletion(made)
    return account
  }

  /** A login that is not saved yet; undefined if the user has seen an error in the browser. */
  private async authorize({ client }: MadeClient): Promise<SavedLogin | undefined> {
    const { talk, session, context } = this
    talk.say('Now allow access to your Drive. Tick the box for Google Drive if there is one.')
    if (!this.byBrowser) return logInByPasting(client, SCOPE, context, question => talk.ask(question), session.signal)
    const { console, options, settings } = session
    const end = await talk.askWhile('If Google shows an error, or no page appears, press Enter here.\n', signal =>
      logInByBrowser({ console, options, settings, signal }, client, SCOPE, context),
    )
    if ('came' in end) return end.came
    talk.say('', ...REFUSALS)
    return undefined
  }

  private async askAgain(made: MadeClient): Promise<MadeClient> {
    const { talk } = this
    talk.say('')
    for (;;) {
      const paste = this.byBrowser ? 'p logs in by pasting an address, ' : ''
      const answer = await talk.ask(`[Enter] tries again, ${paste}q quits; or type the path of another client: `)
      if (answer === '') return made
      if (answer.toLowerCase() === 'p' && this.byBrowser) {
        this.byBrowser = false
        return made
      }
      const named = readNamed(talk, answer)
      if (named) return named
    }
  }

  /** Whether the client is published now, so that a new login has no end. */
  private async publish(endsAt: number): Promise<boolean> {
    const { talk } = this
    talk.say('', `This login ends at ${localTime(endsAt)}, because the client is in "Testing". Publish it, then log in again:`)
    if (!(await this.visit(AUDIENCE_PAGE, 's keeps this login'))) return false
    await talk.ask('[Enter] when it is "In production": ')
    return true
  }

  /** Asks Drive itself whose it is, until the Drive API is enabled. */
  private async askDrive(source: TokenSource, made: MadeClient | undefined): Promise<Account> {
    const { talk, context, session } = this
    for (;;) {
      try {
        return await readAccount(context, source, session.signal)
      } catch (error) {
        if (!isAppError(error, 'denied', 'unavailable')) throw error
        if (error.code === 'unavailable') {
          talk.sayError(error)
          await talk.ask('[Enter] asks Drive again, q quits: ')
          continue
        }
        talk.say('', 'The login works, but the Drive API is not enabled in the project of the client.', '   Press "Enable" there:')
        const project = /^(\d+)-/.exec(made?.client.id ?? (await readLogin(this.file))?.client.id ?? '')?.[1]
        if (await this.visit(`${DRIVE_API_PAGE}${project === undefined ? '' : `?project=${project}`}`, 's only asks Drive again'))
          await talk.ask('[Enter] when it is enabled (Google may take some minutes to notice): ')
      }
    }
  }

  /** Shows a page; false if the user skips it. */
  private async visit(page: string, skip: string): Promise<boolean> {
    const { talk, open } = this
    talk.say(`   ${page}`)
    const answer = await talk.ask(open ? `[Enter] opens the page, ${skip}, q quits: ` : `[Enter] goes on, ${skip}, q quits: `)
    if (answer.toLowerCase() === 's') return false
    open?.(page)
    return true
  }

  private async offerDeletion({ path, client }: MadeClient): Promise<void> {
    if (path === undefined) return
    const { talk } = this
    talk.say('', `The client is saved with the login: ${path} is no longer needed, unless you log out.`)
    if (!(await talk.confirm('It holds the secret of the client. Delete it?', false))) return
    try {
      if (readClientFile(path).id === client.id) await unlink(path)
    } catch (error) {
      talk.say(`It can't be deleted: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  /** Proves all of it with a push, if the user has something to push. */
  private async push(): Promise<Outcome> {
    const { talk, session } = this
    const store = givenStore(session)?.location
    if (session.options.store === undefined && store !== undefined && placeOf(store) === undefined) {
      talk.say(`Your store is ${store}. To push to Drive: colab-escape push ./data --store drive:`)
      return 'done'
    }
    for (;;) {
      const answer = await talk.ask('\nPush a folder to Drive now? Type its path, or press Enter to finish: ')
      if (answer === '') break
      try {
        const { pushCommand } = await import('../versions/push.ts')
        const outcome = await pushCommand(session, [typedPath(answer, homedir())], { level: 'auto' })
        talk.say('', 'List what is stored with: colab-escape log')
        return outcome
      } catch (error) {
        throwIfAborted(session.signal)
        if (!isAppError(error)) throw error
        talk.sayError(error)
      }
    }
    talk.say('', 'Next: colab-escape push ./data')
    return 'done'
  }
}

function spaceOf(account: Account): string {
  const free = freeOf(account)
  return free === undefined ? `${formatBytes(account.used)} used and no limit` : `${formatBytes(free)} free`
}
