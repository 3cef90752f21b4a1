import { Command, CommanderError, Option } from 'commander'
import type { ErrorCode } from './util/errors.ts'
import { Session, type GlobalOptions, type Outcome } from './commands/session.ts'
import { readSettings } from './settings.ts'
import { createConsole } from './ui/console.ts'
import { describeError } from './ui/describe-error.ts'

const EXIT_CODES: Partial<Record<ErrorCode | 'internal' | Outcome, number>> = {
  done: 0,
  usage: 2,
  partly: 3,
  unauthenticated: 4,
  'not-found': 5,
  'not-a-repository': 5,
  quota: 6,
  corrupt: 7,
  damaged: 7,
  'would-overwrite': 8,
  interrupted: 130,
}

const EXIT_HELP = `
Exit codes: 0 done, 1 failed, 2 bad usage, 3 partly done (some source files could not be read, all others are saved), 4 not authenticated,
5 not found, 6 quota or disk full, 7 damaged data found, 8 would overwrite local changes, 130 interrupted.`

const interrupt = new AbortController()

/** The first signal lets what is under way end at a safe point; a second one ends at once. */
function onSignal(): void {
  if (interrupt.signal.aborted) process.exit(130)
  interrupt.abort()
  process.exitCode = 130
}

type Run = (session: Session) => Promise<Outcome>

async function execute(options: GlobalOptions, run: Run): Promise<void> {
  process.on('SIGINT', onSignal)
  process.on('SIGTERM', onSignal)
  let session: Session | undefined
  try {
    session = new Session(options, readSettings(), interrupt.signal, new URL('./worker.js', import.meta.url))
    process.exitCode = EXIT_CODES[await run(session)] ?? 0
  } catch (error) {
    const screen = session?.console ?? plainConsole(options)
    screen.error(error)
    process.exitCode = interrupt.signal.aborted ? 130 : (EXIT_CODES[describeError(error).code] ?? 1)
  } finally {
    await session?.close()
  }
}

/** For errors from before there are settings. */
function plainConsole(options: GlobalOptions): Session['console'] {
  const { json = false, quiet = false, verbose = false } = options
  return createConsole({
    json,
    quiet,
    verbose,
    progress: false,
    colour: false,
    stdout: process.stdout,
    stderr: process.stderr,
    now: () => performance.now(),
  })
}

const VERSION = typeof __VERSION__ === 'undefined' ? 'unbuilt' : __VERSION__

const collect = (value: string, all: string[] | undefined = []): string[] => [...all, value]

