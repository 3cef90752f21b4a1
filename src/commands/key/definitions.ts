/*
 * The commands about the keys of an encrypted repository: passwords, recovery codes, and keys that machines keep. What
 * a key is, and how it opens a repository, is in `repository/sealing`.
 */

import { yesOption } from '../shared/common-options.ts'
import type { LazyCommand } from '../shared/lazy-command.ts'

const NEW_PASSWORD = 'file whose first line is the new password (default: COLAB_ESCAPE_NEW_PASSWORD, else it asks)'

export function key(root: LazyCommand): void {
  const group = root.command('key').description('passwords, recovery codes and kept keys of an encrypted repository')
  group
    .command('list')
    .description('list what opens the repository')
    .addHelpText('after', '\nExample:\n  colab-escape key list')
    .runs(async () => (await import('./list.ts')).keyListCommand)
  group
    .command('add')
    .description('add another password')
    .option('--label <text>', 'what to call it in the list (default: the name of this machine)')
    .option('--new-password-file <file>', NEW_PASSWORD)
    .addHelpText('after', '\nExample:\n  colab-escape key add --label "Ana"')
    .runs(async () => (await import('./add.ts')).keyAddCommand)
  group
    .command('change')
    .description('replace the password that opens the repository now by another one')
    .option('--new-password-file <file>', NEW_PASSWORD)
    .addHelpText(
      'after',
      `
The data is not encrypted anew. Whoever has read the master key of the
repository with the old password can still read it: then make a new repository.

Example:
  colab-escape key change`,
    )
    .runs(async () => (await import('./add.ts')).keyChangeCommand)
  group
    .command('remove <id>')
    .description('remove a password, a recovery code or a kept key')
    .addOption(yesOption())
    .addHelpText('after', '\nExample:\n  colab-escape key remove 1f0c2b3d')
    .runs(async () => (await import('./remove.ts')).keyRemoveCommand)
  group
    .command('recovery')
    .description('make a new recovery code and print it; older ones stay valid')
    .addHelpText('after', '\nExample:\n  colab-escape key recovery')
    .runs(async () => (await import('./recovery.ts')).keyRecoveryCommand)
  group
    .command('remember')
    .description('keep a key on this machine, which then opens the repository without a password')
    .addHelpText(
      'after',
      `
It is a random key of this machine, in your folder for settings, which only you
may read. \`key remove\` takes it back from anywhere.

Example:
  colab-escape key remember`,
    )
    .runs(async () => (await import('./remember.ts')).keyRememberCommand)
  group
    .command('forget')
    .description('remove the key that this machine keeps')
    .addHelpText('after', '\nExample:\n  colab-escape key forget')
    .runs(async () => (await import('./remember.ts')).keyForgetCommand)
}
