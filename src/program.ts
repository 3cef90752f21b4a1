import { Command, Help } from 'commander'
import { registerArchiveCommands } from './commands/archive/definitions.ts'
import { registerAuthCommands } from './commands/auth/definitions.ts'
import { registerCompareCommands, registerTensorCommands } from './commands/compare/definitions.ts'
import { registerCompletionCommand } from './commands/completion/definitions.ts'
import { registerDoctorCommand } from './commands/doctor/definitions.ts'
import type { Execute } from './commands/shared/execute.ts'
import { registerSpaceCommands } from './commands/space/definitions.ts'
import { registerCoreCommands, registerVersionCommands } from './commands/versions/definitions.ts'
import { registerWatchCommand } from './commands/watch/definitions.ts'
import { EXIT_CODES } from './exit-codes.ts'

const VERSION = typeof __VERSION__ === 'undefined' ? 'unbuilt' : __VERSION__

/** The commands with their options and help. Nothing runs before the result parses arguments; then `execute` runs the command that they name. */
export function buildProgram(execute: Execute): Command {
  const root = new Command('colab-escape')
    .description('Pushes folders into a small, deduplicated, versioned repository and pulls any version back, exact to the bit.')
    .version(VERSION, '-V, --version', 'print the version of colab-escape')
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
    .helpOption('-h, --help', 'show how it is used')
    .helpCommand('help [command]', 'show how a command is used')
    .addHelpText('after', exitHelp)
    .showHelpAfterError('  -> Add --help to see how it is used.')
    .configureOutput({ outputError: (text, write) => write(text.replace(/\n(?=\(Did you mean)/, ' ')) })
    .configureHelp({
      showGlobalOptions: true,
      subcommandTerm: command => `${command.name()} ${command.usage().replace('[options]', '').trim()}`.trimEnd(),
    })
    .exitOverride()

  registerCoreCommands(root, execute, `colab-escape ${VERSION}`)
  registerCompareCommands(root, execute)
  registerSpaceCommands(root, execute)
  registerVersionCommands(root, execute)
  registerWatchCommand(root, execute, `colab-escape ${VERSION}`)
  registerTensorCommands(root, execute)
  registerArchiveCommands(root, execute)
  registerAuthCommands(root, execute)
  registerDoctorCommand(root, execute)
  registerCompletionCommand(root, execute)
  return root
}

function exitHelp(): string {
  const codes = EXIT_CODES.map(({ code, meaning }) => `${code} ${meaning}`).join(', ')
  return `\n${new Help().boxWrap(`Exit codes: ${codes}.`, 80)}`
}