function program(): Command {
  const root = new Command('colab-escape')
    .description('Pushes folders into a small, deduplicated, versioned repository and pulls any version back, exact to the bit.')
    .version(VERSION)
    .option(
      '--store <place>',
      'the repository: a folder, drive: or drive:Some/Folder (default: COLAB_ESCAPE_STORE, also from .env; else Drive)',
    )
    .option('--token <token>', 'an access token for Google Drive (default: COLAB_ESCAPE_TOKEN, else the saved login)')
    .option('--json', 'events and result as JSON lines on stdout')
    .option('--quiet', 'no progress, no receipts; warnings and errors only')
    .option('--verbose', 'details, and stack traces with errors')
    .option('--no-progress', 'no progress line')
    .option('--jobs <n>', 'threads that compress (default: one a core)')
    .addHelpText('after', EXIT_HELP)
    .showHelpAfterError('  -> Add --help to see how it is used.')
    .configureOutput({ outputError: (text, write) => write(text.replace(/\n(?=\(Did you mean)/, ' ')) })
    .configureHelp({ showGlobalOptions: true })
    .exitOverride()

  root
    .command('push <path...>')
    .description('store folders or files as the next version of their names')
    .option('--name <name>', 'the name of the version (default: that of the folder)')
    .option('-m, --message <text>', 'what this version is')
    .option('--tag <tag>', 'a tag to find it by (repeatable)', collect)
    .option(
      '--exclude <pattern>',
      'leave out what matches, in gitignore syntax (repeatable); also read from .colab-escape-ignore files',
      collect,
    )
    .addOption(new Option('--level <level>', 'how hard to compress').choices(['fast', 'balanced', 'max']).default('balanced'))
    .option('--dry-run', 'only tell what would be stored')
    .addHelpText(
      'after',
      '\nExamples:\n  colab-escape push ./data --store /media/usb/repo\n  colab-escape push runs --exclude "*.tmp" --tag best -m "lr 1e-4"',
    )
    .action(async (paths: string[], _: unknown, command: Command) => {
      const { pushCommand } = await import('./commands/push.ts')
      const options = command.opts<Parameters<typeof pushCommand>[2]>()
      await execute(command.optsWithGlobals(), session => pushCommand(session, paths, options, `colab-escape ${VERSION}`))
    })

  root
    .command('pull <version> [destination]')
    .description('restore a version: name, name~1 (the one before), name@tag, name@id, name@2026-11-20')
    .option('--only <pattern>', 'restore only what matches, in gitignore syntax (repeatable)', collect)
    .option('--exclude <pattern>', 'leave out what matches (repeatable)', collect)
    .option('--delete', 'delete local files that the version lacks')
    .option('--force', 'overwrite and delete local content that no version holds')
    .option('--dry-run', 'only tell what would change')
    .addHelpText(
      'after',
      '\nExamples:\n  colab-escape pull data\n  colab-escape pull data~1 old-data\n  colab-escape pull runs@best --only "*.safetensors"',
    )
    .action(async (version: string, destination: string | undefined, _: unknown, command: Command) => {
      const { pullCommand } = await import('./commands/pull.ts')
      const options = command.opts<Parameters<typeof pullCommand>[3]>()
      await execute(command.optsWithGlobals(), session => pullCommand(session, version, destination, options))
    })

  root
    .command('log [name]')
    .description('list versions, the newest first')
    .addHelpText('after', '\nExample:\n  colab-escape log data')
    .action(async (name: string | undefined, _: unknown, command: Command) => {
      const { logCommand } = await import('./commands/log.ts')
      await execute(command.optsWithGlobals(), session => logCommand(session, name))
    })

  root
    .command('ls <version> [path]')
    .description('list what a version holds')
    .option('-R, --recursive', 'all that is below the path')
    .addHelpText('after', '\nExamples:\n  colab-escape ls data\n  colab-escape ls data@best checkpoints -R')
    .action(async (version: string, path: string | undefined, _: unknown, command: Command) => {
      const { lsCommand } = await import('./commands/ls.ts')
      const options = command.opts<Parameters<typeof lsCommand>[3]>()
      await execute(command.optsWithGlobals(), session => lsCommand(session, version, path, options))
    })

  root
    .command('cat <version:path>')
    .description('write one file of a version to stdout')
    .addHelpText('after', '\nExample:\n  colab-escape cat data~1:labels.csv | head')
    .action(async (what: string, _: unknown, command: Command) => {
      const { catCommand } = await import('./commands/cat.ts')
      await execute(command.optsWithGlobals(), session => catCommand(session, what))
    })

  root
    .command('check')
    .description('check that everything is there, and with --read-data that it reads back')
    .option('--read-data [share]', 'read all packs back, or a random share of them, such as 10%')
    .addHelpText('after', '\nExamples:\n  colab-escape check\n  colab-escape check --read-data=10%')
    .action(async (_: unknown, command: Command) => {
      const { checkCommand } = await import('./commands/check.ts')
      const options = command.opts<Parameters<typeof checkCommand>[1]>()
      await execute(command.optsWithGlobals(), session => checkCommand(session, options))
    })

  const auth = root.command('auth').description('log in to Google Drive, see who is logged in, log out')
  auth
    .command('login')
    .description('log in with your browser and save the login')
    .option('--no-browser', 'print the address to open, and take the address of the page you are sent to: for a browser on another machine')
    .option(
      '--client-secret-file <file>',
      "your OAuth client's JSON (default: GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET, else that of the last login)",
    )
    .addOption(
      new Option(
        '--scope <scope>',
        'drive: all files of your Drive, so also what Colab pushed; drive.file: only what this OAuth client made',
      )
        .choices(['drive', 'drive.file'])
        .default('drive'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  colab-escape auth login --client-secret-file client_secret.json\n  colab-escape auth login --no-browser',
    )
    .action(async (_: unknown, command: Command) => {
      const { authLoginCommand } = await import('./commands/auth-login.ts')
      const options = command.opts<Parameters<typeof authLoginCommand>[1]>()
      await execute(command.optsWithGlobals(), session => authLoginCommand(session, options))
    })
  auth
    .command('status')
    .description('who is logged in, with which credentials, and how much room there is')
    .action(async (_: unknown, command: Command) => {
      const { authStatusCommand } = await import('./commands/auth-status.ts')
      await execute(command.optsWithGlobals(), authStatusCommand)
    })
  auth
    .command('logout')
    .description('revoke the saved login and remove it')
    .action(async (_: unknown, command: Command) => {
      const { authLogoutCommand } = await import('./commands/auth-logout.ts')
      await execute(command.optsWithGlobals(), authLogoutCommand)
    })
  auth
    .command('setup')
    .description('how to make an OAuth client of your own')
    .action(async (_: unknown, command: Command) => {
      const { authSetupCommand } = await import('./commands/auth-setup.ts')
      await execute(command.optsWithGlobals(), authSetupCommand)
    })
  auth
    .command('export')
    .description('print the saved login as JSON, for COLAB_ESCAPE_CREDENTIALS on another machine: a secret')
    .option('--yes', "don't ask before printing it")
    .action(async (_: unknown, command: Command) => {
      const { authExportCommand } = await import('./commands/auth-export.ts')
      const options = command.opts<Parameters<typeof authExportCommand>[1]>()
      await execute(command.optsWithGlobals(), session => authExportCommand(session, options))
    })
  return root
}

try {
  await program().parseAsync()
} catch (error) {
  // commander has printed what is wrong
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : 2
}
