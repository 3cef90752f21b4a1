import { compress, extract, share } from './commands/archive/definitions.ts'
import { auth } from './commands/auth/definitions.ts'
import { diff, inspect, status } from './commands/compare/definitions.ts'
import { completion } from './commands/completion/definitions.ts'
import { config, use } from './commands/config/definitions.ts'
import { doctor } from './commands/doctor/definitions.ts'
import { python } from './commands/python/definitions.ts'
import { key } from './commands/key/definitions.ts'
import { LazyCommand, type Execute } from './commands/shared/lazy-command.ts'
import { TOPICS } from './commands/shared/help-topics.ts'
import { du, forget, prune, unforget } from './commands/space/definitions.ts'
import { cat, check, find, log, ls, note, pull, push, rename, repair, tag, untag } from './commands/versions/definitions.ts'
import { watch } from './commands/watch/definitions.ts'
import { overview, topics, type Groups } from './help.ts'
import { AppError } from './util/errors.ts'
import { mostSimilar } from './util/similar.ts'
import { VersionAsked } from './version.ts'

/** By purpose, in the order of `--help`. */
const DEFINITIONS = {
  Save: [push, watch, tag, untag, note, rename, compress, share],
  'Get back': [pull, cat, extract],
  Look: [log, ls, find, status, diff, inspect, du],
  'Clean up': [forget, unforget, prune, check, repair],
  'Set up': [auth, use, config, key, doctor, python, completion],
}

const GROUPS: Groups = Object.fromEntries(
  Object.entries(DEFINITIONS).map(([title, definitions]) => [title, definitions.map(({ name }) => name)]),
)

/** Prints help on stdout. */
type Print = (text: string) => unknown

function help(root: LazyCommand, print: Print): void {
  root
    .command('help')
    .description('show help for a command or a topic')
    .argument('[topic...]', `a command, or one of: commands, options, ${Object.keys(TOPICS).join(', ')}`)
    .addHelpText('after', '\nExamples:\n  colab-escape help push\n  colab-escape help auth login\n  colab-escape help versions')
    .action(([name, ...names]: string[]) => {
      const pages = topics(root, GROUPS)
      const page = pages.get(name ?? '')
      if (page) return void print(page())
      const similar = mostSimilar(name ?? '', [...pages.keys()])
      if (similar !== undefined && !root.commands.some(command => command.name() === name))
        throw new AppError('usage', `There is no help on \`${name}\`.`, { hint: `Did you mean: colab-escape help ${similar}` })
      const asked = name === undefined ? [] : [name, ...names]
      asked.reduce<LazyCommand>((command, each) => command.subcommand(each), root).help()
    })
}

/** The help of the program as a whole. */
class Root extends LazyCommand {
  override helpInformation(): string {
    return overview(this, GROUPS)
  }
}

/** The commands with their options and help. `execute` runs the command that the parsed arguments select. */
export function buildProgram(execute: Execute, print: Print = text => process.stdout.write(text)): LazyCommand {
  const root = new Root('colab-escape', execute)
    .configureOutput({ writeOut: print })
    .description('Saves folders as small versions, and gets any of them back, exact to the bit.')
    .option('-V, --version', 'print the version, and what it runs on')
    .option(
      '-s, --store <place>',
      'the repository: a folder, drive:, drive:Some/Folder, drive://Shared drive/Folder, the address of a Drive folder, or the name of a store (default: COLAB_ESCAPE_STORE, else that of `use`, else Drive)',
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
    .option(
      '--password-file <file>',
      'file whose first line is the password of the encrypted repository (default: COLAB_ESCAPE_PASSWORD, else it asks); - reads it from stdin',
    )
    .option('--json', 'print events and the result as JSON lines on stdout')
    .option('-q, --quiet', 'no progress, no receipts; only warnings and errors')
    .option('-v, --verbose', 'print details, and stack traces with errors')
    .option('--no-progress', 'no progress line')
    .option('-j, --jobs <n>', 'threads for compression (default: one per core)')
    .helpOption('-h, --help', 'show help')
    .helpCommand(false)
    .on('option:version', () => {
      throw new VersionAsked()
    })
    .exitOverride()
  for (const define of Object.values(DEFINITIONS).flat()) define(root)
  help(root, print)
  return root
}
