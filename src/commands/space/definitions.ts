/*
 * The commands about space: du, forget, prune. The decisions are made in `repository/prune` and `repository/versions`.
 */

import { Option, type Command } from 'commander'
import type { Execute } from '../shared/execute.ts'
import { addRetentionOptions } from '../shared/retention-options.ts'

/** The commands that give up versions and free space. */
export function registerSpaceCommands(root: Command, execute: Execute): void {
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
      const { duCommand } = await import('./du.ts')
      const options = command.opts<Parameters<typeof duCommand>[2]>()
      await execute(command.optsWithGlobals(), session => duCommand(session, version, options))
    })

  const forget = root.command('forget <name...>').description('give up versions that no rule keeps, and free what they took')
  addRetentionOptions(forget)
    .option('--all', 'the rules alone decide, also about the newest version; without rules all versions go')
    .option('--dry-run', 'only tell what would stay, and why')
    .addHelpText(
      'after',
      `
A version that any rule keeps stays. The newest one always does, unless --all.
Space is freed an hour later by the next forget or prune: until then another
machine may be using what is to go.

Examples:
  colab-escape forget runs --keep-last 5 --keep-best val_loss:2 --dry-run
  colab-escape forget data --keep-daily 7 --keep-weekly 4 --keep-tag paper
  colab-escape forget old-data --all`,
    )
    .action(async (names: string[], _: unknown, command: Command) => {
      const { forgetCommand } = await import('./forget.ts')
      const options = command.opts<Parameters<typeof forgetCommand>[2]>()
      await execute(command.optsWithGlobals(), session => forgetCommand(session, names, options))
    })

  root
    .command('prune')
    .description('free for good what no version needs')
    .option('--empty-trash', "also what of the repository lies in Drive's trash; what versions need is put back")
    .option('--now', 'do not wait: only when no other machine is using the repository')
    .option('--dry-run', 'only tell what would be freed')
    .addHelpText(
      'after',
      `
Interrupted at any moment it goes on when it is run again.

Examples:
  colab-escape prune
  colab-escape prune --empty-trash
  colab-escape prune --now`,
    )
    .action(async (_: unknown, command: Command) => {
      const { pruneCommand } = await import('./prune.ts')
      const options = command.opts<Parameters<typeof pruneCommand>[1]>()
      await execute(command.optsWithGlobals(), session => pruneCommand(session, options))
    })
}
