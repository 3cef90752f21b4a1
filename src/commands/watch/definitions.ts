/*
 * The command watch, its options and its screen. What is worth saving is decided in `repository/watch`.
 */

import { Option } from 'commander'
import { collect, excludeOption, levelChoiceOption } from '../shared/common-options.ts'
import type { LazyCommand } from '../shared/lazy-command.ts'

export function watch(root: LazyCommand): void {
  root
    .command('watch [path]')
    .description('save a folder whenever files in it are finished, e.g. during a training')
    .option('--name <name>', 'name of the versions (default: the name of the folder)')
    .option('--every <time>', 'make at most one version in this time, e.g. 30s, 5min, 1h', '30s')
    .option('--settle <time>', 'a file is finished when it has not changed for this time', '5s')
    .option('--keep-last <n>', 'keep the newest n versions, and forget older ones')
    .option('--keep-best <metric:n>', 'also keep the n versions with the lowest value; max:metric:n for the highest (repeatable)', collect)
    .option(
      '--metrics-from <file>',
      'JSON or JSONL file whose last object holds the metrics of a version; with a * in it, the newest matching file of that version',
    )
    .option('--metric-pattern <regex>', 'finds metrics in file names, e.g. val_loss=([0-9.]+)')
    .option('--until-exit <pid>', 'make a last version and end when this process ends')
    .option('--grace <time>', 'time limit for the last version after Ctrl-C or SIGTERM', '20s')
    .option('--background', 'watch in a process of its own, and return: a closed terminal or an interrupted cell does not end it')
    .option('--status', 'show the watches in the background')
    .option('--stop', 'end a watch in the background: it makes its last version first')
    .addOption(new Option('--background-record <file>').hideHelp())
    .option('--status-file <file>', 'keep the current state in this JSON file')
    .option('-m, --message <text>', 'description of these versions')
    .option('--tag <tag>', 'tag for each of these versions (repeatable)', collect)
    .addOption(excludeOption())
    .addOption(levelChoiceOption('balanced'))
    .option('--create', 'make a new repository, also where this machine knows one that is gone')
    .option('--no-delta', "don't store tensors as differences from earlier ones")
    .addHelpText(
      'after',
      `
A half-written file is never stored: until it is finished, new versions hold
what the previous one held of it. If something fails (no network, a full Drive),
watch reports it once and tries again. Ctrl-C or SIGTERM saves what is finished
and ends; a second one ends at once.

Examples:
  colab-escape watch runs
  colab-escape watch runs --background --keep-last 5
  colab-escape watch --status
  colab-escape watch --stop
  colab-escape watch runs --keep-last 5 --until-exit 4711
  colab-escape watch runs --metrics-from runs/log.jsonl --keep-best val_loss:2`,
    )
    .runs(async ({ status = false, stop = false }: { status?: boolean; stop?: boolean }) => {
      if (status) return (await import('./background.ts')).watchStatus
      if (stop) return (await import('./background.ts')).stopWatch
      return (await import('./watch.ts')).watchCommand
    })
}
