import { Argument, Option, type Command } from 'commander'
import type { Execute } from '../shared/execute.ts'
import { SHELLS } from './model.ts'

/** The command that helps a shell. */
export function registerCompletionCommand(root: Command, execute: Execute): void {
  root
    .command('completion')
    .description('print a script that completes commands, options, files and names in your shell')
    .addArgument(new Argument('[shell]', 'whose script').choices(SHELLS))
    .addOption(new Option('--names', 'the names that this machine knows of').hideHelp())
    .addHelpText(
      'after',
      `
Examples:
  colab-escape completion bash >> ~/.bashrc
  colab-escape completion zsh > "\${fpath[1]}/_colab-escape"
  colab-escape completion fish > ~/.config/fish/completions/colab-escape.fish`,
    )
    .action(async (shell: string | undefined, _: unknown, command: Command) => {
      const { completionCommand } = await import('./completion.ts')
      const options = command.opts<Parameters<typeof completionCommand>[2]>()
      await execute(command.optsWithGlobals(), session => completionCommand(session, shell, options, root))
    })
}
