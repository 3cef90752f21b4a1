/*
 * The commands that compare: diff, status, inspect. They change nothing, here or in a store.
 */

import { collect } from '../shared/common-options.ts'
import type { LazyCommand } from '../shared/lazy-command.ts'

const DIFFERENCES_HELP = `
+ added, - removed, R renamed or moved with equal content, M changed, t only
mode or time. A new or removed folder is one line, and a terminal shows as many
lines as fit.
`

function addDifferenceOptions(command: LazyCommand): LazyCommand {
  return command
    .option('--all', 'list every file, also those of new and removed folders')
    .option('--stat', 'only the totals')
    .option('--exit-code', 'exit with 9 if there are differences (1 means that the command failed)')
}

export function diff(root: LazyCommand): void {
  const command = root
    .command('diff <before> [after]')
    .description('show which files differ between two versions, or between a version and a local folder')
  addDifferenceOptions(command)
    .addHelpText(
      'after',
      `
Of one version alone, shows what it changed: the version before it is compared
with it.
${DIFFERENCES_HELP}
Examples:
  colab-escape diff data~1 data
  colab-escape diff data ./data
  colab-escape diff data`,
    )
    .runs(async () => (await import('./diff.ts')).diffCommand)
}

export function status(root: LazyCommand): void {
  const command = root
    .command('status [path]')
    .description('show what a push would send (default path: the current folder)')
    .option('--name <name>', 'name to compare with (default: the name of the folder)')
    .option('--exclude <pattern>', 'skip files that match, as push does (repeatable)', collect)
    .option('--reread', 'read all files again, as push does with it')
    .option('--refresh', 'ask the store even if this machine knows the newest version')
  addDifferenceOptions(command)
    .addHelpText(
      'after',
      `${DIFFERENCES_HELP}
Examples:
  colab-escape status ./data
  colab-escape status ./data --exit-code > changes.txt`,
    )
    .runs(async () => (await import('./status.ts')).statusCommand)
}

export function inspect(root: LazyCommand): void {
  root
    .command('inspect <model> [other-model]')
    .description('list the tensors of a model without loading it, or compare two models')
    .addHelpText(
      'after',
      `
A model is a local path or name[version]:path: a file, the index of a model in
shards, or the folder with its shards. Only the needed parts of a stored model
are fetched. Formats: safetensors, PyTorch and pickles (no code in the file is
run), NumPy, joblib, GGUF, ONNX, HDF5, Keras, TensorFlow Lite, TensorFlow
checkpoints (name the .index) and SavedModels (name the folder), and ggml of
whisper.cpp. A comparison shows for each tensor the share of changed numbers and
the largest absolute difference; identical tensors are only counted. If the
models have no tensor name in common, a prefix such as "model." is left out of
the names of one.

Examples:
  colab-escape inspect model.safetensors
  colab-escape inspect runs@best:exp1/best.pt --json
  colab-escape inspect runs~1:exp1/last.pt runs:exp1/last.pt`,
    )
    .runs(async () => (await import('./inspect.ts')).inspectCommand)
}
