/*
 * The commands around versions: push, pull, log, ls, cat, check, tag. Each parses, makes one call of the core, and
 * prints.
 */

import { Option, type Command } from 'commander'
import { collect, type Execute } from '../shared/execute.ts'
import { addRetentionOptions } from '../shared/retention-options.ts'

/** The commands that every user meets: options, help and examples; what they do is loaded when they run. */
export function registerCoreCommands(root: Command, execute: Execute, program: string): void {
  const push = root
    .command('push <path...>')
    .description('store folders or files as the next version of their names')
    .option('--name <name>', 'the name of the version (default: that of the folder)')
    .option('-m, --message <text>', 'what this version is')
    .option('--tag <tag>', 'a tag to find it by (repeatable)', collect)
    .option('--metric <name=number>', 'how it did, such as val_loss=0.31 (repeatable)', collect)
    .option(
      '--exclude <pattern>',
      'leave out what matches, in gitignore syntax (repeatable); also read from .colab-escape-ignore files',
      collect,
    )
    .addOption(new Option('--level <level>', 'how hard to compress').choices(['fast', 'balanced', 'max']).default('balanced'))
    .option('--no-delta', 'store no tensor as what differs from an earlier one, and keep none in the local cache')
    .option('--dry-run', 'only tell what would be stored, by kind of file and type of tensor')
  addRetentionOptions(push)
    .addHelpText(
      'after',
      `
In a git work tree the version notes commit and branch, and whether tracked
files differ from the commit. With --keep-... older versions of the name that no
rule keeps are forgotten afterwards, as by colab-escape forget; tensors are then
stored without the help of earlier versions.

Examples:
  colab-escape push ./data --store /media/usb/repo
  colab-escape push runs --exclude "*.tmp" --tag best -m "lr 1e-4"
  colab-escape push runs --metric val_loss=0.31 --metric acc=0.9
  colab-escape push runs --keep-last 5 --keep-best val_loss:2`,
    )
    .action(async (paths: string[], _: unknown, command: Command) => {
      const { pushCommand } = await import('./push.ts')
      const options = command.opts<Parameters<typeof pushCommand>[2]>()
      await execute(command.optsWithGlobals(), session => pushCommand(session, paths, options, program))
    })

  root
    .command('pull <version> [destination]')
    .description('restore a version, or with :path a file, a folder or what matches of it')
    .option('--only <pattern>', 'restore only what matches, in gitignore syntax (repeatable)', collect)
    .option('--exclude <pattern>', 'leave out what matches (repeatable)', collect)
    .option('--delete', 'delete local files that the version lacks')
    .option('--force', 'overwrite and delete local content that no version holds')
    .option('--tensor <pattern>', 'take only the tensors of these names out of name:path (repeatable)', collect)
    .option('-o, --output <file>', 'the safetensors file that --tensor writes')
    .option('--dry-run', 'only tell what would change')
    .addHelpText(
      'after',
      `
A version is name, name~1 (the one before), name@tag, name@id, name@2026-11-20
(the newest at the end of that day), name@yesterday, name@2h (the newest that is
at least so old; also 30min, 3d, 1w, 1d12h), name@best:val_loss (the lowest) or
name@best:max:acc (the highest).

Examples:
  colab-escape pull data
  colab-escape pull data~1 old-data
  colab-escape pull runs@best --only "*.safetensors"
  colab-escape pull runs@best:val_loss:exp1/model.pt model.pt
  colab-escape pull "runs:exp1/*.json" results
  colab-escape pull runs:best.pt --tensor "model.layers.0.*" -o part.safetensors`,
    )
    .action(async (version: string, destination: string | undefined, _: unknown, command: Command) => {
      const { pullCommand } = await import('./pull.ts')
      const options = command.opts<Parameters<typeof pullCommand>[3] & { tensor?: string[]; output?: string }>()
      if (options.tensor !== undefined || options.output !== undefined) {
        const { pullTensorsCommand } = await import('./pull-tensors.ts')
        return execute(command.optsWithGlobals(), session => pullTensorsCommand(session, version, destination, options))
      }
      await execute(command.optsWithGlobals(), session => pullCommand(session, version, destination, options))
    })

  root
    .command('log [name]')
    .description('list versions, the newest first')
    .addHelpText('after', '\nExample:\n  colab-escape log data')
    .action(async (name: string | undefined, _: unknown, command: Command) => {
      const { logCommand } = await import('./log.ts')
      await execute(command.optsWithGlobals(), session => logCommand(session, name))
    })

  root
    .command('ls <version> [path]')
    .description('list what a version holds')
    .option('-R, --recursive', 'all that is below the path')
    .addHelpText('after', '\nExamples:\n  colab-escape ls data\n  colab-escape ls data@best checkpoints -R')
    .action(async (version: string, path: string | undefined, _: unknown, command: Command) => {
      const { lsCommand } = await import('./ls.ts')
      const options = command.opts<Parameters<typeof lsCommand>[3]>()
      await execute(command.optsWithGlobals(), session => lsCommand(session, version, path, options))
    })

  root
    .command('cat <version:path>')
    .description('write one file of a version to stdout')
    .addHelpText('after', '\nExample:\n  colab-escape cat data~1:labels.csv | head')
    .action(async (what: string, _: unknown, command: Command) => {
      const { catCommand } = await import('./cat.ts')
      await execute(command.optsWithGlobals(), session => catCommand(session, what))
    })

  root
    .command('check')
    .description('check that everything is there, and with --read-data that it reads back')
    .option('--read-data [share]', 'read all packs back, or a random share of them, such as 10%')
    .addHelpText('after', '\nExamples:\n  colab-escape check\n  colab-escape check --read-data=10%')
    .action(async (_: unknown, command: Command) => {
      const { checkCommand } = await import('./check.ts')
      const options = command.opts<Parameters<typeof checkCommand>[1]>()
      await execute(command.optsWithGlobals(), session => checkCommand(session, options))
    })
}

/** The commands that change what is known of versions. */
export function registerVersionCommands(root: Command, execute: Execute): void {
  root
    .command('tag <version> <tag...>')
    .description('give a version tags to find it by')
    .option('--move', 'take these tags from all other versions of the name')
    .addHelpText('after', '\nExamples:\n  colab-escape tag runs best\n  colab-escape tag runs@best:val_loss best --move')
    .action(async (version: string, tags: string[], _: unknown, command: Command) => {
      const { tagCommand } = await import('./tag.ts')
      const options = command.opts<Parameters<typeof tagCommand>[3]>()
      await execute(command.optsWithGlobals(), session => tagCommand(session, version, tags, options))
    })

  root
    .command('untag <version> <tag...>')
    .description('take tags from a version')
    .addHelpText('after', '\nExample:\n  colab-escape untag runs@best best')
    .action(async (version: string, tags: string[], _: unknown, command: Command) => {
      const { untagCommand } = await import('./tag.ts')
      await execute(command.optsWithGlobals(), session => untagCommand(session, version, tags))
    })
}
