/*
 * The commands that compare: diff, status, inspect. They change nothing, here or in a store.
 */

import type { Command } from 'commander'
import { collect, type Execute } from '../shared/execute.ts'

/** The commands that compare and measure. */
export function registerCompareCommands(root: Command, execute: Execute): void {
  root
    .command('diff <before> <after>')
    .description('what differs, by file, between two versions, or a version and a local folder')
    .addHelpText('after', '\nExamples:\n  colab-escape diff data~1 data\n  colab-escape diff data ./data')
    .action(async (before: string, after: string, _: unknown, command: Command) => {
      const { diffCommand } = await import('./diff.ts')
      await execute(command.optsWithGlobals(), session => diffCommand(session, before, after))
    })

  root
    .command('status [path]')
    .description('what a push would send (default path: the current folder)')
    .option('--name <name>', 'the name to compare with (default: that of the folder)')
    .option('--exclude <pattern>', 'leave out what matches, as push does (repeatable)', collect)
    .option('--refresh', 'ask the store, even where this machine knows the newest version')
    .addHelpText('after', '\nExample:\n  colab-escape status ./data')
    .action(async (path: string | undefined, _: unknown, command: Command) => {
      const { statusCommand } = await import('./status.ts')
      const options = command.opts<Parameters<typeof statusCommand>[2]>()
      await execute(command.optsWithGlobals(), session => statusCommand(session, path, options))
    })
}

/** The commands that look into files with tensors. */
export function registerTensorCommands(root: Command, execute: Execute): void {
  root
    .command('inspect <model> [other-model]')
    .description('list the tensors of a model without loading it, or compare those of two')
    .addHelpText(
      'after',
      `
A model is a path here or name[version]:path. Of a stored one only the pieces
that are needed are fetched. Formats: safetensors, PyTorch (nothing in it is
run), NumPy, GGUF. Comparing tells per tensor the share of changed numbers and
the greatest absolute difference; identical tensors are only counted. Where no
name is in both, a common beginning such as "model." is left out of one.

Examples:
  colab-escape inspect model.safetensors
  colab-escape inspect runs@best:exp1/best.pt --json
  colab-escape inspect runs~1:exp1/last.pt runs:exp1/last.pt`,
    )
    .action(async (file: string, other: string | undefined, _: unknown, command: Command) => {
      const { inspectCommand } = await import('./inspect.ts')
      await execute(command.optsWithGlobals(), session => inspectCommand(session, file, other))
    })
}
