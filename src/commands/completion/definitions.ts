import { Argument, Option, type Command } from 'commander'
import { SHELLS } from './model.ts'
import type { Execute } from '../shared/definition.ts'

/** The commands that help with the program itself. */
export function registerHelpCommands(root: Command, execute: Execute): void {
  root
    .command('doctor')
    .description('look for what could go wrong on this machine, and say what to do about it')
    .addHelpText('after', '\nExamples:\n  colab-escape doctor\n  colab-escape doctor --store drive: --json')
    .action(async (_: unknown, command: Command) => {
      const { doctorCommand } = await import('../doctor/doctor.ts')
      await execute(command.optsWithGlobals(), doctorCommand)
    })

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
