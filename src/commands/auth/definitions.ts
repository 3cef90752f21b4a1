/*
 * The commands around the login to Google Drive. The login itself happens in `auth`.
 */

import { Option, type Command } from 'commander'
import type { Execute } from '../shared/execute.ts'

/** The commands around logging in. */
export function registerAuthCommands(root: Command, execute: Execute): void {
  const auth = root.command('auth').description('log in to Google Drive, see who is logged in, log out')
  auth
    .command('login')
    .description('log in with your browser and save the login')
    .option('--no-browser', 'print the address to open, and take the address of the page you are sent to: for a browser on another machine')
    .option(
      '--client-secret-file <file>',
      "your OAuth client's JSON (default: GOOGLE_CLIENT_ID and GOOGLE_CLIENT_SECRET, else that of the last login)",
    )
    .addOption(
      new Option(
        '--scope <scope>',
        'drive: all files of your Drive, so also what Colab pushed; drive.file: only what this OAuth client made',
      )
        .choices(['drive', 'drive.file'])
        .default('drive'),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  colab-escape auth login --client-secret-file client_secret.json\n  colab-escape auth login --no-browser',
    )
    .action(async (_: unknown, command: Command) => {
      const { authLoginCommand } = await import('./login.ts')
      const options = command.opts<Parameters<typeof authLoginCommand>[1]>()
      await execute(command.optsWithGlobals(), session => authLoginCommand(session, options))
    })
  auth
    .command('status')
    .description('who is logged in, with which credentials, and how much room there is')
    .addHelpText('after', '\nExample:\n  colab-escape auth status')
    .action(async (_: unknown, command: Command) => {
      const { authStatusCommand } = await import('./status.ts')
      await execute(command.optsWithGlobals(), authStatusCommand)
    })
  auth
    .command('logout')
    .description('revoke the saved login and remove it')
    .addHelpText('after', '\nExample:\n  colab-escape auth logout')
    .action(async (_: unknown, command: Command) => {
      const { authLogoutCommand } = await import('./logout.ts')
      await execute(command.optsWithGlobals(), authLogoutCommand)
    })
  auth
    .command('setup')
    .description('how to make an OAuth client of your own')
    .addHelpText('after', '\nExample:\n  colab-escape auth setup')
    .action(async (_: unknown, command: Command) => {
      const { authSetupCommand } = await import('./setup.ts')
      await execute(command.optsWithGlobals(), authSetupCommand)
    })
  auth
    .command('export')
    .description('print the saved login as JSON, for COLAB_ESCAPE_CREDENTIALS on another machine: a secret')
    .option('--yes', "don't ask before printing it")
    .addHelpText('after', '\nExample:\n  colab-escape auth export --yes > credentials.json')
    .action(async (_: unknown, command: Command) => {
      const { authExportCommand } = await import('./export.ts')
      const options = command.opts<Parameters<typeof authExportCommand>[1]>()
      await execute(command.optsWithGlobals(), session => authExportCommand(session, options))
    })
}
