import type { Command } from 'commander'
import type { Execute } from './shared/definition.ts'

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
      const { inspectCommand } = await import('./compare/inspect.ts')
      await execute(command.optsWithGlobals(), session => inspectCommand(session, file, other))
    })
}
