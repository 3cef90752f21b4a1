/*
 * The commands about settings: use chooses a store and gives stores names, config shows every setting. Which store
 * counts is decided in `commands/shared`.
 */

import type { LazyCommand } from '../shared/lazy-command.ts'

export function use(root: LazyCommand): void {
  root
    .command('use')
    .description('choose the store of this folder and all below it, or show which store counts here and why')
    .argument('[store]', 'a place as for --store, or the name of a store')
    .option('--global', 'for every folder that has no store of its own')
    .option('--name <store-name>', 'give the store this name, for --store, COLAB_ESCAPE_STORE and use')
    .option('--unset', 'take back the store of this folder, the one of --global, or a name')
    .addHelpText(
      'after',
      `
It looks whether the store can be reached, and says what it holds. The choice is
kept in stores.toml in your folder for settings, which you may edit too.
--store and COLAB_ESCAPE_STORE count before it.

Examples:
  colab-escape use drive:Projects/speech
  colab-escape use --name usb /media/usb/repo
  colab-escape use --global usb
  colab-escape use
  colab-escape use --unset`,
    )
    .runs(async () => (await import('./use.ts')).useCommand)
}

export function config(root: LazyCommand): void {
  root
    .command('config')
    .description('show every setting, its value, and where it comes from')
    .addHelpText('after', '\nExamples:\n  colab-escape config\n  colab-escape config --json')
    .runs(async () => (await import('./config.ts')).configCommand)
}
