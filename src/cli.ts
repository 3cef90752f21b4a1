import { Command, CommanderError } from 'commander'
import { registerAuthCommands } from './commands/auth-definitions.ts'
import { registerCompareCommands } from './commands/compare-definitions.ts'
import { registerCoreCommands } from './commands/core-definitions.ts'
import type { Execute } from './commands/definition.ts'
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

const execute: Execute = async (options, run) => {
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

  registerCoreCommands(root, execute, `colab-escape ${VERSION}`)
  registerCompareCommands(root, execute)
  registerAuthCommands(root, execute)
  return root
}

try {
  await program().parseAsync()
} catch (error) {
  // commander has printed what is wrong
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? 0 : 2
}
