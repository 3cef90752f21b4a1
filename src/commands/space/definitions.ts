/*
 * The commands about space: du, forget, unforget, prune. The decisions are made in `repository/prune` and
 * `repository/versions`.
 */

import { Option } from 'commander'
import { yesOption } from '../shared/common-options.ts'
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
  const command = root
    .command('forget <name-or-version...>')
    .description('remove versions that no rule keeps, or the ones that are named, and free their space')
  addRetentionOptions(command)
    .option('--all', 'let the rules alone decide, even about the newest version; without rules, remove all versions')
    .addOption(yesOption())
    .option('-n, --dry-run', 'show which versions would stay, and why; remove nothing')
    .addHelpText(
      'after',
      `
With rules: a version that any rule keeps stays. The newest version always
stays, unless --all is given. One version is named as for pull, by its id, its
tag or ~N: it is removed also if it is the newest, and all others stay. A time
such as @2026-11-20 is refused, because it finds some version, however old.

unforget brings back what was removed, until its space is freed. The next forget
or prune that runs an hour or more later frees it: until then another machine
may still be using the data. On a terminal, --all asks first.

Examples:
  colab-escape forget runs --keep-last 5 --keep-best val_loss:2 --dry-run
  colab-escape forget data --keep-daily 7 --keep-weekly 4 --keep-tag paper
  colab-escape forget data@8636abcd data~3
  colab-escape forget old-data --all`,
    )
    .runs(async () => (await import('./forget.ts')).forgetCommand)
}

export function unforget(root: LazyCommand): void {
  root
    .command('unforget [name-or-version...]')
    .description('bring back forgotten versions, or list those that can be brought back')
    .option('--all', 'bring back all forgotten versions of the name, not only those of the last forget')
    .addHelpText(
      'after',
      `
What a forget, or the rules of a push or a watch, removed can be brought back
for an hour, and then until a forget or a prune frees its data. Versions come
back with their tags, messages and metrics, and whole: one that lacks data stays
away. prune --now ends it at once.

Examples:
  colab-escape unforget
  colab-escape unforget data
  colab-escape unforget data@8636abcd`,
    )
    .runs(async () => (await import('./unforget.ts')).unforgetCommand)
}

export function prune(root: LazyCommand): void {
  root
    .command('prune')
    .description('delete data that no version needs')
    .option('--empty-trash', "also delete objects of the repository in Drive's trash; put back those that versions need")
    .option('--now', 'do not wait: use it only when no other machine uses the repository')
    .addOption(yesOption())
    .option('-n, --dry-run', 'show what would be freed; delete nothing')
    .addHelpText(
      'after',
      `
An interrupted prune does no harm: run it again, and it continues. On a
terminal, --now and --empty-trash ask before something goes that could still be
brought back.

Examples:
  colab-escape prune
  colab-escape prune --empty-trash
  colab-escape prune --now`,
    )
    .runs(async () => (await import('./prune.ts')).pruneCommand)
}
