import { Help } from 'commander'
import { compress, extract, share } from './commands/archive/definitions.ts'
import { auth } from './commands/auth/definitions.ts'
import { diff, inspect, status } from './commands/compare/definitions.ts'
import { completion } from './commands/completion/definitions.ts'
import { doctor } from './commands/doctor/definitions.ts'
import { LazyCommand, type Execute } from './commands/shared/lazy-command.ts'
import { du, forget, prune } from './commands/space/definitions.ts'
import { cat, check, find, log, ls, pull, push, repair, tag, untag } from './commands/versions/definitions.ts'
import { watch } from './commands/watch/definitions.ts'
import { EXIT_CODES } from './exit-codes.ts'
import { VERSION } from './version.ts'

function help(root: LazyCommand): void {
  root
    .command('help')
    .description('show help for a command')
    .argument('[command...]')
    .addHelpText('after', '\nExamples:\n  colab-escape help push\n  colab-escape help auth login')
    .action((names: string[]) => {
      const topic = names.reduce((command, name) => command.subcommand(name), root)
      topic.help()
    })
}

/** In the order of `--help`. */
// prettier-ignore
const DEFINITIONS = [
  push, pull, log, ls, find, cat, check, repair, diff, status, du, forget, prune, tag, untag, watch, inspect, compress, extract,
  share, auth, doctor, completion, help,
]

/** The commands with their options and help. `execute` runs the command that the parsed arguments select. */
export function buildProgram(execute: Execute): LazyCommand {
  const root = new LazyCommand('colab-escape', execute)
    .description('Pushes folders into a small, deduplicated, versioned repository and pulls any version back, bit for bit.')
    .version(VERSION, '-V, --version', 'print the version of colab-escape')
    .option(
      '--store <place>',
      'the repository: a folder, drive:, drive:Some/Folder, drive://Shared drive/Folder or the address of a Drive folder (default: COLAB_ESCAPE_STORE, else Drive)',
    )
    .option(
      '--settings-file <file>',
      'take settings that the environment lacks from this file (always: from .env in the folder for settings)',
    )
    .option(
      '--token <token>',
      'access token for Google Drive (default: COLAB_ESCAPE_TOKEN, else the saved login); - reads it from stdin: other users of this machine can see arguments',
    )
    .option('--token-file <file>', 'file with an access token, which only you may read')
    .option('--json', 'print events and the result as JSON lines on stdout')
    .option('--quiet', 'no progress, no receipts; only warnings and errors')
    .option('--verbose', 'print details, and stack traces with errors')
    .option('--no-progress', 'no progress line')
    .option('--jobs <n>', 'threads for compression (default: one per core)')
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .addHelpText('after', exitHelp)
    .configureHelp({
      showGlobalOptions: true,
      subcommandTerm: command => `${command.name()} ${command.usage().replace('[options]', '').trim()}`.trimEnd(),
    })
    .exitOverride()
  for (const define of DEFINITIONS) define(root)
  return root
}

function exitHelp(): string {
  const codes = EXIT_CODES.map(({ code, meaning }) => `${code} ${meaning}`).join(', ')
  return `\n${new Help().boxWrap(`Exit codes: ${codes}.`, 80)}`
}
