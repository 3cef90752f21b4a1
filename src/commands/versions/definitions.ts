/*
 * The commands around versions: push, pull, log, ls, find, cat, check, repair, tag, note, rename. Each parses, makes
 * one call of the core, and prints.
 */

import { Option } from 'commander'
import { collect, excludeOption, levelChoiceOption, yesOption } from '../shared/common-options.ts'
import type { LazyCommand } from '../shared/lazy-command.ts'
import { addRetentionOptions } from '../shared/retention-options.ts'

export function push(root: LazyCommand): void {
  const command = root
    .command('push <path...>')
    .description('store each folder or file as the next version of its name')
    .option('--name <name>', 'name of the version (default: the name of the folder)')
    .option('-m, --message <text>', 'description of this version')
    .option('--tag <tag>', 'tag for this version (repeatable)', collect)
    .option('--metric <name=number>', 'metric of this version, e.g. val_loss=0.31 (repeatable)', collect)
    .addOption(excludeOption())
    .addOption(levelChoiceOption('auto'))
    .option('--no-delta', "don't store tensors as differences from earlier ones, and don't cache tensors on this machine")
    .option('--reread', 'read all files again, also those whose size and times have not changed')
    .option('--create', 'make a new repository, also where this machine knows one that is gone')
    .option('--encrypt', 'if the push makes a new repository, make it an encrypted one: asks for a password')
    .option('-n, --dry-run', 'show what would be stored, by kind of file and type of tensor; store nothing')
  addRetentionOptions(command)
    .addHelpText(
      'after',
      `
In a git work tree the version records the commit and the branch. Git is not
started for that.
With --keep-... options, older versions of the path that no rule keeps are
forgotten afterwards, as colab-escape forget does. Tensors are then stored as
differences only with --keep-last 3 or more, where the kept versions take no
more for it.

A file is read only if its size, times or inode have changed. On FUSE mounts,
FAT, exFAT, NTFS and SMB these don't show every change, so there every file is
read; --reread does so on any disk. The store, the cache of colab-escape and
its saved login are left out. The receipt says how much was left out, and by
which ignore file: one may have come with somebody's files.
A file that can't be read stays as an earlier version has it, or is missing.
The version is then incomplete, nothing is forgotten, and the exit code is 3.

Examples:
  colab-escape push ./data --store /media/usb/repo
  colab-escape push runs --exclude "*.tmp" --tag best -m "lr 1e-4"
  colab-escape push runs --metric val_loss=0.31 --metric acc=0.9
  colab-escape push runs --keep-last 5 --keep-best val_loss:2`,
    )
    .runs(async () => (await import('./push.ts')).pushCommand)
}

export function pull(root: LazyCommand): void {
  root
    .command('pull <version> [destination]')
    .description('restore a version, or with :path one file, one folder or all files that match')
    .option('--only <pattern>', 'restore only files that match, in gitignore syntax (repeatable)', collect)
    .option('--exclude <pattern>', 'skip files that match (repeatable)', collect)
    .option('--delete', 'delete local files that the version does not have')
    .option('--force', 'overwrite and delete local content even if no version holds it')
    .option('--special-modes', 'restore set-user-id, set-group-id and sticky bits, and permission for everybody to write')
    .option('--allow-growth', 'restore also more than 1 GB that takes less than a hundredth of that in the repository')
    .option('--tensor <pattern>', 'take only the tensors with matching names out of name:path (repeatable)', collect)
    .option('-o, --output <file>', 'safetensors file that --tensor writes (default: named after the tensor or the file)')
    .option('--checkpoint', 'restore only the checkpoint that the metrics of the version belong to')
    .option('-n, --dry-run', 'show what would change; change nothing')
    .addHelpText(
      'after',
      `
A pull that does not fit the disk changes nothing (exit code 6), even with
--force.

A version of a single file gets the name of its source. A hidden name (.bashrc)
has to be given as the destination. Without --force, a local file is replaced
only if a version holds its content; if the command does not name the file, or
for a hidden file in your home folder or the current one, only if this machine
has pushed it from there.

Examples:
  colab-escape pull data
  colab-escape pull data~1 old-data
  colab-escape pull runs@best --only "*.safetensors"
  colab-escape pull runs@best:val_loss best --checkpoint
  colab-escape pull runs@best:val_loss:exp1/model.pt model.pt
  colab-escape pull "runs:exp1/*.json" results
  colab-escape pull runs:best.pt --tensor "model.layers.0.*" -o part.safetensors`,
    )
    .runs(async ({ tensor, output }: { tensor?: string[]; output?: string }) =>
      tensor === undefined && output === undefined
        ? (await import('./pull.ts')).pullCommand
        : (await import('./pull-tensors.ts')).pullTensorsCommand,
    )
}

export function log(root: LazyCommand): void {
  root
    .command('log [name]')
    .description('list versions, newest first')
    .option('--sort <column>', 'sort by time, name, size, new, a metric (lowest first) or max:metric (highest first)', 'time')
    .option('--reverse', 'the other way round: oldest, smallest or worst first')
    .option('-n, --limit <n>', 'only the first n versions')
    .option('--all', 'on a terminal too, list more versions than it has lines')
    .option('--since <time>', 'only versions from this time on: a date such as 2026-11-20, yesterday, or a duration such as 2h')
    .option('--until <time>', 'only versions up to this time')
    .option('--tag <tag>', 'only versions with this tag (repeatable)', collect)
    .option('--metrics <names>', 'the metrics to show, separated by commas')
    .addOption(
      new Option('--time <how>', 'times relative to now if less than a day ago, the default on a terminal, or absolute').choices([
        'relative',
        'absolute',
      ]),
    )
    .addOption(new Option('--format <format>', 'a table, or the full ids alone').choices(['table', 'ids']))
    .option('--ids', 'the same as --format ids')
    .addHelpText(
      'after',
      `
Each metric has a column of its own. On a narrow terminal those that tell the
versions apart come first, and the last line names the others.

Examples:
  colab-escape log data
  colab-escape log runs --sort val_loss -n 5
  colab-escape log runs --sort max:acc --metrics acc,val_loss,lr
  colab-escape log runs --since yesterday --tag best
  colab-escape log runs --ids | head -n 1`,
    )
    .runs(async () => (await import('./log.ts')).logCommand)
}

