/*
 * The command watch, its options and its screen. What is worth saving is decided in `repository/watch`.
 */

import { Option, type Command } from 'commander'
import { collect, type Execute } from '../shared/execute.ts'

/** The command that saves by itself. */
export function registerWatchCommand(root: Command, execute: Execute, program: string): void {
  root
    .command('watch <path>')
    .description('save a folder whenever files in it are finished, while a training runs')
    .option('--name <name>', 'the name of the versions (default: that of the folder)')
    .option('--every <time>', 'at most one version in this time, e.g. 30s, 5min, 1h', '30s')
    .option('--settle <time>', 'a file is finished when it has not changed for so long', '5s')
    .option('--keep-last <n>', 'of older versions keep so many, and forget the others')
    .option('--keep-best <metric:n>', 'keep those with the n lowest values too; max:metric:n for the highest (repeatable)', collect)
    .option(
      '--metrics-from <file>',
      'a JSON or JSONL file whose last object has the metrics of a version; with a * the newest file of that version that matches',
    )
    .option('--metric-pattern <regex>', 'finds metrics in names of files, as in val_loss=([0-9.]+)')
    .option('--until-exit <pid>', 'end with a last version when this process ends')
    .option('--grace <time>', 'how long a last version may take after Ctrl-C or SIGTERM', '20s')
    .option('--status-file <file>', 'keep what goes on in a JSON file')
    .option('-m, --message <text>', 'what these versions are')
    .option('--tag <tag>', 'a tag for all of them (repeatable)', collect)
    .option(
      '--exclude <pattern>',
      'leave out what matches, in gitignore syntax (repeatable); also read from .colab-escape-ignore files',
      collect,
    )
    .addOption(new Option('--level <level>', 'how hard to compress').choices(['fast', 'balanced', 'max']).default('balanced'))
    .option('--no-delta', 'store no tensor as what differs from an earlier one')
    .addHelpText(
      'after',
      `
A file that is being written is never stored half: until it is finished, the
version before keeps its place. Whatever is in the way (no network, a full
Drive) is told once and tried again. Ctrl-C or SIGTERM saves what is finished
and ends; a second one ends at once.

Examples:
  colab-escape watch runs
  colab-escape watch runs --keep-last 5 --until-exit 4711
  colab-escape watch runs --metrics-from runs/log.jsonl --keep-best val_loss:2`,
    )
    .action(async (path: string, _: unknown, command: Command) => {
      const { watchCommand } = await import('./watch.ts')
      const options = command.opts<Parameters<typeof watchCommand>[2]>()
      await execute(command.optsWithGlobals(), session => watchCommand(session, path, options, program))
    })
}
