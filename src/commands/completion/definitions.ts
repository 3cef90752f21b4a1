import { Argument, Option } from 'commander'
import type { LazyCommand } from '../shared/lazy-command.ts'
import { SHELLS } from './model.ts'

export function completion(root: LazyCommand): void {
  root
    .command('completion')
    .description('print a script that completes commands, options, files and names in your shell')
    .addArgument(new Argument('[shell]', 'your shell').choices(SHELLS).argParser(shell => shell))
    .addOption(new Option('--names [begun]', 'names, versions and paths that go on from what is typed').hideHelp())
    .addOption(new Option('--stores', 'the names of stores').hideHelp())
    .addHelpText(
      'after',
      `
Examples:
  colab-escape completion bash >> ~/.bashrc
  colab-escape completion zsh > "\${fpath[1]}/_colab-escape"
  colab-escape completion fish > ~/.config/fish/completions/colab-escape.fish
  colab-escape completion powershell >> $PROFILE`,
    )
    .runs(async () => (await import('./completion.ts')).completionCommand)
}