export function ls(root: LazyCommand): void {
  root
    .command('ls [version] [path]')
    .description('list the files of a version, or without one the names in the repository')
    .option('-R, --recursive', 'list everything below the path')
    .addHelpText(
      'after',
      '\nExamples:\n  colab-escape ls\n  colab-escape ls data\n  colab-escape ls data:train\n  colab-escape ls data@best checkpoints -R',
    )
    .runs(async () => (await import('./ls.ts')).lsCommand)
}

export function find(root: LazyCommand): void {
  root
    .command('find [pattern]')
    .description('find files in all versions by name, path or content')
    .option('--content <file>', 'find what has exactly the content of this local file')
    .option('--name <name>', 'only in versions of this name (repeatable)', collect)
    .option('--since <time>', 'only in versions from this time on: a date such as 2026-11-20, yesterday, or a duration such as 2h')
    .option('--until <time>', 'only in versions up to this time')
    .option('--all', 'on a terminal too, list more than it has lines')
    .addHelpText(
      'after',
      `
Shows for each path which versions have it, one line for versions one after the
other with the same content, and since which version it is gone. Patterns are in
gitignore syntax: without a slash a name anywhere, with one a path from the top.
8 digits or more may also be the beginning of the id of a content, which is in
the first column. Of a file that is stored as one chunk, it is its SHA-256.

Examples:
  colab-escape find labels.csv
  colab-escape find "train/**/*.jpg" --name data --since 14d
  colab-escape find 1a2b3c4d
  colab-escape find --content ./best.pt`,
    )
    .runs(async () => (await import('./find.ts')).findCommand)
}

export function cat(root: LazyCommand): void {
  root
    .command('cat <version:path>')
    .description('write one file of a version to stdout')
    .addHelpText('after', '\nExample:\n  colab-escape cat data~1:labels.csv | head')
    .runs(async () => (await import('./cat.ts')).catCommand)
}

export function check(root: LazyCommand): void {
  root
    .command('check')
    .description('check that all data of the repository is there, and with --read-data that it reads back')
    .option('--read-data [share]', 'read back all packs, or a random share of them such as 10%')
    .addHelpText('after', '\nExamples:\n  colab-escape check\n  colab-escape check --read-data=10%')
    .runs(async () => (await import('./check.ts')).checkCommand)
}

export function repair(root: LazyCommand): void {
  root
    .command('repair')
    .description('heal what can be healed in a damaged repository, and say what can not')
    .option('--give-up', "delete what can't be healed: versions that lack data, and objects that can't be read")
    .addOption(yesOption())
    .option('-n, --dry-run', 'show what would be done; change nothing')
    .addHelpText(
      'after',
      `
Reads all data back, except packs whose checksums the store itself gives. Puts
objects back from Drive's trash, gives objects their names back that another
program changed, rebuilds indexes from packs, and takes damaged packs out of
use: then a push of the same sources stores their content again. It invents
nothing. Versions that lack data stay, and what is left of them can be pulled,
unless --give-up deletes them; on a terminal it asks before. Use it only when no
other machine uses the repository. An interrupted repair does no harm: run it
again.

Examples:
  colab-escape repair --dry-run
  colab-escape repair`,
    )
    .runs(async () => (await import('./repair.ts')).repairCommand)
}

export function tag(root: LazyCommand): void {
  root
    .command('tag <version> <tag...>')
    .description('add tags to a version')
    .option('--move', 'remove these tags from all other versions of the name')
    .addHelpText('after', '\nExamples:\n  colab-escape tag runs best\n  colab-escape tag runs@best:val_loss best --move')
    .runs(async () => (await import('./tag.ts')).tagCommand)
}

export function untag(root: LazyCommand): void {
  root
    .command('untag <version> <tag...>')
    .description('remove tags from a version')
    .addHelpText('after', '\nExample:\n  colab-escape untag runs@best best')
    .runs(async () => (await import('./tag.ts')).untagCommand)
}

export function rename(root: LazyCommand): void {
  root
    .command('rename <name> <new-name>')
    .description('give all versions of a name another name')
    .addHelpText(
      'after',
      `
Times, tags, messages and metrics stay, ids change. No data is sent. Interrupted
at any moment, it goes on when it is run again. A folder that is pushed keeps
its own name: push it with --name.

Example:
  colab-escape rename runs runs-with-old-labels`,
    )
    .runs(async () => (await import('./rename.ts')).renameCommand)
}

export function note(root: LazyCommand): void {
  root
    .command('note <version>')
    .description('change the message or the metrics of a version')
    .option('-m, --message <text>', "the version's message from now on; '' removes it")
    .option('--metric <name=number>', 'metric of the version, e.g. acc=0.9; acc= removes it (repeatable)', collect)
    .addHelpText(
      'after',
      `
The content of a version never changes. log, @best:acc and --keep-best use what
was noted last.

Examples:
  colab-escape note runs -m "trained with the new labels"
  colab-escape note runs@8636 --metric acc=0.9 --metric val_loss=0.31
  colab-escape note runs@best -m ''`,
    )
    .runs(async () => (await import('./note.ts')).noteCommand)
}
