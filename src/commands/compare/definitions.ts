import { Option, type Command } from 'commander'
import { collect, type Execute } from '../shared/definition.ts'

/** The commands that compare and measure. */
export function registerCompareCommands(root: Command, execute: Execute): void {
  root
    .command('diff <before> <after>')
    .description('what differs, by file, between two versions, or a version and a local folder')
    .addHelpText('after', '\nExamples:\n  colab-escape diff data~1 data\n  colab-escape diff data ./data')
    .action(async (before: string, after: string, _: unknown, command: Command) => {
      const { diffCommand } = await import('./diff.ts')
      await execute(command.optsWithGlobals(), session => diffCommand(session, before, after))
    })

  root
    .command('status [path]')
    .description('what a push would send (default path: the current folder)')
    .option('--name <name>', 'the name to compare with (default: that of the folder)')
    .option('--exclude <pattern>', 'leave out what matches, as push does (repeatable)', collect)
    .option('--refresh', 'ask the store, even where this machine knows the newest version')
    .addHelpText('after', '\nExample:\n  colab-escape status ./data')
    .action(async (path: string | undefined, _: unknown, command: Command) => {
      const { statusCommand } = await import('./status.ts')
      const options = command.opts<Parameters<typeof statusCommand>[2]>()
      await execute(command.optsWithGlobals(), session => statusCommand(session, path, options))
    })

  root
    .command('du [version]')
    .description('where the space goes: by name, by version of a name, by folder, extension or kind of a version')
    .addOption(new Option('--by <part>', 'split one version').choices(['folder', 'extension', 'kind']))
    .addHelpText(
      'after',
      `
Size, less what each way of storing it saved, is what is stored. A block counts
whole for its way: codec, compressed as it is; filters, a tensor split into byte
planes or a table into columns, each of them compressed; deltas, a tensor stored
as changes of another. So filters tells what splitting and compression save
together. What is kept of other tensors for their changes alone is subtracted
from deltas, which may turn negative; a version that holds those tensors too
pays nothing for them here.

Examples:
  colab-escape du
  colab-escape du data
  colab-escape du data~1 --by kind`,
    )
    .action(async (version: string | undefined, _: unknown, command: Command) => {
      const { duCommand } = await import('../space/du.ts')
      const options = command.opts<Parameters<typeof duCommand>[2]>()
      await execute(command.optsWithGlobals(), session => duCommand(session, version, options))
    })
}
