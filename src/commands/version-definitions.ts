import type { Command } from 'commander'
import type { Execute } from './shared/definition.ts'

/** The commands that change what is known of versions. */
export function registerVersionCommands(root: Command, execute: Execute): void {
  root
    .command('tag <version> <tag...>')
    .description('give a version tags to find it by')
    .option('--move', 'take these tags from all other versions of the name')
    .addHelpText('after', '\nExamples:\n  colab-escape tag runs best\n  colab-escape tag runs@best:val_loss best --move')
    .action(async (version: string, tags: string[], _: unknown, command: Command) => {
      const { tagCommand } = await import('./versions/tag.ts')
      const options = command.opts<Parameters<typeof tagCommand>[3]>()
      await execute(command.optsWithGlobals(), session => tagCommand(session, version, tags, options))
    })

  root
    .command('untag <version> <tag...>')
    .description('take tags from a version')
    .addHelpText('after', '\nExample:\n  colab-escape untag runs@best best')
    .action(async (version: string, tags: string[], _: unknown, command: Command) => {
      const { untagCommand } = await import('./versions/tag.ts')
      await execute(command.optsWithGlobals(), session => untagCommand(session, version, tags))
    })
}
