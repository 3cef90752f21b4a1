/*
 * The commands about space: du, forget, prune. The decisions are made in `repository/prune` and `repository/versions`.
 */

import { Option } from 'commander'
import type { LazyCommand } from '../shared/lazy-command.ts'
import { addRetentionOptions } from '../shared/retention-options.ts'

export function du(root: LazyCommand): void {
  root
    .command('du [version]')
    .description('show what takes space: by name, by version of a name, or by folder, extension or kind of a version')
    .addOption(new Option('--by <part>', 'split one version').choices(['folder', 'extension', 'kind']))
    .addHelpText(
      'after',
      `
What is stored is the size minus the savings. Each block counts as a whole under
one of them: codec (compressed as it is), filters (a tensor split into byte
planes or a table split into columns, then compressed) or deltas (a tensor
stored as differences from another one). So filters includes what compression
saves after the split. Data of other tensors that is kept only for such
differences is subtracted from deltas, which may become negative. A version that
holds those tensors itself pays nothing for them here.

Examples:
  colab-escape du
  colab-escape du data
  colab-escape du data~1 --by kind`,
    )
    .runs(async () => (await import('./du.ts')).duCommand)
}

export function forget(root: LazyCommand): void {
  const command = root.command('forget <name...>').description('forget versions that no rule keeps, and free their space')
  addRetentionOptions(command)
    .option('--all', 'let the rules alone decide, even about the newest version; without rules, forget all versions')
    .option('-n, --dry-run', 'show which versions would stay, and why; forget nothing')
    .addHelpText(
      'after',
      `
A version that any rule keeps stays. The newest version always stays, unless
--all is given. The next forget or prune that runs an hour or more later frees
the space: until then another machine may still be using the data.

Examples:
  colab-escape forget runs --keep-last 5 --keep-best val_loss:2 --dry-run
  colab-escape forget data --keep-daily 7 --keep-weekly 4 --keep-tag paper
  colab-escape forget old-data --all`,
    )
    .runs(async () => (await import('./forget.ts')).forgetCommand)
}

export function prune(root: LazyCommand): void {
  root
    .command('prune')
    .description('delete data that no version needs')
    .option('--empty-trash', "also delete objects of the repository in Drive's trash; put back those that versions need")
    .option('--now', 'do not wait: use it only when no other machine uses the repository')
    .option('-n, --dry-run', 'show what would be freed; delete nothing')
    .addHelpText(
      'after',
      `
An interrupted prune does no harm: run it again, and it continues.

Examples:
  colab-escape prune
  colab-escape prune --empty-trash
  colab-escape prune --now`,
    )
    .runs(async () => (await import('./prune.ts')).pruneCommand)
}
