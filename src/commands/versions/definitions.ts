/*
 * The commands around versions: push, pull, log, ls, cat, check, repair, tag. Each parses, makes one call of the core,
 * and prints.
 */

import { collect, excludeOption, levelOption } from '../shared/common-options.ts'
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
    .addOption(levelOption())
    .option('--no-delta', "don't store tensors as differences from earlier ones, and don't cache tensors on this machine")
    .option('--reread', 'read all files again, also those whose size and times have not changed')
    .option('--create', 'make a new repository, also where this machine knows one that is gone')
    .option('--dry-run', 'show what would be stored, by kind of file and type of tensor; store nothing')
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
    .option('-o, --output <file>', 'safetensors file that --tensor writes')
    .option('--checkpoint', 'restore only the checkpoint that the metrics of the version belong to')
    .option('--dry-run', 'show what would change; change nothing')
    .addHelpText(
      'after',
      `
A version is name, name~1 (the one before), name@tag, name@id, name@2026-11-20
(the newest at the end of that day), name@yesterday, name@2h (the newest that is
at least that old; also 30min, 3d, 1d12h), name@best:val_loss (the lowest) or
name@best:max:acc (the highest).

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
    .addHelpText('after', '\nExample:\n  colab-escape log data')
    .runs(async () => (await import('./log.ts')).logCommand)
}

export function ls(root: LazyCommand): void {
  root
    .command('ls <version> [path]')
    .description('list the files of a version')
    .option('-R, --recursive', 'list everything below the path')
    .addHelpText('after', '\nExamples:\n  colab-escape ls data\n  colab-escape ls data@best checkpoints -R')
    .runs(async () => (await import('./ls.ts')).lsCommand)
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
    .option('--dry-run', 'show what would be done; change nothing')
    .addHelpText(
      'after',
      `
Reads all data back, except packs whose checksums the store itself gives. Puts
objects back from Drive's trash, gives objects their names back that another
program changed, rebuilds indexes from packs, and takes damaged packs out of
use: then a push of the same sources stores their content anew. It invents
nothing. Versions that lack data stay, and what is left of them can be pulled,
unless --give-up deletes them. Use --give-up only when no other machine uses the
repository. An interrupted repair does no harm: run it again.

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
